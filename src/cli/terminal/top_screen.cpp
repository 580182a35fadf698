#include "cli/terminal/top_screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/text_format.h"
#include "cli/console.h"
#include "cli/terminal/style.h"
#include "cli/terminal/width.h"
#include "text/unicode.h"

namespace hearth::cli {

namespace {

double number_of(const Json& json, std::string_view key) {
    const Json* found = json.find(key);
    // Whoever answers, no number is too large to be written out.
    constexpr double kMost = 1e15;
    return found && found->is_number() ? std::clamp(found->as_double(), -kMost, kMost) : 0;
}

std::string text_of(const Json& json, std::string_view key) {
    const Json* found = json.find(key);
    return found && found->is_string() ? one_line(found->as_string()) : std::string();
}

const Json::Array& list_of(const Json& json, std::string_view key) {
    static const Json::Array kNothing;
    const Json* found = json.find(key);
    return found && found->is_array() ? found->items() : kNothing;
}

std::string cut(std::string_view text, int columns) {
    if (text_width(text) <= columns) return std::string(text);
    std::string out;
    int width = 0;
    for (size_t at = 0; at < text.size();) {
        const unicode::Char read = unicode::decode(reinterpret_cast<const uint8_t*>(text.data()) + at);
        width += char_width(read.code);
        if (width >= columns) break;
        out += text.substr(at, read.length);
        at += read.length;
    }
    return columns > 0 ? out + "~" : out;
}

std::string count_text(double count) {
    if (count < 10 && count != std::floor(count)) return fmt::format("{:.1f}", count);
    return fmt::format("{:.0f}", count);
}

std::string time_text(double seconds) {
    return duration_text(std::clamp(seconds, 0.0, 1e9));
}

std::string share_text(double share) {
    return fmt::format("{:.0f} %", share * 100);
}

// Of a kind of tokens per second, between two answers of the same server.
class Speeds {
public:
    Speeds(const Json& now, const Json* before) : now_(now), before_(before) {
        seconds_ = before ? number_of(now, "uptime_seconds") - number_of(*before, "uptime_seconds") : 0;
    }
    std::optional<double> of_model(const Json& model, std::string_view kind) const {
        if (seconds_ <= 0) return std::nullopt;
        const std::string name = text_of(model, "name");
        for (const Json& earlier : list_of(*before_, "models"))
            if (text_of(earlier, "name") == name)
                return std::max(0.0, total(model, kind) - total(earlier, kind)) / seconds_;
        return std::nullopt;
    }
    std::optional<double> of_all(std::string_view kind) const {
        std::optional<double> sum;
        for (const Json& model : list_of(now_, "models"))
            if (const auto speed = of_model(model, kind)) sum = sum.value_or(0) + *speed;
        return sum;
    }
    static double total(const Json& model, std::string_view kind) {
        const Json* totals = model.find("totals");
        return totals ? number_of(*totals, kind) : 0;
    }
    static std::string text(std::optional<double> speed) { return speed ? count_text(*speed) : "-"; }

private:
    const Json& now_;
    const Json* before_;
    double seconds_ = 0;
};

// Columns as wide as what stands in them; the first may be cut, numbers stand at the right.
class Grid {
public:
    explicit Grid(std::vector<std::string> heads, size_t texts) : texts_(texts) { rows_.push_back(std::move(heads)); }
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

    std::vector<std::string> lines(int columns) const {
        std::vector<int> widths(rows_[0].size(), 0);
        for (const auto& row : rows_)
            for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], text_width(row[i]));
        int all = int(widths.size() - 1) * kGap;
        for (const int width : widths) all += width;
        // The texts give way first, the widest of them most.
        for (; all > columns; --all) {
            const auto widest = std::max_element(widths.begin(), widths.begin() + std::ptrdiff_t(texts_));
            if (*widest <= kNarrowest) break;
            --*widest;
        }
        std::vector<std::string> lines;
        for (const auto& row : rows_) {
            std::string line;
            for (size_t i = 0; i < row.size(); ++i) {
                const std::string cell = cut(row[i], widths[i]);
                const std::string fill(size_t(std::max(0, widths[i] - text_width(cell))), ' ');
                if (i > 0) line += std::string(kGap, ' ');
                line += i < texts_ ? cell + fill : fill + cell;
            }
            line.resize(line.find_last_not_of(' ') + 1);
            lines.push_back(cut(line, columns));
        }
        return lines;
    }

private:
    static constexpr int kGap = 2, kNarrowest = 6;
    size_t texts_;  // columns of text in front of those of numbers
    std::vector<std::vector<std::string>> rows_;
};

std::string first_line(const Json& now) {
    const double connections = number_of(now, "connections");
    return fmt::format("hearth {}   up {}   {} connection{}   {} in memory", text_of(now, "version"),
                       time_text(number_of(now, "uptime_seconds")), count_text(connections),
                       connections == 1 ? "" : "s",
                       bytes_text(uint64_t(std::max(0.0, number_of(now, "resident_bytes")))));
}

std::string second_line(const Json& now, const Speeds& speeds) {
    double running = 0, waiting = 0, computed = 0, cached = 0;
    for (const Json& model : list_of(now, "models")) {
        running += number_of(model, "running");
        waiting += number_of(model, "waiting");
        computed += Speeds::total(model, "prompt_tokens");
        cached += Speeds::total(model, "cached_tokens");
    }
    std::string line = fmt::format("{} running   {} waiting   {} tokens/s in   {} tokens/s out", count_text(running),
                                   count_text(waiting), Speeds::text(speeds.of_all("prompt_tokens")),
                                   Speeds::text(speeds.of_all("generated_tokens")));
    if (computed + cached > 0) line += fmt::format("   {} from the cache", share_text(cached / (computed + cached)));
    return line;
}

std::vector<std::string> model_lines(const Json& now, const Speeds& speeds, int columns) {
    Grid grid({"MODEL", "DEVICE", "RUNNING", "WAITING", "CONTEXT", "IN/S", "OUT/S", "MEMORY"}, 2);
    for (const Json& model : list_of(now, "models")) {
        const Json* memory = model.find("memory");
        if (!memory) {
            grid.add({text_of(model, "name"), "not loaded", "", "", "", "", "", ""});
            continue;
        }
        grid.add({text_of(model, "name"), text_of(model, "device"),
                  fmt::format("{}/{}", count_text(number_of(model, "running")), count_text(number_of(model, "places"))),
                  count_text(number_of(model, "waiting")), share_text(number_of(model, "cache_usage")),
                  Speeds::text(speeds.of_model(model, "prompt_tokens")),
                  Speeds::text(speeds.of_model(model, "generated_tokens")),
                  bytes_text(uint64_t(std::max(0.0, number_of(*memory, "total"))))});
    }
    return grid.lines(columns);
}

std::vector<std::string> request_lines(const Json& now, int columns) {
    Grid grid({"REQUEST", "MODEL", "KEY", "PHASE", "PROMPT", "ANSWER", "TOKENS/S", "TIME"}, 4);
    for (const Json& one : list_of(now, "requests")) {
        const double prompt = number_of(one, "prompt_tokens"), done = number_of(one, "prompt_tokens_done");
        const double speed = number_of(one, "tokens_per_second");
        grid.add({text_of(one, "id"), text_of(one, "model"), text_of(one, "key"), text_of(one, "phase"),
                  done < prompt ? fmt::format("{}/{}", count_text(done), count_text(prompt)) : count_text(prompt),
                  count_text(number_of(one, "generated_tokens")), speed > 0 ? count_text(speed) : "-",
                  time_text(number_of(one, "seconds"))});
    }
    return grid.lines(columns);
}

}  // namespace

std::vector<std::string> top_screen(const Json& now, const Json* before, const TopView& view) {
    const Speeds speeds(now, before);
    std::vector<std::string> lines = {cut(first_line(now), view.columns), cut(second_line(now, speeds), view.columns)};
    const auto add = [&](std::vector<std::string> more) {
        lines.emplace_back();
        if (view.colour) more[0] = control_sequence(styles::kBold) + more[0] + control_sequence(styles::kPlain);
        lines.insert(lines.end(), more.begin(), more.end());
    };
    add(model_lines(now, speeds, view.columns));
    if (!list_of(now, "requests").empty()) add(request_lines(now, view.columns));
    const size_t most = size_t(std::max(view.rows, 1));
    if (lines.size() > most) {
        const size_t hidden = lines.size() - most + 1;
        lines.resize(most - 1);
        lines.push_back(cut(fmt::format("... {} more lines", hidden), view.columns));
    }
    return lines;
}

}  // namespace hearth::cli
