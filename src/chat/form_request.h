// The form in which somebody wants an answer, as flags and requests say it, and the grammar that this makes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "grammar/grammar.h"

namespace hearth::chat {

struct FormRequest {
    enum class Kind : uint8_t { any, json_object, schema, regex, gbnf, choice } kind = Kind::any;
    std::string text;                  // the schema as JSON, the expression or the grammar
    std::vector<std::string> choices;  // one of these texts
    grammar::JsonOptions json;         // how JSON is written

    std::string key() const;  // equal for equal forms
};

// Null: any answer will do. What cannot be kept is refused by name.
Result<std::shared_ptr<const grammar::Grammar>> grammar_of(const FormRequest& form);

}  // namespace hearth::chat
