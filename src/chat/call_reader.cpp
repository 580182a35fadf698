#include "chat/call_reader.h"

#include "base/json.h"
#include "base/rng.h"
#include "chat/value_reader.h"

namespace hearth::chat {

bool Calls::knows(std::string_view name) {
    if (tools_.contains(name)) return true;
    state_.why = fmt::format("the model calls \"{}\", which is none of the tools", name);
    return false;
}

void Calls::begin(std::string_view name, std::string_view id) {
    std::string made(id);
    if (made.empty()) {
        constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        Rng rng(id_seed_ + uint64_t(writer_.calls()));
        for (int i = 0; i < 9; ++i) made += kLetters[rng.below(kLetters.size())];
    }
    writer_.call_id(std::move(made));
    writer_.call_name(std::string(name));
    state_.is_open = true;
}

void Calls::arguments(std::string& text) {
    writer_.call_arguments(text);
    text.clear();
}

void Calls::end() {
    writer_.end_call();
    state_.is_open = false;
}

namespace {

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && Unit(text.front()).is_space()) text.remove_prefix(1);
    while (!text.empty() && Unit(text.back()).is_space()) text.remove_suffix(1);
    return text;
}

bool is_json(std::string_view text) {
    return Json::parse(text, int(ValueReader::kDeepest)).has_value();
}

// {'a': True} and the like; "" when it is nothing of that kind.
std::string from_python(std::string_view text) {
    if (text.empty() || (text[0] != '{' && text[0] != '[' && text[0] != '(')) return "";
    ValueReader reader(ValueReader::Flavour::python);
    std::string json;
    for (size_t at = 0; at < text.size(); ++at) {
        const Step step = reader.take(text[at], json);
        if (step == Step::done && at + 1 == text.size() && is_json(json)) return json;
        if (step != Step::more) return "";
    }
    return "";
}

}  // namespace

std::string typed_value(std::string_view text, ParameterKind kind) {
    const std::string_view value = trimmed(text);
    const bool may_be_null = kind != ParameterKind::string;
    if (may_be_null && (value == "null" || value == "None")) return "null";
    if (kind == ParameterKind::other || kind == ParameterKind::unknown) {
        if (value == "True") return "true";
        if (value == "False") return "false";
        if (is_json(value)) return std::string(value);
        if (std::string json = from_python(value); !json.empty()) return json;
    }
    std::string json = "\"";
    append_json_escaped(text, json);
    return json + '"';
}

}  // namespace hearth::chat
