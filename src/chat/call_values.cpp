#include "chat/call_values.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "grammar/char_graph.h"
#include "grammar/measured_graph.h"
#include "grammar/regex.h"
#include "grammar/schema/formats.h"
#include "grammar/schema_check.h"

namespace hearth::chat {

using grammar::CharGraph, grammar::CodeSet, grammar::Combination, grammar::Expr, grammar::Rules, grammar::Spelling;

namespace {

// Of all parameters together.
constexpr size_t kMostPatternNodes = 200'000;
constexpr size_t kMostMeasuredSteps = 1 << 25;

std::unexpected<Error> cannot(std::string what) {
    return fail(ErrorKind::bad_request, std::move(what));
}

bool is_word(std::string_view text) {
    return !text.empty() && text.size() <= 200 &&
           std::ranges::all_of(text, [](char c) { return std::isalnum(uint8_t(c)) || c == '_'; });
}

// What a name between marks may be: it ends at ">" or a line break.
bool is_tag_name(std::string_view text) {
    return !text.empty() && text.size() <= 200 && text.front() != ' ' && text.back() != ' ' &&
           std::ranges::none_of(text, [](char c) { return uint8_t(c) < 0x20 || c == '<' || c == '>'; });
}

bool says_type(const Json& schema, std::string_view type) {
    const Json* found = schema.find("type");
    if (!found) return false;
    if (found->is_string()) return found->as_string() == type;
    return found->is_array() && std::ranges::any_of(found->items(), [&](const Json& one) {
               return one.is_string() && one.as_string() == type;
           });
}

// References that keep their meaning when a part of the schema is read alone, along with the definitions.
bool refers_elsewhere(const Json& json) {
    if (json.is_array()) return std::ranges::any_of(json.items(), refers_elsewhere);
    if (!json.is_object()) return false;
    for (const auto& [key, value] : json.members()) {
        const bool is_reference = (key == "$ref" || key == "$dynamicRef") && value.is_string();
        if (is_reference && !value.as_string().starts_with("#/$defs/") &&
            !value.as_string().starts_with("#/definitions/"))
            return true;
        if (refers_elsewhere(value)) return true;
    }
    return false;
}

}  // namespace

const char* combining_keyword(const Json& schema) {
    static constexpr std::array kKeywords{"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if"};
    for (const char* keyword : kKeywords)
        if (schema.find(keyword)) return keyword;
    return nullptr;
}

Result<Json> object_schema(const Json* parameters) {
    if (!parameters || parameters->is_null())
        return Json(Json::Object{{"type", "object"}, {"properties", Json::object()}});
    if (!parameters->is_object()) return cannot("its parameters are no schema");
    Json schema = *parameters;
    if (const Json* type = schema.find("type"); type && !says_type(schema, "object"))
        return cannot("its parameters are no object");
    schema.set("type", "object");
    return schema;
}

ArgumentWriter::ExprId ArgumentWriter::mark(Mark mark) {
    if (const auto id = lexicon_.token(mark)) return rules_.tokens({.ids = {*id}});
    return rules_.bytes(lexicon_.text(mark));
}

ArgumentWriter::ExprId ArgumentWriter::word() {
    CodeSet letters('a', 'z');
    letters.add('A', 'Z'), letters.add('0', '9'), letters.add('_', '_');
    return rules_.repeat(rules_.codes(letters), 1, 64);
}

Result<ArgumentWriter::ExprId> ArgumentWriter::json(const Json& schema) {
    return grammar::read_json_schema(schema, {}, rules_);
}

// A part of the root's schema, by itself.
Result<ArgumentWriter::ExprId> ArgumentWriter::json_within(const Json& schema) {
    Json alone = schema;
    if (alone.is_object() && root_) {
        bool has_references = refers_elsewhere(alone);
        for (const char* key : {"$defs", "definitions"})
            if (const Json* definitions = root_->find(key)) {
                has_references |= refers_elsewhere(*definitions);
                if (!alone.find(key)) alone.set(key, *definitions);
            }
        if (has_references) return cannot("a parameter refers to something that is no definition ($defs)");
    }
    return json(alone);
}

// The parameters in the order in which they are written.
Result<std::vector<ArgumentWriter::Parameter>> ArgumentWriter::parameters_of(const Json& object) const {
    if (const char* keyword = combining_keyword(object))
        return cannot(fmt::format("{} stands beside its parameters", keyword));
    static constexpr std::array kCounting{
        "patternProperties", "propertyNames",    "minProperties", "maxProperties", "dependencies",
        "dependentRequired", "dependentSchemas", "enum",          "const",         "unevaluatedProperties"};
    for (const char* keyword : kCounting)
        if (object.find(keyword)) return cannot(fmt::format("{} cannot be enforced in this form of calls", keyword));
    static const Json kAny = Json::object();
    std::vector<Parameter> parameters;
    if (const Json* properties = object.find("properties")) {
        if (!properties->is_object()) return cannot("\"properties\" is no object");
        for (const auto& [name, schema] : properties->members()) {
            if (!schema.is_object() && !schema.is_bool()) return cannot(fmt::format("{} has no schema", name));
            parameters.push_back({name, schema.is_bool() && schema.as_bool() ? &kAny : &schema, false});
        }
    }
    const Json* required = object.find("required");
    if (!required) return parameters;
    if (!required->is_array()) return cannot("\"required\" is no list");
    const Json* others = object.find("additionalProperties");
    for (const Json& name : required->items()) {
        if (!name.is_string()) return cannot("\"required\" holds something that is no name");
        const auto found = std::ranges::find(parameters, name.as_string(), &Parameter::name);
        if (found != parameters.end())
            found->is_required = true;
        else
            parameters.push_back(
                {name.as_string(), others && !(others->is_bool() && others->as_bool()) ? others : &kAny, true});
    }
    return parameters;
}

// Any text in which the mark does not appear. A mark that is a token cannot appear in text at all.
CharGraph ArgumentWriter::text_before(Mark end) const {
    const std::string& pattern = lexicon_.text(end);
    CharGraph graph;
    if (lexicon_.token(end) || pattern.empty()) {
        graph.nodes = {{.edges = {{CodeSet::all(), 0}}, .empty_edges = {}, .accepts = true}};
        return graph;
    }
    // Knuth, Morris and Pratt's automaton without the last state. The marks that end values are ASCII.
    const auto next = [&](size_t seen, char c) {
        for (;;) {
            if (pattern[seen] == c) return seen + 1;
            if (seen == 0) return size_t{0};
            // the longest border of what was seen
            size_t border = seen - 1;
            while (border > 0 && pattern.compare(0, border, pattern, seen - border, border) != 0) --border;
            seen = border;
        }
    };
    for (size_t seen = 0; seen < pattern.size(); ++seen) {
        CharGraph::Node node{.edges = {}, .empty_edges = {}, .accepts = true};
        CodeSet named;
        for (const char c : std::set<char>(pattern.begin(), pattern.end())) {
            named.add(uint8_t(c), uint8_t(c));
            if (const size_t to = next(seen, c); to < pattern.size())
                node.edges.push_back({CodeSet(uint8_t(c), uint8_t(c)), uint32_t(to)});
        }
        node.edges.push_back({named.complement(), 0});
        graph.nodes.push_back(std::move(node));
    }
    return graph;
}

ArgumentWriter::ExprId ArgumentWriter::any_text(Mark end) {
    return rules_.graph(text_before(end), Spelling::utf8);
}

// Tools have many parameters alike.
Result<ArgumentWriter::ExprId> ArgumentWriter::bare_text(const Json& schema, Mark end) {
    std::pair key{end, schema.dump()};
    if (const auto known = bare_texts_.find(key); known != bare_texts_.end()) return known->second;
    const ExprId made = TRY(new_bare_text(schema, end));
    bare_texts_.emplace(std::move(key), made);
    return made;
}

Result<ArgumentWriter::ExprId> ArgumentWriter::new_bare_text(const Json& schema, Mark end) {
    if (!schema.is_object()) return cannot("nothing satisfies a parameter");
    if (const char* keyword = combining_keyword(schema))
        return cannot(fmt::format("{} cannot be enforced where strings have no quotes", keyword));
    const Json* values = schema.find("enum");
    const Json only = schema.find("const") ? Json(Json::Array{*schema.find("const")}) : Json();
    if (only.is_array()) values = values ? values : &only;
    if (values) {
        if (!values->is_array()) return cannot("\"enum\" is no list");
        auto check = TRY(grammar::SchemaCheck::make(schema));
        std::vector<ExprId> texts;
        const bool is_spelled = !lexicon_.token(end);
        for (const Json& value : values->items()) {
            if (!value.is_string() || !TRY(check.holds_for(value))) continue;
            const std::string& text = value.as_string();
            if (is_spelled && text.find(lexicon_.text(end)) != std::string::npos) continue;
            texts.push_back(rules_.bytes(text));
        }
        if (texts.empty()) return cannot("none of the values of a parameter can be written");
        return rules_.choice(std::move(texts));
    }
    const auto length = [&](const char* key, int64_t otherwise) {
        const Json* found = schema.find(key);
        return found && found->is_number() ? found->as_int(-1) : otherwise;
    };
    const int64_t least = length("minLength", 0), most = length("maxLength", INT32_MAX);
    if (least < 0 || most < least || most > INT32_MAX) return cannot("the length of a parameter makes no sense");
    const Json *pattern = schema.find("pattern"), *format = schema.find("format");
    const auto expression =
        format && format->is_string() ? grammar::expression_of_format(format->as_string()) : std::nullopt;
    CharGraph graph = text_before(end);
    const auto cut = [&](const CharGraph& other) -> Result<> {
        graph = TRY(grammar::combined(graph, other, Combination::both));
        return {};
    };
    if (pattern && !pattern->is_string()) return cannot("\"pattern\" is no text");
    if (pattern) TRY(cut(TRY(grammar::expression_graph(pattern->as_string(), grammar::RegexDialect::ecma, false))));
    if (expression) TRY(cut(TRY(grammar::expression_graph(*expression, grammar::RegexDialect::ecma, true))));
    if (grammar::is_empty(graph)) return cannot("nothing satisfies a parameter");
    graph_nodes_ += graph.nodes.size();
    if (graph_nodes_ > kMostPatternNodes) return cannot("the patterns of its parameters are too large");
    if (least == 0 && most == INT32_MAX) return rules_.graph(std::move(graph), Spelling::utf8);
    const auto measured = TRY(grammar::MeasuredGraph::make(
        std::move(graph), uint32_t(least), most == INT32_MAX ? std::nullopt : std::optional(uint32_t(most))));
    if (measured->is_empty()) return cannot("nothing satisfies a parameter");
    measured_steps_ += measured->steps();
    if (measured_steps_ > kMostMeasuredSteps) return cannot("the lengths and patterns of its parameters are too large");
    return rules_.measured(measured, Spelling::utf8);
}

// The same way as the reader's typed_value() understands it.
Result<ArgumentWriter::ExprId> ArgumentWriter::bare_value(const Json& schema, ParameterKind kind, Mark end) {
    if (kind == ParameterKind::string) return bare_text(schema, end);
    if (kind != ParameterKind::nullable_string) return json_within(schema);
    std::vector<ExprId> ways;
    const auto add = [&](const Json& way) -> Result<> {
        if (way.find("enum") || way.find("const")) return cannot("a parameter lists values and may be null");
        if (says_type(way, "null")) ways.push_back(rules_.bytes("null"));
        // A text that reads "null" is null as well, which may stand here.
        if (says_type(way, "string")) ways.push_back(TRY(bare_text(way, end)));
        return {};
    };
    for (const char* keyword : {"anyOf", "oneOf"})
        if (const Json* list = schema.find(keyword); list && list->is_array()) {
            Json others = schema;
            std::erase_if(others.members(), [&](const Json::Member& member) { return member.first == keyword; });
            if (const char* more = combining_keyword(others))
                return cannot(fmt::format("{} stands beside {}", more, keyword));
            static constexpr std::array kOfStrings{"type",      "enum",    "const", "minLength",
                                                   "maxLength", "pattern", "format"};
            for (const char* key : kOfStrings)
                if (others.find(key)) return cannot(fmt::format("{} stands beside {}", key, keyword));
            const auto is_string = [](const Json& way) { return says_type(way, "string"); };
            if (std::ranges::count_if(list->items(), is_string) != 1)
                return cannot("a parameter has several kinds of strings");
            for (const Json& way : list->items()) TRY(add(way));
            return rules_.choice(std::move(ways));
        }
    TRY(add(schema));
    return rules_.choice(std::move(ways));
}

// JSON, or what Python writes otherwise: its three words and single quotes.
Result<ArgumentWriter::ExprId> ArgumentWriter::python_value(const Json& schema, ParameterKind kind) {
    std::vector<ExprId> ways{TRY(json_within(schema))};
    if (auto check = grammar::SchemaCheck::make(schema); check && !combining_keyword(schema)) {
        const std::pair<Json, const char*> words[] = {{true, "True"}, {false, "False"}, {nullptr, "None"}};
        for (const auto& [value, text] : words)
            if (const auto holds = check->holds_for(value); holds && *holds) ways.push_back(rules_.bytes(text));
    }
    static constexpr std::array kBinding{"enum", "const", "minLength", "maxLength", "pattern", "format"};
    const bool is_any = kind == ParameterKind::string && !combining_keyword(schema) &&
                        std::ranges::none_of(kBinding, [&](const char* key) { return schema.find(key) != nullptr; });
    if (is_any) {
        CodeSet plain(0x20, grammar::kLastCode);
        plain = plain.without(CodeSet('\'', '\'')).without(CodeSet('\\', '\\'));
        CodeSet escaped('\'', '\'');
        for (const char c : {'\\', '"', 'n', 'r', 't'}) escaped.add(uint8_t(c), uint8_t(c));
        const ExprId escape = rules_.sequence({rules_.bytes("\\"), rules_.codes(escaped)});
        ways.push_back(rules_.sequence(
            {rules_.bytes("'"), rules_.repeat(rules_.choice({rules_.codes(plain), escape}), 0, Expr::kUnbounded),
             rules_.bytes("'")}));
    }
    return rules_.choice(std::move(ways));
}

Result<ArgumentWriter::ExprId> ArgumentWriter::parameter(Notation notation, ExprId key, ExprId value) {
    const ExprId line = rules_.bytes("\n");
    switch (notation) {
        case Notation::xml:
            return rules_.sequence(
                {mark(Mark::parameter), key, rules_.bytes(">\n"), value, line, mark(Mark::parameter_end), line});
        case Notation::key_value:
            return rules_.sequence({rules_.optional(line), mark(Mark::key), key, mark(Mark::key_end),
                                    rules_.optional(line), mark(Mark::value), value, mark(Mark::value_end)});
        default:
            return rules_.sequence({key, rules_.bytes("="), value});
    }
}

// Members in their order, those that need not be there left out or not.
ArgumentWriter::ExprId ArgumentWriter::list(const std::vector<Member>& members, ExprId separator) {
    grammar::Diagram diagram;
    const auto place = [](size_t member, bool is_begun) { return uint32_t(member * 2 + (is_begun ? 1 : 0)); };
    const uint32_t end = place(members.size(), true) + 1;
    diagram.places = end + 1;
    for (size_t i = 0; i <= members.size(); ++i)
        for (const bool is_begun : {false, true}) {
            if (i == 0 && is_begun) continue;
            if (i == members.size()) {
                diagram.edges.push_back({place(i, is_begun), Rules::kEmpty, end});
                continue;
            }
            const ExprId text = is_begun ? rules_.sequence({separator, members[i].text}) : members[i].text;
            diagram.edges.push_back({place(i, is_begun), text, place(i + 1, true)});
            if (!members[i].is_required)
                diagram.edges.push_back({place(i, is_begun), Rules::kEmpty, place(i + 1, is_begun)});
        }
    return rules_.diagram(std::move(diagram));
}

Result<ArgumentWriter::ExprId> ArgumentWriter::arguments(Notation notation, const Tools& kinds, std::string_view tool,
                                                         const Json& parameters) {
    root_ = &parameters;
    if (notation == Notation::json) return json(parameters);
    if (notation == Notation::gemma) return gemma_object(parameters, 0);
    const auto written = TRY(parameters_of(parameters));
    if (written.empty() && !parameters.find("properties")) return any_arguments(notation);
    std::vector<Member> members;
    for (const auto& [name, schema, is_required] : written) {
        if (notation == Notation::python ? !is_word(name) : !is_tag_name(name))
            return cannot(fmt::format("a parameter of the name {} cannot be written", Json(name).dump()));
        const ParameterKind kind = kinds.kind(tool, name);
        const ExprId value = TRY(notation == Notation::python ? python_value(*schema, kind)
                                 : notation == Notation::xml  ? bare_value(*schema, kind, Mark::parameter_end)
                                                              : bare_value(*schema, kind, Mark::value_end));
        members.push_back({TRY(parameter(notation, rules_.bytes(name), value)), is_required});
    }
    return list(members, notation == Notation::python
                             ? rules_.sequence({rules_.bytes(","), rules_.optional(rules_.bytes(" "))})
                             : Rules::kEmpty);
}

Result<ArgumentWriter::ExprId> ArgumentWriter::any_arguments(Notation notation) {
    static const Json kObject(Json::Object{{"type", "object"}});
    root_ = nullptr;
    if (notation == Notation::json) return json(kObject);
    if (notation == Notation::gemma) return gemma_any_object();
    const ExprId value = notation == Notation::python ? TRY(json(Json::object()))
                         : notation == Notation::xml  ? any_text(Mark::parameter_end)
                                                      : any_text(Mark::value_end);
    const ExprId one = TRY(parameter(notation, word(), value));
    if (notation != Notation::python) return rules_.repeat(one, 0, 64);
    const ExprId more = rules_.sequence({rules_.bytes(","), rules_.optional(rules_.bytes(" ")), one});
    return rules_.optional(rules_.sequence({one, rules_.repeat(more, 0, 63)}));
}

}  // namespace hearth::chat
