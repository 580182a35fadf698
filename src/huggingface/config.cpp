#include "huggingface/config.h"

#include <cmath>

#include "files/safetensors.h"

namespace hearth::huggingface {

namespace {
constexpr uint64_t kMaxConfigBytes = 16 << 20;

const Json* member(const Json& object, std::string_view key) {
    const size_t dot = key.find('.');
    const Json* found = object.find(key.substr(0, dot));
    if (!found || found->is_null()) return nullptr;
    return dot == std::string_view::npos ? found : member(*found, key.substr(dot + 1));
}
}  // namespace

Config::Config(Json whole, std::string file) : whole_(std::move(whole)), file_(std::move(file)) {
    for (const char* part : {"text_config", "llm_config", "language_config"})
        if (const Json* found = whole_.find(part); found && found->is_object()) {
            text_ = part;
            return;
        }
}

Result<Config> Config::read(const std::string& directory, const std::string& name) {
    const std::string path = directory + "/" + name;
    const std::string text = TRY(read_small_file(path, kMaxConfigBytes));
    auto json = Json::parse(text, 40);
    if (!json) return fail(ErrorKind::bad_file, path + " is " + json.error().what, "download it again");
    if (!json->is_object()) return fail(ErrorKind::bad_file, path + " holds no object", "download it again");
    return Config(std::move(*json), name);
}

const Json* Config::find(std::string_view key) const {
    if (text_)
        if (const Json* found = member(*whole_.find(text_), key)) return found;
    return member(whole_, key);
}

int64_t Config::integer(std::string_view key, int64_t low, int64_t high) {
    if (!has(key)) problem(fmt::format("{} is missing", key));
    return integer_or(key, low, low, high);
}

int64_t Config::integer_or(std::string_view key, int64_t otherwise, int64_t low, int64_t high) {
    const Json* found = find(key);
    if (!found) return otherwise;
    if (!found->is_integer()) {
        problem(fmt::format("{} is no integer", key));
        return low;
    }
    const int64_t value = found->as_int();
    if (value >= low && value <= high) return value;
    problem(fmt::format("{} is {}, expected {} to {}", key, value, low, high));
    return low;
}

double Config::number(std::string_view key) {
    if (!has(key)) problem(fmt::format("{} is missing", key));
    return number_or(key, 1);
}

double Config::number_or(std::string_view key, double otherwise) {
    const Json* found = find(key);
    if (!found) return otherwise;
    if (found->is_number())
        if (const double value = found->as_double(); std::abs(value) <= 3e38) return value;
    problem(fmt::format("{} is no finite number", key));
    return otherwise;
}

bool Config::boolean_or(std::string_view key, bool otherwise) {
    const Json* found = find(key);
    if (!found) return otherwise;
    if (found->is_bool()) return found->as_bool();
    problem(fmt::format("{} is neither true nor false", key));
    return otherwise;
}

std::string Config::text_or(std::string_view key, std::string otherwise) {
    const Json* found = find(key);
    if (!found) return otherwise;
    if (found->is_string()) return found->as_string();
    problem(fmt::format("{} is no text", key));
    return otherwise;
}

std::vector<int64_t> Config::integers(std::string_view key) {
    std::vector<int64_t> values;
    const Json* found = find(key);
    if (!found) return values;
    if (found->is_array())
        for (const Json& item : found->items()) {
            if (!item.is_integer() && !item.is_bool()) break;
            values.push_back(item.is_bool() ? int64_t(item.as_bool()) : item.as_int());
        }
    if (!found->is_array() || values.size() != found->items().size())
        problem(fmt::format("{} is no list of integers", key));
    return values;
}

std::vector<double> Config::numbers(std::string_view key) {
    std::vector<double> values;
    const Json* found = find(key);
    if (!found) return values;
    if (found->is_array())
        for (const Json& item : found->items()) {
            if (!item.is_number() || !(std::abs(item.as_double()) <= 3e38)) break;
            values.push_back(item.as_double());
        }
    if (!found->is_array() || values.size() != found->items().size())
        problem(fmt::format("{} is no list of numbers", key));
    return values;
}

std::vector<std::string> Config::texts(std::string_view key) {
    std::vector<std::string> values;
    const Json* found = find(key);
    if (!found) return values;
    if (found->is_array())
        for (const Json& item : found->items()) {
            if (!item.is_string()) break;
            values.push_back(item.as_string());
        }
    if (!found->is_array() || values.size() != found->items().size())
        problem(fmt::format("{} is no list of texts", key));
    return values;
}

}  // namespace hearth::huggingface
