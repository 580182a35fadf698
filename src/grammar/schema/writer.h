// From facts to expressions: how a value of a schema is written. One rule for each set of demands.
#pragma once

#include <map>
#include <set>

#include "grammar/char_graph.h"
#include "grammar/grammar.h"
#include "grammar/rules.h"
#include "grammar/schema/check.h"
#include "grammar/schema/facts.h"

namespace hearth::grammar {

class SchemaWriter {
public:
    SchemaWriter(const SchemaDocument& document, const JsonOptions& options, Rules& rules)
        : document_(document), options_(options), finder_(document, options), checker_(document), rules_(rules) {}
    Result<ExprId> write();

private:
    // Values nest in the text as deep as `depth` says; it only counts where lines are indented.
    Result<ExprId> value(Demands demands, int depth);
    Result<ExprId> any_of(const std::vector<Facts>& alternatives, const Demands& demands, int depth);
    Result<> write_rule(const Demands& demands, int depth, RuleId rule);

    // numbers.cpp
    Result<ExprId> number(const Facts& facts);
    // strings.cpp: with its quotes
    Result<ExprId> string(const Facts& facts);
    Result<CharGraph> string_graph(const Facts& facts);
    Result<> cut_to_length(CharGraph& graph, const Facts& facts, const Json& place) const;
    Result<ExprId> measured(CharGraph graph, const Facts& facts, const Json& place);
    Result<const CharGraph*> pattern_graph(const Json& schema, std::string_view keyword, const std::string& pattern);
    std::unexpected<Error> refuse_graph(const Json& schema, std::string_view keyword, const Error& error) const;
    ExprId any_string();
    // containers.cpp
    Result<ExprId> array(const Facts& facts, int depth);
    Result<ExprId> object(const Facts& facts, int depth);
    struct Key {
        std::string name;
        Demands demands;
        bool is_required;
    };
    struct OtherKeys {
        ExprId text;
        Demands demands;
    };
    Result<std::vector<Key>> declared_keys(const Facts& facts);
    Result<std::vector<OtherKeys>> other_keys(const Facts& facts, const std::vector<Key>& declared);
    Result<bool> is_name_allowed(const Facts& facts, const std::string& key);
    // literals.cpp
    ExprId literal(const Json& value, int depth);
    ExprId quoted(std::string_view text);
    ExprId after_comma(int depth), after_open(int depth), before_close(int depth), colon(), before_comma();
    ExprId shared(const char* name, ExprId body);

    const SchemaDocument& document_;
    const JsonOptions& options_;
    FactFinder finder_;
    ValueChecker checker_;
    Rules& rules_;
    std::map<std::pair<Demands, int>, RuleId> known_;
    struct Planned {
        Demands demands;
        int depth;
        RuleId rule;
    };
    std::vector<Planned> planned_;
    std::map<std::string, ExprId> shared_;
    size_t size_ = 0, measured_steps_ = 0;
};

}  // namespace hearth::grammar
