// Strings: any, of a length, by patterns and formats, values left out.
#include <algorithm>

#include "grammar/regex.h"
#include "grammar/schema/check.h"
#include "grammar/schema/formats.h"
#include "grammar/schema/writer.h"

namespace hearth::grammar {

namespace {

// Beyond this a length is a counter's work and cannot be combined with patterns.
constexpr int64_t kMostCombinedLength = 4000;

}  // namespace

ExprId SchemaWriter::any_string() {
    const ExprId character = rules_.codes(CodeSet::all(), Spelling::json);
    const ExprId quote = rules_.bytes("\"");
    return shared("string", rules_.sequence({quote, rules_.repeat(character, 0, Expr::kUnbounded), quote}));
}

std::unexpected<Error> SchemaWriter::refuse_graph(const Json& schema, std::string_view keyword,
                                                  const Error& error) const {
    return document_.refuse(schema, keyword, "cannot be enforced: " + error.what, error.try_this);
}

Result<const CharGraph*> SchemaWriter::pattern_graph(const Json& schema, std::string_view keyword,
                                                     const std::string& pattern) {
    auto graph = checker_.pattern_graph(pattern);
    if (!graph) return refuse_graph(schema, keyword, graph.error());
    return graph;
}

// All constraints but a length that stands alone.
Result<CharGraph> SchemaWriter::string_graph(const Facts& facts) {
    CharGraph graph = length_graph(0, std::nullopt);
    const auto cut = [&](const CharGraph& other, Combination how, const Json& schema,
                         std::string_view keyword) -> Result<> {
        auto made = combined(graph, other, how);
        if (!made) return refuse_graph(schema, keyword, made.error());
        graph = std::move(*made);
        return {};
    };
    const Json* place = &document_.root();
    for (const Facts::Pattern& pattern : facts.patterns) {
        place = pattern.schema;
        const CharGraph* other = TRY(pattern_graph(*pattern.schema, "pattern", *pattern.text));
        TRY(cut(*other, pattern.holds ? Combination::both : Combination::first_only, *pattern.schema, "pattern"));
    }
    for (const auto& [format, schema] : facts.formats) {
        const auto expression = expression_of_format(format);
        if (!expression) continue;
        place = schema;
        const auto other = expression_graph(*expression, RegexDialect::ecma, true);
        if (!other) return refuse_graph(*schema, "format", other.error());
        TRY(cut(*other, Combination::both, *schema, "format"));
    }
    std::vector<std::vector<uint32_t>> excluded;
    for (const Json* value : facts.excluded)
        if (value->is_string()) excluded.push_back(codes_of(value->as_string()));
    if (!excluded.empty()) TRY(cut(texts_graph(excluded), Combination::first_only, *place, ""));
    if (facts.least_length > 0 || facts.most_length != Facts::kUnbounded) {
        if (facts.least_length > facts.most_length) return CharGraph{{{}}, 0};
        const bool is_bounded = facts.most_length != Facts::kUnbounded;
        if (std::max(facts.least_length, is_bounded ? facts.most_length : 0) > kMostCombinedLength)
            return document_.refuse(
                *place, "",
                fmt::format("combines a length beyond {} with a pattern or format, which cannot be enforced",
                            kMostCombinedLength),
                "put the length into the pattern: ^[a-z]{1,5000}$");
        auto made = of_length(std::move(graph), facts.least_length,
                              is_bounded ? std::optional(facts.most_length) : std::nullopt);
        if (!made) return refuse_graph(*place, "maxLength", made.error());
        return made;
    }
    return graph;
}

Result<ExprId> SchemaWriter::string(const Facts& facts) {
    const bool has_length = facts.least_length > 0 || facts.most_length != Facts::kUnbounded;
    if (facts.least_length > facts.most_length) return Rules::kNothing;
    const size_t excluded =
        size_t(std::ranges::count_if(facts.excluded, [](const Json* value) { return value->is_string(); }));
    std::vector<std::string> formats;
    for (const auto& [name, schema] : facts.formats)
        if (const auto expression = expression_of_format(name); expression && !std::ranges::count(formats, *expression))
            formats.push_back(*expression);
    const ExprId quote = rules_.bytes("\"");
    if (facts.patterns.empty() && formats.empty() && excluded == 0) {
        if (!has_length) return any_string();
        if (facts.least_length > INT32_MAX)
            return document_.refuse(document_.root(), "",
                                    fmt::format("asks for a text of {} characters", facts.least_length));
        // Longer than any context: no bound at all.
        const int32_t most = facts.most_length > INT32_MAX ? Expr::kUnbounded : int32_t(facts.most_length);
        return rules_.sequence(
            {quote, rules_.repeat(rules_.codes(CodeSet::all(), Spelling::json), int32_t(facts.least_length), most),
             quote});
    }
    // A single expression goes into the network as it is, with counters for its repetitions.
    if (excluded == 0 && !has_length && facts.patterns.size() + formats.size() == 1 &&
        (facts.patterns.empty() || facts.patterns[0].holds)) {
        const bool is_format = facts.patterns.empty();
        const Json& schema = is_format ? *facts.formats[0].second : *facts.patterns[0].schema;
        const auto body = [&]() -> Result<ExprId> {
            const ExprId read = TRY(read_expression(is_format ? formats[0] : *facts.patterns[0].text,
                                                    RegexDialect::ecma, Spelling::json, rules_));
            return resolve_anchors(read, is_format, Spelling::json, rules_);
        }();
        if (!body) return refuse_graph(schema, is_format ? "format" : "pattern", body.error());
        return rules_.sequence({quote, *body, quote});
    }
    CharGraph graph = TRY(string_graph(facts));
    if (is_empty(graph)) return Rules::kNothing;
    return rules_.sequence({quote, rules_.graph(std::move(graph), Spelling::json), quote});
}

}  // namespace hearth::grammar
