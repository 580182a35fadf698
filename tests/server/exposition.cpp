#include "server/exposition.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sstream>
#include <string_view>

namespace hearth::test {

namespace {

bool is_name(std::string_view text, bool may_have_colons) {
    if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
    return std::ranges::all_of(text, [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               (c == ':' && may_have_colons);
    });
}

// What stands between the braces, unescaped; false: it is no list of labels.
bool read_labels(const std::string& text, std::map<std::string, std::string>& labels) {
    size_t at = 0;
    while (at < text.size()) {
        const size_t equals = text.find("=\"", at);
        if (equals == std::string::npos) return false;
        const std::string name = text.substr(at, equals - at);
        if (!is_name(name, false)) return false;
        std::string value;
        for (at = equals + 2; at < text.size() && text[at] != '"'; ++at) {
            if (text[at] != '\\') {
                value += text[at];
                continue;
            }
            if (++at == text.size()) return false;
            if (text[at] != 'n' && text[at] != '\\' && text[at] != '"') return false;
            value += text[at] == 'n' ? '\n' : text[at];
        }
        if (at++ >= text.size() || !labels.emplace(name, value).second) return false;
        if (at < text.size() && text[at++] != ',') return false;
    }
    return true;
}

std::string family_of(const std::string& name, const Exposition& all) {
    if (all.families.contains(name)) return name;
    for (const char* suffix : {"_bucket", "_sum", "_count"})
        if (name.ends_with(suffix)) {
            const std::string base = name.substr(0, name.size() - std::string(suffix).size());
            if (all.families.contains(base) && all.families.at(base).type == "histogram") return base;
        }
    return {};
}

// Buckets never shrink from bound to bound, and the last one counts as many as _count.
void check_histograms(Exposition& all) {
    std::map<std::string, std::vector<std::pair<double, double>>> buckets;
    for (const auto& [series, value] : all.samples) {
        const size_t brace = series.find("_bucket{"), le = series.rfind(",le=\"");
        if (brace == std::string::npos) continue;
        const size_t bound = le == std::string::npos ? series.find("{le=\"") : le;
        if (bound == std::string::npos) {
            all.problems.push_back(series + " has no bound");
            continue;
        }
        const std::string text = series.substr(bound + 5, series.find('"', bound + 5) - bound - 5);
        std::string key = series.substr(0, brace) + "_count" + series.substr(brace + 7, bound - brace - 7) + "}";
        if (key.find('{') == std::string::npos) key.pop_back();
        buckets[key].emplace_back(text == "+Inf" ? HUGE_VAL : std::atof(text.c_str()), value);
    }
    for (auto& [key, list] : buckets) {
        std::ranges::sort(list);
        for (size_t i = 1; i < list.size(); ++i)
            if (list[i].second < list[i - 1].second) all.problems.push_back(key + " shrinks");
        const auto count = all.samples.find(key);
        if (list.back().first != HUGE_VAL || count == all.samples.end() || count->second != list.back().second)
            all.problems.push_back(key + " is not its last bucket");
    }
}

}  // namespace

double Exposition::sum(const std::string& name, const std::vector<std::string>& pieces) const {
    double sum = -1;
    for (const auto& [series, value] : samples) {
        if (series.substr(0, series.find('{')) != name) continue;
        if (std::ranges::all_of(pieces, [&](const auto& one) { return series.find(one) != std::string::npos; }))
            sum = std::max(sum, 0.0) + value;
    }
    return sum;
}

Exposition read_exposition(const std::string& text) {
    Exposition all;
    if (!text.ends_with('\n')) all.problems.push_back("the last line has no end");
    std::istringstream lines(text);
    std::string current;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# HELP ") || line.starts_with("# TYPE ")) {
            const size_t end = line.find(' ', 7);
            const std::string name = line.substr(7, end - 7);
            if (end == std::string::npos || !is_name(name, true)) {
                all.problems.push_back("no head: " + line);
                continue;
            }
            Exposition::Family& family = all.families[name];
            std::string& place = line[2] == 'H' ? family.help : family.type;
            if (!place.empty() || family.samples > 0) all.problems.push_back("twice: " + line);
            place = line.substr(end + 1);
            current = name;
            continue;
        }
        // NAME or NAME{LABELS}, a blank, the number; blanks may be in labels only.
        const size_t blank = line.rfind(' '), brace = line.find('{');
        const std::string series = line.substr(0, blank), name = series.substr(0, brace);
        std::map<std::string, std::string> labels;
        const bool has_labels = brace != std::string::npos && brace < series.size();
        if (blank == std::string::npos || !is_name(name, true) ||
            (has_labels &&
             (!series.ends_with('}') || !read_labels(series.substr(brace + 1, series.size() - brace - 2), labels)))) {
            all.problems.push_back("no sample: " + line);
            continue;
        }
        const std::string family = family_of(name, all);
        if (family.empty() || family != current) all.problems.push_back("out of its family: " + line);
        if (family.empty()) continue;
        ++all.families[family].samples;
        const std::string number = line.substr(blank + 1);
        char* end = nullptr;
        const double value = std::strtod(number.c_str(), &end);
        if (number.empty() || *end) all.problems.push_back("no number: " + line);
        if (!all.samples.emplace(series, value).second) all.problems.push_back("twice: " + line);
    }
    for (const auto& [name, family] : all.families)
        if (family.help.empty() || (family.type != "counter" && family.type != "gauge" && family.type != "histogram"))
            all.problems.push_back(name + " has no help or no type");
    check_histograms(all);
    return all;
}

}  // namespace hearth::test
