#include "chat/form_request.h"

#include <fmt/format.h>

namespace hearth::chat {

std::string FormRequest::key() const {
    std::string key = fmt::format("{} {} {} {} {}\n{}", int(kind), int(json.space), json.open_objects,
                                  json.unicode_escapes, json.most_levels, text);
    for (const std::string& choice : choices) key += fmt::format("\n{} {}", choice.size(), choice);
    return key;
}

Result<std::shared_ptr<const grammar::Grammar>> grammar_of(const FormRequest& form) {
    using grammar::Grammar;
    using Kind = FormRequest::Kind;
    switch (form.kind) {
        case Kind::any:
            return nullptr;
        case Kind::json_object:
            return Grammar::any_json_object(form.json);
        case Kind::schema:
            return Grammar::from_schema_text(form.text, form.json);
        case Kind::regex:
            return Grammar::from_regex(form.text);
        case Kind::gbnf:
            return Grammar::from_gbnf(form.text);
        case Kind::choice:
            return Grammar::from_choices(form.choices);
    }
    return nullptr;
}

}  // namespace hearth::chat
