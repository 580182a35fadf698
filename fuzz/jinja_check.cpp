#include "jinja_check.h"

#include "promise.h"
#include "text/jinja.h"
#include "text/unicode.h"

namespace hearth {

namespace {

Json::Object usual_variables() {
    return {{"messages", Json::Array{Json::Object{{"role", "user"}, {"content", "Hello <b>\n"}},
                                     Json::Object{{"role", "assistant"}, {"content", "é你😀"}, {"n", 2}}}},
            {"tools", Json::Array{Json::Object{{"name", "f"}, {"arguments", Json::Object{{"x", 1.5}}}}}},
            {"s", "a b"},
            {"l", Json::Array{3, 1, 2}},
            {"d", Json::Object{{"b", 1}, {"a", Json::Array{}}}},
            {"n", nullptr}};
}

}  // namespace

void check_jinja(std::string_view input) {
    const size_t zero = input.find('\0');
    const auto made = JinjaTemplate::parse(input.substr(0, zero));
    if (!made) {
        promise(!made.error().what.empty(), "an error says what");
        return;
    }
    JinjaVariables variables;
    variables.trusted = {{"bos_token", "<s>"}, {"add_generation_prompt", true}};
    variables.input = usual_variables();
    if (zero != std::string_view::npos) {
        const auto given = Json::parse(input.substr(zero + 1));
        if (given && given->is_object()) variables.input = given->members();
    }
    const std::tm noon{.tm_hour = 12, .tm_mday = 14, .tm_mon = 2, .tm_year = 126};
    const auto first = made->render(variables, noon), second = made->render(variables, noon);
    promise(first.has_value() == second.has_value(), "equal input, equal outcome");
    if (!first) return;
    promise(first->text == second->text && first->input == second->input, "equal input, equal text");
    promise(unicode::is_sanitized(first->text), "the text is valid UTF-8");
    size_t done = 0;
    for (const InputSpan& span : first->input) {
        promise(span.begin >= done && span.end > span.begin && span.end <= first->text.size(), "spans ascend");
        done = span.end;
    }
}

}  // namespace hearth
