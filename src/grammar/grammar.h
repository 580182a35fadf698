// What an answer must look like, compiled once: from a JSON schema, a GBNF grammar, a regular expression or a list of
// choices. Knows bytes only; matcher.h puts it to work over a vocabulary.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace hearth::grammar {

struct Network;
class Rules;

// White space between the parts of a JSON text. Never unlimited: models fall into endless runs of it.
enum class JsonSpace {
    one,      // at most one blank behind each colon and comma
    compact,  // none
    pretty,   // a line per item, indented by two blanks a level
    free,     // anywhere JSON allows it, at most 2 line breaks and 40 blanks at a place
};

struct JsonOptions {
    JsonSpace space = JsonSpace::one;
    // An object whose schema has "properties" but not "additionalProperties" takes only the declared keys; with this it
    // takes any, as the standard says.
    bool open_objects = false;
    // \u0041 where A would do. Control characters are written so in any case.
    bool unicode_escapes = true;
    int most_levels = 64;  // of nested objects and arrays
};

// Immutable, for any number of threads.
class Grammar {
public:
    // The rule root of a grammar in llama.cpp's notation; token terminals are <[123]>, <text> and !<...>.
    static Result<std::shared_ptr<const Grammar>> from_gbnf(std::string_view text);
    // The whole text must match.
    static Result<std::shared_ptr<const Grammar>> from_regex(std::string_view expression);
    static Result<std::shared_ptr<const Grammar>> from_choices(std::span<const std::string> choices);
    // A schema as text, or already read. What cannot be honoured is refused by name.
    static Result<std::shared_ptr<const Grammar>> from_schema_text(std::string_view schema, const JsonOptions& options);
    static Result<std::shared_ptr<const Grammar>> from_json_schema(const Json& schema, const JsonOptions& options);
    // Any JSON object.
    static Result<std::shared_ptr<const Grammar>> any_json_object(const JsonOptions& options);

    // What was put together of parts (front_ends.h).
    static Result<std::shared_ptr<const Grammar>> from_rules(Rules rules, uint32_t expression);
    const std::shared_ptr<const Network>& network() const { return network_; }

private:
    std::shared_ptr<const Network> network_;
};

}  // namespace hearth::grammar
