// Strings: any, of a length, by patterns and formats, values left out.
#include <algorithm>

#include "grammar/measured_graph.h"
#include "grammar/regex.h"
#include "grammar/schema/check.h"
#include "grammar/schema/formats.h"
#include "grammar/schema/writer.h"

namespace hearth::grammar {

namespace {

// Of all texts with a pattern and a length, what it takes to find out where these can meet.
constexpr size_t kMostMeasuredSteps = 1 << 25;

// Beyond this a length cannot be written out.
constexpr int64_t kMostCombinedLength = 4000;

bool has_length(const Facts& facts) {
    return facts.least_length > 0 || facts.most_length != Facts::kUnbounded;
}

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

// All constraints but the length.
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
    return graph;
}

// Where the graph is to be combined further: it gets a node for every count.
Result<> SchemaWriter::cut_to_length(CharGraph& graph, const Facts& facts, const Json& place) const {
    if (!has_length(facts)) return {};
    const bool is_bounded = facts.most_length != Facts::kUnbounded;
    if (std::max(facts.least_length, is_bounded ? facts.most_length : 0) > kMostCombinedLength)
        return document_.refuse(
            place, "propertyNames",
            fmt::format("has alternatives with a length beyond {}, which cannot be enforced", kMostCombinedLength),
            "state one length for all of them");
    if (facts.least_length > facts.most_length) {
        graph = CharGraph{{{}}, 0};
        return {};
    }
    auto made =
        combined(graph, length_graph(facts.least_length, is_bounded ? std::optional(facts.most_length) : std::nullopt),
                 Combination::both);
    if (!made) return refuse_graph(place, "propertyNames", made.error());
    graph = std::move(*made);
    return {};
}

// The texts of a graph that have the length.
Result<ExprId> SchemaWriter::measured(CharGraph graph, const Facts& facts, const Json& place) {
    if (is_empty(graph) || facts.least_length > facts.most_length) return Rules::kNothing;
    if (!has_length(facts)) return rules_.graph(std::move(graph), Spelling::json);
    if (facts.least_length > INT32_MAX)
        return document_.refuse(place, "", fmt::format("asks for a text of {} characters", facts.least_length));
    // Longer than any context: no bound at all.
    const auto most =
        facts.most_length > INT32_MAX ? std::nullopt : std::optional<uint32_t>(uint32_t(facts.most_length));
    const auto made = MeasuredGraph::make(std::move(graph), uint32_t(facts.least_length), most);
    if (!made) return refuse_graph(place, "minLength", made.error());
    measured_steps_ += (*made)->steps();
    if (measured_steps_ > kMostMeasuredSteps)
        return document_.refuse(place, "minLength", "needs too many states together with the patterns so far",
                                "shorten the patterns, or ask for fewer characters");
    return rules_.measured(*made, Spelling::json);
}

Result<ExprId> SchemaWriter::string(const Facts& facts) {
    if (facts.least_length > facts.most_length) return Rules::kNothing;
    const size_t excluded =
        size_t(std::ranges::count_if(facts.excluded, [](const Json* value) { return value->is_string(); }));
    std::vector<std::string> formats;
    for (const auto& [name, schema] : facts.formats)
        if (const auto expression = expression_of_format(name); expression && !std::ranges::count(formats, *expression))
            formats.push_back(*expression);
    const ExprId quote = rules_.bytes("\"");
    if (facts.patterns.empty() && formats.empty() && excluded == 0) {
        if (!has_length(facts)) return any_string();
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
    if (excluded == 0 && !has_length(facts) && facts.patterns.size() + formats.size() == 1 &&
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
    const Json& place = !facts.patterns.empty()  ? *facts.patterns.back().schema
                        : !facts.formats.empty() ? *facts.formats.back().second
                                                 : document_.root();
    return rules_.sequence({quote, TRY(measured(TRY(string_graph(facts)), facts, place)), quote});
}

}  // namespace hearth::grammar
