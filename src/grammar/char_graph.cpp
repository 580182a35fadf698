#include "grammar/char_graph.h"

#include <algorithm>
#include <map>
#include <set>

namespace hearth::grammar {

namespace {

std::unexpected<Error> too_large() {
    return fail(ErrorKind::bad_request, fmt::format("the expression needs more than {} states", kMostGraphNodes),
                "shorten its repetitions, or state the length elsewhere");
}

class GraphBuilder {
public:
    explicit GraphBuilder(const Rules& rules) : rules_(rules) {}

    Result<CharGraph> build(ExprId expression) {
        const uint32_t start = node(), end = node();
        add(expression, start, end);
        if (is_too_large_) return too_large();
        graph_.start = start;
        graph_.nodes[end].accepts = true;
        return std::move(graph_);
    }

private:
    uint32_t node() {
        is_too_large_ |= graph_.nodes.size() >= kMostGraphNodes;
        graph_.nodes.emplace_back();
        return uint32_t(graph_.nodes.size() - 1);
    }
    void link(uint32_t from, uint32_t to) { graph_.nodes[from].empty_edges.push_back(to); }

    void add(ExprId id, uint32_t from, uint32_t to) {
        if (is_too_large_) return;
        const Expr& e = rules_.expression(id);
        switch (e.kind) {
            case Expr::Kind::empty:
                return link(from, to);
            case Expr::Kind::codes:
                graph_.nodes[from].edges.push_back({rules_.codes_of(e), to});
                return;
            case Expr::Kind::sequence:
                for (const ExprId part : e.parts) {
                    const uint32_t next = node();
                    add(part, from, next);
                    from = next;
                }
                return link(from, to);
            case Expr::Kind::choice:
                for (const ExprId part : e.parts) {
                    const uint32_t own = node();
                    link(from, own);
                    add(part, own, to);
                }
                return;
            case Expr::Kind::repeat: {
                const int32_t copies = e.most == Expr::kUnbounded ? e.least : e.most;
                for (int32_t i = 0; i < copies && !is_too_large_; ++i) {
                    const uint32_t next = node();
                    if (i >= e.least) link(from, to);
                    add(e.parts[0], from, next);
                    from = next;
                }
                if (e.most == Expr::kUnbounded) {
                    const uint32_t again = node();
                    link(from, again);
                    add(e.parts[0], again, again);
                    from = again;
                }
                return link(from, to);
            }
            default:
                return;  // regular expressions have no other
        }
    }

    const Rules& rules_;
    CharGraph graph_;
    bool is_too_large_ = false;
};

void close(const CharGraph& graph, std::vector<uint32_t>& nodes) {
    std::vector<bool> is_seen(graph.nodes.size(), false);
    for (const uint32_t node : nodes) is_seen[node] = true;
    for (size_t i = 0; i < nodes.size(); ++i)
        for (const uint32_t target : graph.nodes[nodes[i]].empty_edges)
            if (!is_seen[target]) {
                is_seen[target] = true;
                nodes.push_back(target);
            }
    std::ranges::sort(nodes);
}

using Pairs = std::vector<std::pair<uint32_t, uint32_t>>;

// Without nodes that lead nowhere. The start stays. `pairs`: something about each node that goes with it.
CharGraph trimmed(CharGraph graph, Pairs* pairs = nullptr) {
    std::vector<std::vector<uint32_t>> before(graph.nodes.size());
    std::vector<uint32_t> stack;
    std::vector<bool> is_useful(graph.nodes.size(), false);
    for (uint32_t node = 0; node < graph.nodes.size(); ++node) {
        for (const auto& edge : graph.nodes[node].edges) before[edge.target].push_back(node);
        if (graph.nodes[node].accepts) {
            is_useful[node] = true;
            stack.push_back(node);
        }
    }
    while (!stack.empty()) {
        const uint32_t node = stack.back();
        stack.pop_back();
        for (const uint32_t from : before[node])
            if (!is_useful[from]) {
                is_useful[from] = true;
                stack.push_back(from);
            }
    }
    std::vector<uint32_t> moved(graph.nodes.size(), 0);
    CharGraph kept;
    is_useful[graph.start] = true;
    for (uint32_t node = 0; node < graph.nodes.size(); ++node)
        if (is_useful[node]) {
            moved[node] = uint32_t(kept.nodes.size());
            kept.nodes.push_back(std::move(graph.nodes[node]));
            if (pairs) (*pairs)[moved[node]] = (*pairs)[node];
        }
    if (pairs) pairs->resize(kept.nodes.size());
    for (CharGraph::Node& node : kept.nodes) {
        std::erase_if(node.edges, [&](const CharGraph::Edge& edge) { return !is_useful[edge.target]; });
        for (CharGraph::Edge& edge : node.edges) edge.target = moved[edge.target];
    }
    kept.start = moved[graph.start];
    return kept;
}

// The pieces into which the borders of some sets cut the code points, each with what `each` collects.
template <class Edges, class Visit>
void each_piece(const Edges& edges, Visit visit) {
    std::vector<uint32_t> borders;
    for (const CharGraph::Edge* edge : edges)
        for (const CodeRange& range : edge->codes.ranges()) {
            borders.push_back(range.low);
            borders.push_back(range.high + 1);
        }
    std::ranges::sort(borders);
    borders.erase(std::unique(borders.begin(), borders.end()), borders.end());
    for (size_t i = 0; i + 1 < borders.size(); ++i) visit(borders[i], borders[i + 1] - 1);
}

}  // namespace

Result<CharGraph> graph_of(const Rules& rules, ExprId expression) {
    return GraphBuilder(rules).build(expression);
}

CharGraph without_anchors(CharGraph graph, bool is_whole) {
    const auto new_node = [&] {
        graph.nodes.emplace_back();
        return uint32_t(graph.nodes.size() - 1);
    };
    // begin? any* MATCH any* end?, where an anchor takes the border itself.
    const uint32_t first = new_node(), last = new_node();
    const uint32_t inner = new_node(), outer = new_node();
    for (CharGraph::Node& node : graph.nodes)
        if (node.accepts) {
            node.accepts = false;
            node.empty_edges.push_back(outer);
        }
    graph.nodes[first].empty_edges.push_back(graph.start);
    graph.nodes[first].edges.push_back({CodeSet(kTextBegin, kTextBegin), inner});
    graph.nodes[inner].empty_edges.push_back(graph.start);
    graph.nodes[outer].edges.push_back({CodeSet(kTextEnd, kTextEnd), last});
    graph.nodes[outer].empty_edges.push_back(last);
    if (!is_whole) {
        graph.nodes[inner].edges.push_back({CodeSet::all(), inner});
        graph.nodes[outer].edges.push_back({CodeSet::all(), outer});
    }
    graph.nodes[last].accepts = true;
    // A text stands between its borders: start behind the first, end before the second.
    std::vector<uint32_t> begin{first};
    close(graph, begin);
    const uint32_t start = new_node(), end = new_node();
    graph.nodes[end].accepts = true;
    for (const uint32_t node : begin)
        for (const auto& [codes, target] : graph.nodes[node].edges)
            if (codes.contains(kTextBegin)) graph.nodes[start].empty_edges.push_back(target);
    for (uint32_t node = 0; node < graph.nodes.size(); ++node)
        for (size_t e = 0; e < graph.nodes[node].edges.size(); ++e) {
            if (!graph.nodes[node].edges[e].codes.contains(kTextEnd)) continue;
            std::vector<uint32_t> behind{graph.nodes[node].edges[e].target};
            close(graph, behind);
            if (std::ranges::count(behind, last)) graph.nodes[node].empty_edges.push_back(end);
        }
    graph.nodes[last].accepts = false;
    for (CharGraph::Node& node : graph.nodes) {
        for (CharGraph::Edge& edge : node.edges) edge.codes = edge.codes.intersection(CodeSet::all());
        std::erase_if(node.edges, [](const CharGraph::Edge& edge) { return edge.codes.is_empty(); });
    }
    graph.start = start;
    return graph;
}

Result<CharGraph> deterministic(const CharGraph& graph) {
    CharGraph made;
    std::map<std::vector<uint32_t>, uint32_t> ids;
    std::vector<const std::vector<uint32_t>*> sets;
    size_t work = 0;
    const auto id_of = [&](std::vector<uint32_t> nodes) {
        close(graph, nodes);
        work += nodes.size();
        const auto [found, is_new] = ids.try_emplace(std::move(nodes), uint32_t(made.nodes.size()));
        if (is_new) {
            made.nodes.emplace_back();
            sets.push_back(&found->first);
        }
        return found->second;
    };
    made.start = id_of({graph.start});
    for (uint32_t id = 0; id < made.nodes.size(); ++id) {
        if (made.nodes.size() > kMostGraphNodes || work > 200 * kMostGraphNodes) return too_large();
        std::vector<const CharGraph::Edge*> edges;
        for (const uint32_t node : *sets[id]) {
            made.nodes[id].accepts |= graph.nodes[node].accepts;
            for (const CharGraph::Edge& edge : graph.nodes[node].edges) edges.push_back(&edge);
        }
        std::map<std::vector<uint32_t>, CodeSet> targets;
        each_piece(edges, [&](uint32_t low, uint32_t high) {
            std::vector<uint32_t> reached;
            for (const CharGraph::Edge* edge : edges)
                if (edge->codes.contains(low)) reached.push_back(edge->target);
            std::ranges::sort(reached);
            reached.erase(std::unique(reached.begin(), reached.end()), reached.end());
            if (!reached.empty()) targets[reached].add(low, high);
        });
        std::map<uint32_t, CodeSet> joined;  // different nodes may close to the same set
        for (const auto& [nodes, codes] : targets) joined[id_of(nodes)].add(codes);
        for (auto& [target, codes] : joined) made.nodes[id].edges.push_back({std::move(codes), target});
    }
    return trimmed(std::move(made));
}

CharGraph texts_graph(std::span<const std::vector<uint32_t>> texts) {
    CharGraph graph;
    graph.nodes.emplace_back();
    std::map<std::pair<uint32_t, uint32_t>, uint32_t> children;
    for (const auto& text : texts) {
        uint32_t node = 0;
        for (const uint32_t code : text) {
            const auto [found, is_new] = children.try_emplace({node, code}, uint32_t(graph.nodes.size()));
            if (is_new) {
                graph.nodes.emplace_back();
                graph.nodes[node].edges.push_back({CodeSet(code, code), found->second});
            }
            node = found->second;
        }
        graph.nodes[node].accepts = true;
    }
    return graph;
}

CharGraph length_graph(int64_t least, std::optional<int64_t> most) {
    CharGraph graph;
    const int64_t last = most.value_or(least);
    graph.nodes.resize(size_t(last) + 1);
    for (int64_t i = 0; i <= last; ++i) {
        graph.nodes[size_t(i)].accepts = i >= least;
        if (i < last) graph.nodes[size_t(i)].edges.push_back({CodeSet::all(), uint32_t(i + 1)});
    }
    if (!most) graph.nodes.back().edges.push_back({CodeSet::all(), uint32_t(last)});
    return graph;
}

namespace {

// `pairs`: the nodes of both that each node stands for.
Result<CharGraph> product(const CharGraph& first, const CharGraph& second, Combination how, Pairs& pairs) {
    CharGraph made;
    constexpr uint32_t kOut = UINT32_MAX;  // the second has left its language for good
    std::map<std::pair<uint32_t, uint32_t>, uint32_t> ids;
    pairs.clear();
    const auto id_of = [&](uint32_t a, uint32_t b) {
        const auto [found, is_new] = ids.try_emplace({a, b}, uint32_t(pairs.size()));
        if (is_new) {
            pairs.push_back({a, b});
            made.nodes.emplace_back();
        }
        return found->second;
    };
    made.start = id_of(first.start, second.start);
    for (uint32_t id = 0; id < pairs.size(); ++id) {
        if (pairs.size() > kMostGraphNodes) return too_large();
        const auto [a, b] = pairs[id];
        const bool is_second = b != kOut && second.nodes[b].accepts;
        made.nodes[id].accepts = first.nodes[a].accepts && (how == Combination::both ? is_second : !is_second);
        for (const auto& [codes, target] : first.nodes[a].edges) {
            CodeSet rest = codes;
            if (b != kOut)
                for (const auto& [other_codes, other] : second.nodes[b].edges) {
                    const CodeSet common = codes.intersection(other_codes);
                    if (common.is_empty()) continue;
                    const uint32_t to = id_of(target, other);
                    made.nodes[id].edges.push_back({common, to});
                    rest = rest.without(common);
                }
            if (how == Combination::first_only && !rest.is_empty()) {
                const uint32_t to = id_of(target, kOut);
                made.nodes[id].edges.push_back({std::move(rest), to});
            }
        }
    }
    return trimmed(std::move(made), &pairs);
}

}  // namespace

Result<CharGraph> combined(const CharGraph& first, const CharGraph& second, Combination how) {
    Pairs pairs;
    return product(first, second, how, pairs);
}

Result<CharGraph> complement(const CharGraph& graph) {
    return combined(length_graph(0, std::nullopt), graph, Combination::first_only);
}

bool is_empty(const CharGraph& graph) {
    return std::ranges::none_of(graph.nodes, &CharGraph::Node::accepts);
}

bool matches(const CharGraph& graph, std::span<const uint32_t> text) {
    uint32_t node = graph.start;
    for (const uint32_t code : text) {
        const auto& edges = graph.nodes[node].edges;
        const auto edge = std::ranges::find_if(edges, [&](const auto& e) { return e.codes.contains(code); });
        if (edge == edges.end()) return false;
        node = edge->target;
    }
    return graph.nodes[node].accepts;
}

}  // namespace hearth::grammar
