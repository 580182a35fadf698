// Regular languages over code points, where they have to be combined: cut with each other, excluded from each other,
// tried on a text. (Those that only have to be followed go into the network as they are.)
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "grammar/rules.h"

namespace hearth::grammar {

// Graphs may grow to this many nodes; what would grow further is refused.
constexpr size_t kMostGraphNodes = 20'000;

// The expression as a graph with empty edges. Only of codes, sequences, choices and repetitions.
Result<CharGraph> graph_of(const Rules& rules, ExprId expression);
// Of an expression with anchors: what matches when these stand for the borders of the text. Anything may stand before
// and behind the match unless `is_whole`.
CharGraph without_anchors(CharGraph graph, bool is_whole);
// One way at most for each text, no empty edges, only nodes from which an end is reached. The rest takes such graphs.
Result<CharGraph> deterministic(const CharGraph& graph);
CharGraph texts_graph(std::span<const std::vector<uint32_t>> texts);
CharGraph length_graph(int64_t least, std::optional<int64_t> most);  // in characters

enum class Combination { both, first_only };
Result<CharGraph> combined(const CharGraph& first, const CharGraph& second, Combination how);
Result<CharGraph> complement(const CharGraph& graph);
bool is_empty(const CharGraph& graph);
bool matches(const CharGraph& graph, std::span<const uint32_t> text);

}  // namespace hearth::grammar
