// What every front end produces and the network is built from: rules whose bodies are expressions over bytes, code
// points, tokens and other rules.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/code_set.h"

namespace hearth::grammar {

using ExprId = uint32_t;
using RuleId = uint32_t;

// How the code points of a set are written.
enum class Spelling : uint8_t {
    utf8,
    wide_utf8,  // a set open to the top also takes what follows the pattern of UTF-8 beyond U+10FFFF, as llama.cpp does
    json,       // as they may stand inside a JSON string, with all of its escapes
    bytes,      // codes below 256 are bytes
};

// Code points beyond Unicode stand for the borders of a text in expressions that may look for them (regex anchors).
constexpr uint32_t kTextBegin = kLastCode + 1, kTextEnd = kLastCode + 2;

// An automaton over code points, with or without empty edges: what regular expressions become where they are combined.
struct CharGraph {
    struct Edge {
        CodeSet codes;
        uint32_t target;
    };
    struct Node {
        std::vector<Edge> edges;
        std::vector<uint32_t> empty_edges;
        bool accepts = false;
    };
    std::vector<Node> nodes;
    uint32_t start = 0;
};
class MeasuredGraph;  // whose texts must have a length as well

// One of `ids` or of the tokens written so in the vocabulary.
struct TokenTerminal {
    std::vector<int32_t> ids;
    std::vector<std::string> texts;
    bool is_negated = false;  // any ordinary token but those
    bool is_control = false;  // any control token but those
};

// Expressions between numbered places, from place 0 to the last: shapes that sequences and choices would have to
// repeat (a long list of parts of which each may be missing).
struct Diagram {
    struct Edge {
        uint32_t from;
        uint32_t expression;
        uint32_t to;
    };
    uint32_t places = 0;
    std::vector<Edge> edges;
};

struct Expr {
    enum class Kind : uint8_t {
        nothing,
        empty,
        bytes,
        codes,
        sequence,
        choice,
        repeat,
        rule,
        tokens,
        graph,
        measured,
        diagram
    };
    static constexpr int32_t kUnbounded = -1;

    Kind kind = Kind::empty;
    Spelling spelling = Spelling::utf8;
    uint32_t index = 0;              // bytes, codes, tokens, graph, measured, diagram: in that list; rule: its id
    int32_t least = 0, most = 0;     // repeat
    std::vector<ExprId> parts = {};  // sequence, choice, repeat (one)
};

struct Rule {
    std::string name;
    ExprId body = 0;
    bool is_level = false;  // counts towards the depth that is generated at most
    bool is_shared =
        false;  // never copied into its users, so that its states (and their masks) are the same everywhere
};

// Expressions are made by its functions only, which keep them small: what is empty vanishes from sequences, and what
// cannot match takes its sequence along.
class Rules {
public:
    Rules() { expressions_ = {{Expr::Kind::nothing}, {Expr::Kind::empty}}; }

    static constexpr ExprId kNothing = 0, kEmpty = 1;
    ExprId bytes(std::string_view text);
    ExprId codes(CodeSet set, Spelling spelling = Spelling::utf8);
    ExprId sequence(std::vector<ExprId> parts);
    ExprId choice(std::vector<ExprId> parts);
    ExprId repeat(ExprId part, int32_t least, int32_t most);
    ExprId optional(ExprId part) { return choice({part, kEmpty}); }
    ExprId rule(RuleId rule);
    ExprId tokens(TokenTerminal terminal);
    ExprId graph(CharGraph graph, Spelling spelling);
    ExprId measured(std::shared_ptr<const MeasuredGraph> graph, Spelling spelling);
    ExprId diagram(Diagram diagram);

    RuleId add_rule(std::string name) {
        rules_.push_back({std::move(name), kNothing});
        return RuleId(rules_.size() - 1);
    }
    Rule& at(RuleId rule) { return rules_[rule]; }

    const Expr& expression(ExprId id) const { return expressions_[id]; }
    const std::vector<Rule>& rules() const { return rules_; }
    const std::string& bytes_of(const Expr& e) const { return bytes_[e.index]; }
    const CodeSet& codes_of(const Expr& e) const { return codes_[e.index]; }
    const CharGraph& graph_of(const Expr& e) const { return graphs_[e.index]; }
    const std::shared_ptr<const MeasuredGraph>& measured_of(const Expr& e) const { return measured_[e.index]; }
    const Diagram& diagram_of(const Expr& e) const { return diagrams_[e.index]; }
    const std::vector<TokenTerminal>& terminals() const { return terminals_; }
    size_t size() const { return expressions_.size(); }

    RuleId root = 0;
    bool has_unicode_escapes = true;  // JSON: \u0041 where A would do
    int32_t most_levels = 1 << 20;

private:
    ExprId add(Expr e) {
        expressions_.push_back(std::move(e));
        return ExprId(expressions_.size() - 1);
    }

    std::vector<Expr> expressions_;
    std::vector<Rule> rules_;
    std::vector<std::string> bytes_;
    std::vector<CodeSet> codes_;
    std::vector<CharGraph> graphs_;
    std::vector<std::shared_ptr<const MeasuredGraph>> measured_;
    std::vector<Diagram> diagrams_;
    std::vector<TokenTerminal> terminals_;
};

}  // namespace hearth::grammar
