// The rules as a network of positions: edges that take a byte, empty edges, calls of other rules, counted loops, edges
// that take a whole token. Immutable once built; the machine (machine.h) runs sets of positions with a stack.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "grammar/measured_graph.h"
#include "grammar/rules.h"

namespace hearth::grammar {

constexpr uint32_t kNone = UINT32_MAX;

struct Network {
    // The last two are inside of a text of a length: a character is complete, or has begun; index: the node it leads
    // to.
    enum class Move : uint8_t { none, accept, call, loop, token, text, character, within };
    struct Position {
        uint32_t first_edge = kNone, first_empty = kNone;  // in edges, empty_edges; linked by `next`
        Move move = Move::none;
        bool is_level = false;    // of a rule that counts: what is called from here lies a level deeper
        uint32_t index = 0;       // of the rule, loop, token terminal or text of a length
        uint32_t target = kNone;  // where it goes on afterwards
        uint32_t height = kNone;  // levels of rules needed at least to reach the end of the rule; kNone: it cannot
    };
    struct Edge {
        uint8_t low, high;
        uint32_t target, next;
    };
    struct EmptyEdge {
        uint32_t target, next;
    };
    struct RuleInfo {
        std::string name;
        uint32_t start, end;
        bool can_be_empty = false;
        uint32_t height = kNone;
    };
    // The rule `rule`, `least` to `most` times.
    struct Loop {
        RuleId rule;
        uint32_t least, most;  // most: kNone for any number
    };

    // Texts of a graph and a length, a position a node. The machine counts their characters.
    struct Measured {
        uint32_t first;
        std::shared_ptr<const MeasuredGraph> graph;
        // No plain text (vocabulary.h) may follow, so that such a text neither leaves the graph nor comes in more than
        // one way.
        bool is_apart;
    };

    std::vector<Position> positions;
    std::vector<Edge> edges;
    std::vector<EmptyEdge> empty_edges;
    std::vector<RuleInfo> rules;
    std::vector<Loop> loops;
    std::vector<TokenTerminal> terminals;
    std::vector<Measured> measured;
    std::array<uint8_t, 256> class_of_byte;  // bytes that no edge tells apart
    uint32_t num_classes = 0;
    RuleId root = 0;
    uint32_t most_levels = 0;
    size_t memory_bytes() const;
};

// Fails for rules that call themselves before anything was read, for grammars that nothing can match, and where the
// network would grow beyond kMostPositions.
constexpr size_t kMostPositions = 600'000;
Result<Network> build_network(const Rules& rules);

}  // namespace hearth::grammar
