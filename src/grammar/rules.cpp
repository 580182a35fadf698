#include "grammar/rules.h"

#include <algorithm>

#include "grammar/measured_graph.h"

namespace hearth::grammar {

ExprId Rules::bytes(std::string_view text) {
    if (text.empty()) return kEmpty;
    bytes_.emplace_back(text);
    return add({.kind = Expr::Kind::bytes, .index = uint32_t(bytes_.size() - 1)});
}

ExprId Rules::codes(CodeSet set, Spelling spelling) {
    if (set.is_empty()) return kNothing;
    codes_.push_back(std::move(set));
    return add({.kind = Expr::Kind::codes, .spelling = spelling, .index = uint32_t(codes_.size() - 1)});
}

ExprId Rules::sequence(std::vector<ExprId> parts) {
    std::erase(parts, kEmpty);
    if (std::ranges::count(parts, kNothing) > 0) return kNothing;
    if (parts.empty()) return kEmpty;
    if (parts.size() == 1) return parts[0];
    return add({.kind = Expr::Kind::sequence, .parts = std::move(parts)});
}

ExprId Rules::choice(std::vector<ExprId> parts) {
    std::erase(parts, kNothing);
    if (parts.empty()) return kNothing;
    if (parts.size() == 1) return parts[0];
    return add({.kind = Expr::Kind::choice, .parts = std::move(parts)});
}

ExprId Rules::repeat(ExprId part, int32_t least, int32_t most) {
    if (most == 0 || part == kEmpty) return kEmpty;
    if (part == kNothing) return least == 0 ? kEmpty : kNothing;
    if (least == 1 && most == 1) return part;
    return add({.kind = Expr::Kind::repeat, .least = least, .most = most, .parts = {part}});
}

ExprId Rules::rule(RuleId rule) {
    return add({.kind = Expr::Kind::rule, .index = rule});
}

ExprId Rules::tokens(TokenTerminal terminal) {
    terminals_.push_back(std::move(terminal));
    return add({.kind = Expr::Kind::tokens, .index = uint32_t(terminals_.size() - 1)});
}

ExprId Rules::graph(CharGraph graph, Spelling spelling) {
    graphs_.push_back(std::move(graph));
    return add({.kind = Expr::Kind::graph, .spelling = spelling, .index = uint32_t(graphs_.size() - 1)});
}

ExprId Rules::measured(std::shared_ptr<const MeasuredGraph> graph, Spelling spelling) {
    if (graph->is_empty()) return kNothing;
    measured_.push_back(std::move(graph));
    return add({.kind = Expr::Kind::measured, .spelling = spelling, .index = uint32_t(measured_.size() - 1)});
}

ExprId Rules::diagram(Diagram diagram) {
    diagrams_.push_back(std::move(diagram));
    return add({.kind = Expr::Kind::diagram, .index = uint32_t(diagrams_.size() - 1)});
}

}  // namespace hearth::grammar
