#include "cli/terminal/settings.h"

#include <charconv>
#include <cmath>

namespace hearth::cli {

namespace {
struct Setting {
    const char* name;
    double least, most;
    bool is_integer;
    void (*apply)(SamplerOptions& options, double value);  // nullptr: not the sampler's
};
constexpr double kMany = 1e15;  // a double holds every integer up to here
const Setting kSettings[] = {
    {"temperature", 0, 100, false, [](SamplerOptions& o, double v) { o.temperature = float(v); }},
    {"top_k", 0, 1e6, true, [](SamplerOptions& o, double v) { o.top_k = int32_t(v); }},
    {"top_p", 0, 1, false, [](SamplerOptions& o, double v) { o.top_p = float(v); }},
    {"min_p", 0, 1, false, [](SamplerOptions& o, double v) { o.min_p = float(v); }},
    {"typical_p", 0, 1, false, [](SamplerOptions& o, double v) { o.typical_p = float(v); }},
    {"repeat_penalty", 0.01, 100, false, [](SamplerOptions& o, double v) { o.repetition_penalty = float(v); }},
    {"presence_penalty", -100, 100, false, [](SamplerOptions& o, double v) { o.presence_penalty = float(v); }},
    {"frequency_penalty", -100, 100, false, [](SamplerOptions& o, double v) { o.frequency_penalty = float(v); }},
    {"seed", 0, kMany, true, [](SamplerOptions& o, double v) { o.seed = uint64_t(v); }},
    {"max_tokens", 1, kMany, true, nullptr},
    {"think_budget", 0, kMany, true, nullptr},
};

const Setting* find_setting(std::string_view name) {
    if (name == "temp") name = "temperature";
    for (const Setting& setting : kSettings)
        if (name == setting.name) return &setting;
    return nullptr;
}
}  // namespace

std::vector<std::string> Settings::names() {
    std::vector<std::string> names;
    for (const Setting& setting : kSettings) names.push_back(setting.name);
    return names;
}

Result<> Settings::set(std::string_view name, std::string_view value) {
    const Setting* setting = find_setting(name);
    if (!setting)
        return fail(ErrorKind::bad_request, fmt::format("there is no setting {}", name),
                    fmt::format("there are {}", fmt::join(names(), ", ")));
    if (value == "default") {
        values_.erase(setting->name);
        return {};
    }
    double number = 0;
    const auto read = std::from_chars(value.data(), value.data() + value.size(), number);
    const bool is_number = !value.empty() && read.ec == std::errc() && read.ptr == value.data() + value.size() &&
                           number >= setting->least && number <= setting->most &&
                           (!setting->is_integer || number == std::floor(number));
    if (!is_number)
        return fail(ErrorKind::bad_request, fmt::format("{} cannot be {}", setting->name, value),
                    fmt::format("give {} from {} to {}, or default", setting->is_integer ? "an integer" : "a number",
                                setting->least, setting->most));
    values_[setting->name] = number;
    return {};
}

void Settings::apply(SamplerOptions& options) const {
    for (const auto& [name, value] : values_)
        if (const Setting* setting = find_setting(name); setting->apply) setting->apply(options, value);
}

std::optional<int64_t> Settings::integer(const char* name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) return std::nullopt;
    return int64_t(found->second);
}

Json Settings::json() const {
    Json json = Json::object();
    for (const auto& [name, value] : values_) json.set(name, value);
    return json;
}

void Settings::restore(const Json& json) {
    if (!json.is_object()) return;
    for (const auto& [name, value] : json.members())
        if (value.is_number()) (void)set(name, fmt::format("{}", value.as_double()));
}

std::string Settings::line() const {
    std::string line;
    for (const auto& [name, value] : values_) line += fmt::format("{}{} {}", line.empty() ? "" : ", ", name, value);
    return line;
}

}  // namespace hearth::cli
