#include "text/detokenizer.h"

#include <algorithm>
#include <utility>

#include "text/unicode.h"

namespace hearth {

std::string Utf8Stream::push(std::string_view bytes) {
    std::string joined;
    if (!pending_.empty()) {
        joined = std::exchange(pending_, {});
        joined += bytes;
        bytes = joined;
    }
    std::string out;
    out.reserve(bytes.size());
    for (size_t at = 0; at < bytes.size();) {
        const auto sequence = unicode::strict_sequence(bytes, at);
        if (sequence.incomplete) {
            pending_ = bytes.substr(at);
            break;
        }
        out += sequence.valid ? bytes.substr(at, sequence.length) : unicode::kReplacementText;
        at += sequence.length;
    }
    return out;
}

std::string Utf8Stream::finish() {
    if (pending_.empty()) return {};
    pending_.clear();
    return std::string(unicode::kReplacementText);
}

StopStrings::StopStrings(std::vector<std::string> stops) {
    for (size_t index = 0; index < stops.size(); ++index) {
        if (stops[index].empty()) continue;
        Stop stop{std::move(stops[index]), index, {0}};
        for (uint32_t border = 0; stop.border.size() < stop.text.size();) {
            const char next = stop.text[stop.border.size()];
            while (border > 0 && stop.text[border] != next) border = stop.border[border - 1];
            border += stop.text[border] == next;
            stop.border.push_back(border);
        }
        stops_.push_back(std::move(stop));
    }
}

StopStrings::Step StopStrings::push(std::string_view text) {
    if (stops_.empty()) return {std::string(text), std::nullopt};
    for (size_t at = 0; at < text.size(); ++at) {
        const Stop* complete = nullptr;
        for (Stop& stop : stops_) {
            while (stop.matched > 0 && stop.text[stop.matched] != text[at])
                stop.matched = stop.border[stop.matched - 1];
            stop.matched += stop.text[stop.matched] == text[at];
            if (stop.matched == stop.text.size() && (!complete || stop.text.size() > complete->text.size()))
                complete = &stop;
        }
        if (!complete) continue;
        std::string out = std::exchange(held_, {}) + std::string(text.substr(0, at + 1));
        out.resize(out.size() - complete->text.size());
        for (Stop& stop : stops_) stop.matched = 0;
        return {std::move(out), complete->index};
    }
    // Hold back the longest end that begins a stop string.
    uint32_t hold = 0;
    for (const Stop& stop : stops_) hold = std::max(hold, stop.matched);
    held_ += text;
    std::string out = held_.substr(0, held_.size() - hold);
    held_.erase(0, out.size());
    return {std::move(out), std::nullopt};
}

std::string StopStrings::finish() {
    for (Stop& stop : stops_) stop.matched = 0;
    return std::exchange(held_, {});
}

}  // namespace hearth
