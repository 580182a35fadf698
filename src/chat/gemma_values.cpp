// Values in Gemma 4's notation: JSON but for keys without quotes and strings between marks, so that a schema has to be
// followed to its leaves.
#include <algorithm>
#include <array>

#include "chat/call_values.h"
#include "grammar/schema_check.h"

namespace hearth::chat {

using grammar::Expr, grammar::Rules;

static constexpr int kDeepestGemma = 32;

static std::unexpected<Error> not_in_gemma(std::string_view keyword) {
    return fail(ErrorKind::bad_request, fmt::format("{} cannot be enforced in this form of calls", keyword));
}

ArgumentWriter::ExprId ArgumentWriter::gemma_key(const std::string& name) {
    const bool is_bare = !name.empty() && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
    if (is_bare) return rules_.bytes(name);
    return rules_.sequence({mark(Mark::quote), rules_.bytes(name), mark(Mark::quote)});
}

// Recursive, as deep as rules are followed.
Result<ArgumentWriter::ExprId> ArgumentWriter::gemma_any() {
    if (gemma_any_ == UINT32_MAX) {
        gemma_any_ = rules_.add_rule("any value");
        rules_.at(gemma_any_).is_level = true;
        const ExprId comma = rules_.bytes(","), value = rules_.rule(gemma_any_);
        const auto bracketed = [&](const char* open, ExprId item, const char* close) {
            const ExprId more = rules_.repeat(rules_.sequence({comma, item}), 0, Expr::kUnbounded);
            return rules_.sequence(
                {rules_.bytes(open), rules_.optional(rules_.sequence({item, more})), rules_.bytes(close)});
        };
        const ExprId plain = TRY(json(*Json::parse(R"({"type": ["number", "boolean", "null"]})")));
        const ExprId string = rules_.sequence({mark(Mark::quote), any_text(Mark::quote), mark(Mark::quote)});
        const ExprId member = rules_.sequence({word(), rules_.bytes(":"), value});
        rules_.at(gemma_any_).body =
            rules_.choice({plain, string, bracketed("[", value, "]"), bracketed("{", member, "}")});
    }
    return rules_.rule(gemma_any_);
}

ArgumentWriter::ExprId ArgumentWriter::gemma_any_object() {
    const auto value = gemma_any();
    if (!value) return Rules::kNothing;
    const ExprId member = rules_.sequence({word(), rules_.bytes(":"), *value});
    const ExprId more = rules_.repeat(rules_.sequence({rules_.bytes(","), member}), 0, Expr::kUnbounded);
    return rules_.sequence({rules_.bytes("{"), rules_.optional(rules_.sequence({member, more})), rules_.bytes("}")});
}

Result<ArgumentWriter::ExprId> ArgumentWriter::gemma_literal(const Json& value) {
    if (value.is_array() || value.is_object()) return not_in_gemma("a listed object or list");
    if (!value.is_string()) return rules_.bytes(value.dump());
    if (!lexicon_.token(Mark::quote) && value.as_string().find(lexicon_.text(Mark::quote)) != std::string::npos)
        return Rules::kNothing;
    return rules_.sequence({mark(Mark::quote), rules_.bytes(value.as_string()), mark(Mark::quote)});
}

Result<ArgumentWriter::ExprId> ArgumentWriter::gemma_value(const Json& schema, int depth) {
    if (depth > kDeepestGemma) return not_in_gemma("so deep a schema");
    if (schema.is_bool()) return schema.as_bool() ? gemma_any() : Result<ExprId>(Rules::kNothing);
    if (!schema.is_object()) return not_in_gemma("a parameter without a schema");
    std::vector<ExprId> ways;
    for (const char* keyword : {"anyOf", "oneOf"}) {
        const Json* list = schema.find(keyword);
        if (!list || !list->is_array()) continue;
        // Only where nothing but notes stands beside it, and exactly one of them can hold.
        static constexpr std::array kNotes{"title", "description", "default", "examples", "$comment"};
        for (const auto& [key, unused] : schema.members())
            if (key != keyword && std::ranges::find(kNotes, std::string_view(key)) == kNotes.end())
                return not_in_gemma(fmt::format("{} beside {}", key, keyword));
        std::set<std::string> types;
        for (const Json& way : list->items()) {
            const Json* type = way.find("type");
            const bool is_apart = type && type->is_string() && types.insert(type->as_string()).second;
            if (keyword == std::string_view("oneOf") &&
                (!is_apart || (types.contains("integer") && types.contains("number"))))
                return not_in_gemma("oneOf of the same types");
            ways.push_back(TRY(gemma_value(way, depth + 1)));
        }
        return rules_.choice(std::move(ways));
    }
    if (const char* keyword = combining_keyword(schema)) return not_in_gemma(keyword);
    const Json *values = schema.find("enum"), *only = schema.find("const");
    if (values || only) {
        if (values && !values->is_array()) return not_in_gemma("an enum that is no list");
        auto check = TRY(grammar::SchemaCheck::make(schema));
        for (const Json& value : values ? values->items() : std::vector<Json>{*only})
            if (TRY(check.holds_for(value))) ways.push_back(TRY(gemma_literal(value)));
        return rules_.choice(std::move(ways));
    }
    const Json* type = schema.find("type");
    if (!type) {
        static constexpr std::array kNotes{"title", "description", "default", "examples", "$comment"};
        for (const auto& [key, unused] : schema.members())
            if (std::ranges::find(kNotes, std::string_view(key)) == kNotes.end())
                return not_in_gemma(fmt::format("{} without a type", key));
        return gemma_any();
    }
    if (type->is_string()) return gemma_of_type(schema, type->as_string(), depth);
    if (!type->is_array()) return not_in_gemma("a type that is none");
    for (const Json& one : type->items())
        if (one.is_string()) ways.push_back(TRY(gemma_of_type(schema, one.as_string(), depth)));
    return rules_.choice(std::move(ways));
}

Result<ArgumentWriter::ExprId> ArgumentWriter::gemma_of_type(const Json& schema, std::string_view type, int depth) {
    if (type == "object") return gemma_object(schema, depth);
    if (type == "array") return gemma_array(schema, depth);
    if (type == "string")
        return rules_.sequence({mark(Mark::quote), TRY(bare_text(schema, Mark::quote)), mark(Mark::quote)});
    Json leaf = schema;
    leaf.set("type", type);
    return json(leaf);
}

Result<ArgumentWriter::ExprId> ArgumentWriter::gemma_array(const Json& schema, int depth) {
    for (const char* keyword : {"prefixItems", "additionalItems", "contains", "uniqueItems", "unevaluatedItems"})
        if (schema.find(keyword)) return not_in_gemma(keyword);
    const auto count = [&](const char* key, int64_t otherwise) {
        const Json* found = schema.find(key);
        return found ? found->as_int(-1) : otherwise;
    };
    const int64_t least = count("minItems", 0), most = count("maxItems", INT32_MAX);
    if (least < 0 || most < least || most > INT32_MAX) return not_in_gemma("such a number of items");
    const Json* items = schema.find("items");
    const ExprId item = items ? TRY(gemma_value(*items, depth + 1)) : TRY(gemma_any());
    const ExprId more =
        rules_.repeat(rules_.sequence({rules_.bytes(","), item}), int32_t(std::max<int64_t>(least - 1, 0)),
                      most == INT32_MAX ? Expr::kUnbounded : int32_t(most - 1));
    ExprId inside = most == 0 ? Rules::kEmpty : rules_.sequence({item, more});
    if (least == 0) inside = rules_.optional(inside);
    return rules_.sequence({rules_.bytes("["), inside, rules_.bytes("]")});
}

Result<ArgumentWriter::ExprId> ArgumentWriter::gemma_object(const Json& schema, int depth) {
    const auto written = TRY(parameters_of(schema));
    if (written.empty() && !schema.find("properties")) {
        if (schema.find("additionalProperties")) return not_in_gemma("additionalProperties");
        return gemma_any_object();
    }
    std::vector<Member> members;
    for (const auto& [name, value, is_required] : written) {
        if (name.find(lexicon_.text(Mark::quote)) != std::string::npos) return not_in_gemma("such a name");
        const ExprId text = TRY(gemma_value(*value, depth + 1));
        members.push_back({rules_.sequence({gemma_key(name), rules_.bytes(":"), text}), is_required});
    }
    return rules_.sequence({rules_.bytes("{"), list(members, rules_.bytes(",")), rules_.bytes("}")});
}

}  // namespace hearth::chat
