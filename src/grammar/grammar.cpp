#include "grammar/grammar.h"

#include "grammar/front_ends.h"
#include "grammar/network.h"

namespace hearth::grammar {

using MadeGrammar = Result<std::shared_ptr<const Grammar>>;

MadeGrammar Grammar::from_rules(Rules rules, uint32_t expression) {
    rules.root = rules.add_rule("root");
    rules.at(rules.root).body = expression;
    auto made = std::make_shared<Grammar>();
    made->network_ = std::make_shared<const Network>(TRY(build_network(rules)));
    return made;
}

MadeGrammar Grammar::from_gbnf(std::string_view text) {
    Rules rules;
    const ExprId read = TRY(read_gbnf(text, rules));
    return from_rules(std::move(rules), read);
}

MadeGrammar Grammar::from_regex(std::string_view expression) {
    Rules rules;
    const ExprId read = TRY(read_regex(expression, rules));
    return from_rules(std::move(rules), read);
}

MadeGrammar Grammar::from_choices(std::span<const std::string> choices) {
    if (choices.empty()) return fail(ErrorKind::bad_request, "the list of choices is empty", "name at least one");
    Rules rules;
    std::vector<ExprId> parts;
    for (const std::string& choice : choices) parts.push_back(rules.bytes(choice));
    const ExprId any = rules.choice(std::move(parts));
    return from_rules(std::move(rules), any);
}

MadeGrammar Grammar::from_schema_text(std::string_view schema, const JsonOptions& options) {
    if (schema.size() > kMostText)
        return fail(ErrorKind::bad_request,
                    fmt::format("the schema is {} bytes long, at most {} are read", schema.size(), kMostText));
    auto parsed = Json::parse(schema);
    if (!parsed) return fail(ErrorKind::bad_request, "the schema is " + parsed.error().what, parsed.error().try_this);
    return from_json_schema(*parsed, options);
}

MadeGrammar Grammar::from_json_schema(const Json& schema, const JsonOptions& options) {
    Rules rules;
    const ExprId read = TRY(read_json_schema(schema, options, rules));
    auto made = from_rules(std::move(rules), read);
    if (made || made.error().kind != ErrorKind::not_found) return made;
    return fail(ErrorKind::bad_request, "no value satisfies the schema at #",
                "look for types, bounds and keys that exclude each other");
}

MadeGrammar Grammar::any_json_object(const JsonOptions& options) {
    Json schema = Json::object();
    schema.set("type", "object");
    return from_json_schema(schema, options);
}

}  // namespace hearth::grammar
