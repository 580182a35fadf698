// Adds expressions to a network. Used by network.cpp; apart because the spelling of code points is a subject of its
// own (spelling.cpp).
#pragma once

#include <map>
#include <tuple>
#include <utility>

#include "grammar/network.h"

namespace hearth::grammar {

class NetworkBuilder {
public:
    explicit NetworkBuilder(const Rules& rules);
    Result<Network> build();

private:
    uint32_t position();
    void add_edge(uint32_t from, uint8_t low, uint8_t high, uint32_t to);
    void add_empty(uint32_t from, uint32_t to);
    void add_move(uint32_t from, Network::Move move, uint32_t index, uint32_t to);

    void add(ExprId id, uint32_t from, uint32_t to);
    void add_repeat(const Expr& e, uint32_t from, uint32_t to);
    void add_rule(RuleId rule, uint32_t from, uint32_t to);
    void add_diagram(const Diagram& diagram, uint32_t from, uint32_t to);
    void add_graph(const CharGraph& graph, Spelling spelling, uint32_t from, uint32_t to);
    void add_measured(ExprId id, uint32_t from, uint32_t to);
    void add_measured_graph(const Expr& e);
    bool may_be_plain_text(uint32_t from) const;
    bool is_inlined(RuleId rule);
    uint64_t size_of(ExprId id);
    void find_recursive_rules();

    // spelling.cpp
    void add_codes(const CodeSet& set, Spelling spelling, uint32_t from, uint32_t to);
    void add_utf8(const CodeSet& set, uint32_t from, uint32_t to);
    struct Utf8Range {
        uint32_t low, high;
        int more;
    };
    void add_utf8_range(Utf8Range range, uint8_t prefix, uint32_t from, uint32_t to);
    uint32_t continuation(int bytes, uint32_t to);
    void add_escapes(const CodeSet& set, uint32_t from, uint32_t to);
    void add_hex(const CodeSet& set, int digits, uint32_t from, uint32_t to);
    uint32_t any_hex(int digits, uint32_t to);
    void add_hex_digits(uint32_t from, uint32_t low, uint32_t high, uint32_t to);

    const Rules& rules_;
    Network network_;
    std::vector<uint64_t> sizes_;  // of expressions, 0: not yet known
    std::vector<uint32_t> uses_;   // of rules
    std::vector<bool> is_recursive_, is_planned_;
    int inlined_depth_ = 0;
    std::map<ExprId, RuleId> loop_rules_;                       // bodies of loops that are rules of their own
    std::map<ExprId, uint32_t> measured_;                       // in network_.measured
    std::vector<std::pair<uint32_t, uint32_t>> measured_ends_;  // of these, and what follows
    std::vector<std::pair<RuleId, ExprId>> pending_;            // rules without their positions yet
    // What leads to a position by the same codes is built once per rule.
    enum class Shared : uint8_t { utf8, escapes, any_hex, continuation };
    std::map<std::tuple<Shared, CodeSet, int, uint32_t>, uint32_t> shared_;
    bool is_too_large_ = false;
};

}  // namespace hearth::grammar
