#include "grammar/network.h"

#include <algorithm>
#include <queue>
#include <set>

#include "grammar/network_builder.h"

namespace hearth::grammar {

namespace {

// Repetitions up to this count are written out; longer ones count at run time.
constexpr int32_t kMostCopies = 16, kMostJsonCopies = 64;
constexpr uint64_t kMostCopiedSize = 600;
// A rule of this size or less is copied into its users: fewer calls at run time.
constexpr uint64_t kMostInlined = 48;
constexpr int kMostInlinedDepth = 50;

}  // namespace

size_t Network::memory_bytes() const {
    size_t bytes =
        positions.size() * sizeof(Position) + edges.size() * sizeof(Edge) + empty_edges.size() * sizeof(EmptyEdge);
    for (const Measured& text : measured) bytes += text.graph->memory_bytes();
    return bytes;
}

NetworkBuilder::NetworkBuilder(const Rules& rules)
    : rules_(rules),
      sizes_(rules.size(), 0),
      uses_(rules.rules().size(), 0),
      is_recursive_(rules.rules().size(), false),
      is_planned_(rules.rules().size(), false) {}

uint32_t NetworkBuilder::position() {
    if (network_.positions.size() >= kMostPositions) is_too_large_ = true;
    network_.positions.emplace_back();
    return uint32_t(network_.positions.size() - 1);
}

void NetworkBuilder::add_edge(uint32_t from, uint8_t low, uint8_t high, uint32_t to) {
    uint32_t& first = network_.positions[from].first_edge;
    network_.edges.push_back({low, high, to, first});
    first = uint32_t(network_.edges.size() - 1);
}

void NetworkBuilder::add_empty(uint32_t from, uint32_t to) {
    uint32_t& first = network_.positions[from].first_empty;
    network_.empty_edges.push_back({to, first});
    first = uint32_t(network_.empty_edges.size() - 1);
}

void NetworkBuilder::add_move(uint32_t from, Network::Move move, uint32_t index, uint32_t to) {
    const uint32_t own = position();  // `from` may have other ways on
    Network::Position& made = network_.positions[own];
    made.move = move;
    made.index = index;
    made.target = to;
    add_empty(from, own);
}

// An estimate of how many positions the expression takes when written out, calls as one.
uint64_t NetworkBuilder::size_of(ExprId id) {
    if (sizes_[id]) return sizes_[id];
    const Expr& e = rules_.expression(id);
    uint64_t size = 1;
    switch (e.kind) {
        case Expr::Kind::bytes:
            size = rules_.bytes_of(e).size();
            break;
        case Expr::Kind::codes:
            size = e.spelling != Spelling::json ? 1 + 2 * rules_.codes_of(e).ranges().size() : 24;
            break;
        case Expr::Kind::sequence:
        case Expr::Kind::choice:
            for (const ExprId part : e.parts) size += size_of(part);
            break;
        case Expr::Kind::repeat:
            size = size_of(e.parts[0]) * uint64_t(std::max(1, e.most == Expr::kUnbounded ? e.least + 1 : e.most));
            break;
        case Expr::Kind::graph:
            size = 8 * rules_.graph_of(e).nodes.size();
            break;
        case Expr::Kind::diagram:
            for (const Diagram::Edge& edge : rules_.diagram_of(e).edges) size += size_of(edge.expression);
            break;
        default:
            break;
    }
    return sizes_[id] = std::min<uint64_t>(size, 1ull << 40);
}

// Marks the rules that can reach themselves, and counts how often each is named (Tarjan's components, on a stack of
// our own: rules may be nested deeper than the machine's).
void NetworkBuilder::find_recursive_rules() {
    const size_t count = rules_.rules().size();
    std::vector<std::vector<RuleId>> called(count);
    for (RuleId rule = 0; rule < count; ++rule) {
        std::vector<ExprId> stack{rules_.rules()[rule].body};
        while (!stack.empty()) {
            const Expr& e = rules_.expression(stack.back());
            stack.pop_back();
            if (e.kind == Expr::Kind::rule) {
                called[rule].push_back(e.index);
                ++uses_[e.index];
            }
            stack.insert(stack.end(), e.parts.begin(), e.parts.end());
            if (e.kind == Expr::Kind::diagram)
                for (const Diagram::Edge& edge : rules_.diagram_of(e).edges) stack.push_back(edge.expression);
        }
    }
    std::vector<uint32_t> order(count, 0), lowest(count, 0);
    std::vector<bool> is_open(count, false);
    std::vector<RuleId> open;
    uint32_t next_order = 0;
    struct Visit {
        RuleId rule;
        size_t next_call;
    };
    for (RuleId root = 0; root < count; ++root) {
        if (order[root]) continue;
        std::vector<Visit> visits{{root, 0}};
        while (!visits.empty()) {
            auto& [rule, next] = visits.back();
            if (next == 0) {
                order[rule] = lowest[rule] = ++next_order;
                open.push_back(rule);
                is_open[rule] = true;
            }
            if (next < called[rule].size()) {
                const RuleId target = called[rule][next++];
                if (target == rule) is_recursive_[rule] = true;
                if (!order[target])
                    visits.push_back({target, 0});
                else if (is_open[target])
                    lowest[rule] = std::min(lowest[rule], order[target]);
                continue;
            }
            const RuleId done = rule;
            if (lowest[done] == order[done]) {
                const bool is_alone = open.back() == done;
                RuleId member;
                do {
                    member = open.back();
                    open.pop_back();
                    is_open[member] = false;
                    if (!is_alone) is_recursive_[member] = true;
                } while (member != done);
            }
            visits.pop_back();
            if (!visits.empty()) lowest[visits.back().rule] = std::min(lowest[visits.back().rule], lowest[done]);
        }
    }
}

bool NetworkBuilder::is_inlined(RuleId rule) {
    const Rule& r = rules_.rules()[rule];
    if (r.is_level || r.is_shared || is_recursive_[rule]) return false;
    return uses_[rule] == 1 || size_of(r.body) <= kMostInlined;
}

void NetworkBuilder::add(ExprId id, uint32_t from, uint32_t to) {
    if (is_too_large_) return;
    const Expr& e = rules_.expression(id);
    switch (e.kind) {
        case Expr::Kind::nothing:
            return;
        case Expr::Kind::empty:
            return add_empty(from, to);
        case Expr::Kind::bytes: {
            const std::string& bytes = rules_.bytes_of(e);
            for (size_t i = 0; i < bytes.size(); ++i) {
                const uint32_t next = i + 1 < bytes.size() ? position() : to;
                add_edge(from, uint8_t(bytes[i]), uint8_t(bytes[i]), next);
                from = next;
            }
            return;
        }
        case Expr::Kind::codes:
            return add_codes(rules_.codes_of(e), e.spelling, from, to);
        case Expr::Kind::sequence:
            for (size_t i = 0; i < e.parts.size(); ++i) {
                const uint32_t next = i + 1 < e.parts.size() ? position() : to;
                add(e.parts[i], from, next);
                from = next;
            }
            return;
        case Expr::Kind::choice:
            for (const ExprId part : e.parts) {
                // A way of its own for each: a loop inside one must not lead into the others.
                const uint32_t own = position();
                add_empty(from, own);
                add(part, own, to);
            }
            return;
        case Expr::Kind::repeat:
            return add_repeat(e, from, to);
        case Expr::Kind::rule:
            return add_rule(e.index, from, to);
        case Expr::Kind::tokens:
            return add_move(from, Network::Move::token, e.index, to);
        case Expr::Kind::graph:
            return add_graph(rules_.graph_of(e), e.spelling, from, to);
        case Expr::Kind::measured:
            return add_measured(id, from, to);
        case Expr::Kind::diagram:
            return add_diagram(rules_.diagram_of(e), from, to);
    }
}

void NetworkBuilder::add_repeat(const Expr& e, uint32_t from, uint32_t to) {
    const ExprId part = e.parts[0];
    const bool is_unbounded = e.most == Expr::kUnbounded;
    const int32_t copies = is_unbounded ? e.least : e.most;
    // Any characters of a JSON string are counted in any case: masks know a short cut there. Of other classes the ends
    // are often in doubt, which costs more where they are counted than where they are written out.
    const Expr& repeated = rules_.expression(part);
    const bool is_json = repeated.kind == Expr::Kind::codes && repeated.spelling == Spelling::json;
    const bool is_any = is_json && rules_.codes_of(repeated) == CodeSet::all();
    if (copies > (is_any    ? 1
                  : is_json ? kMostJsonCopies
                            : kMostCopies) ||
        (!is_json && copies > 3 && uint64_t(copies) * size_of(part) > kMostCopiedSize)) {
        const auto [found, is_new] = loop_rules_.try_emplace(part, 0);
        if (is_new) {
            found->second = RuleId(network_.rules.size());
            network_.rules.push_back({"repetition", position(), position()});
            pending_.push_back({found->second, part});
        }
        network_.loops.push_back({found->second, uint32_t(e.least), is_unbounded ? kNone : uint32_t(e.most)});
        return add_move(from, Network::Move::loop, uint32_t(network_.loops.size() - 1), to);
    }
    for (int32_t i = 0; i < copies; ++i) {
        const uint32_t next = position();
        if (i >= e.least) add_empty(from, to);
        add(part, from, next);
        from = next;
    }
    if (is_unbounded) {
        const uint32_t again = position();
        add_empty(from, again);
        add(part, again, again);
        from = again;
    }
    add_empty(from, to);
}

void NetworkBuilder::add_rule(RuleId rule, uint32_t from, uint32_t to) {
    if (is_inlined(rule) && inlined_depth_ < kMostInlinedDepth) {
        const uint32_t own = position();
        add_empty(from, own);
        ++inlined_depth_;
        add(rules_.rules()[rule].body, own, to);
        --inlined_depth_;
        return;
    }
    if (!is_planned_[rule]) pending_.push_back({rule, rules_.rules()[rule].body});
    is_planned_[rule] = true;
    add_move(from, Network::Move::call, rule, to);
}

void NetworkBuilder::add_diagram(const Diagram& diagram, uint32_t from, uint32_t to) {
    std::vector<uint32_t> places(diagram.places);
    for (uint32_t& place : places) place = position();
    add_empty(from, places.front());
    add_empty(places.back(), to);
    for (const Diagram::Edge& edge : diagram.edges) {
        const uint32_t own = position();
        add_empty(places[edge.from], own);
        add(edge.expression, own, places[edge.to]);
    }
}

void NetworkBuilder::add_graph(const CharGraph& graph, Spelling spelling, uint32_t from, uint32_t to) {
    std::vector<uint32_t> places(graph.nodes.size());
    for (uint32_t& place : places) place = position();
    add_empty(from, places[graph.start]);
    for (size_t node = 0; node < graph.nodes.size() && !is_too_large_; ++node) {
        for (const auto& [codes, target] : graph.nodes[node].edges)
            add_codes(codes, spelling, places[node], places[target]);
        for (const uint32_t target : graph.nodes[node].empty_edges) add_empty(places[node], places[target]);
        if (graph.nodes[node].accepts) add_empty(places[node], to);
    }
}

// Built once for all places where the expression stands: they differ only in what follows.
void NetworkBuilder::add_measured(ExprId id, uint32_t from, uint32_t to) {
    const auto [found, is_new] = measured_.try_emplace(id, uint32_t(network_.measured.size()));
    if (is_new) add_measured_graph(rules_.expression(id));
    measured_ends_.push_back({found->second, to});
    add_move(from, Network::Move::text, found->second, to);
}

void NetworkBuilder::add_measured_graph(const Expr& e) {
    const auto& nodes = rules_.measured_of(e)->graph().nodes;
    std::vector<uint32_t> places(nodes.size()), arrivals(nodes.size());
    for (uint32_t& place : places) place = position();
    for (uint32_t node = 0; node < nodes.size(); ++node) {
        Network::Position& made = network_.positions[arrivals[node] = position()];
        made.move = Network::Move::character;
        made.index = node;
    }
    network_.measured.push_back({places[0], rules_.measured_of(e), e.spelling != Spelling::bytes});
    for (size_t node = 0; node < nodes.size() && !is_too_large_; ++node)
        for (const auto& [codes, target] : nodes[node].edges) {
            // What is shared is shared by what leads to the same node.
            const size_t before = network_.positions.size();
            add_codes(codes, e.spelling, places[node], arrivals[target]);
            for (size_t p = before; p < network_.positions.size(); ++p) {
                network_.positions[p].move = Network::Move::within;
                network_.positions[p].index = target;
            }
        }
}

// Whether a byte of plain text (vocabulary.h) may come next, or something that is not known here.
bool NetworkBuilder::may_be_plain_text(uint32_t from) const {
    std::vector<uint32_t> stack{from};
    std::set<uint32_t> seen{from};
    while (!stack.empty()) {
        const Network::Position& position = network_.positions[stack.back()];
        stack.pop_back();
        if (position.move != Network::Move::none && position.move != Network::Move::token) return true;
        for (uint32_t e = position.first_edge; e != kNone; e = network_.edges[e].next)
            for (int byte = network_.edges[e].low; byte <= network_.edges[e].high; ++byte)
                if (byte >= 0x20 && byte != '"' && byte != '\\') return true;
        for (uint32_t e = position.first_empty; e != kNone; e = network_.empty_edges[e].next)
            if (seen.insert(network_.empty_edges[e].target).second) stack.push_back(network_.empty_edges[e].target);
    }
    return false;
}

namespace {

// Which rules can match nothing at all: positions reached from their starts without a byte.
class EmptyWays {
public:
    explicit EmptyWays(Network& network) : network_(network), marks_(network.positions.size(), 0) {}

    // Until nothing changes: a rule that turns out to be empty opens new ways in those that begin with it.
    void find() {
        for (bool changed = true; changed;) {
            changed = false;
            for (Network::RuleInfo& rule : network_.rules)
                if (!rule.can_be_empty && reaches_end(rule)) rule.can_be_empty = changed = true;
        }
    }

    // Rules that are entered from the start of `rule` before anything was read.
    std::vector<RuleId> first_calls(const Network::RuleInfo& rule) {
        reaches_end(rule);
        return calls_;
    }

private:
    bool reaches_end(const Network::RuleInfo& rule) {
        ++mark_;
        calls_.clear();
        std::vector<uint32_t> stack{rule.start};
        bool found = false;
        const auto visit = [&](uint32_t target) {
            if (marks_[target] == mark_) return;
            marks_[target] = mark_;
            stack.push_back(target);
        };
        while (!stack.empty()) {
            const Network::Position& position = network_.positions[stack.back()];
            if (stack.back() == rule.end) found = true;
            stack.pop_back();
            for (uint32_t e = position.first_empty; e != kNone; e = network_.empty_edges[e].next)
                visit(network_.empty_edges[e].target);
            if (position.move == Network::Move::call) {
                calls_.push_back(position.index);
                if (network_.rules[position.index].can_be_empty) visit(position.target);
            } else if (position.move == Network::Move::loop) {
                const Network::Loop& loop = network_.loops[position.index];
                calls_.push_back(loop.rule);
                if (loop.least == 0 || network_.rules[loop.rule].can_be_empty) visit(position.target);
            } else if (position.move == Network::Move::text) {
                const MeasuredGraph& graph = *network_.measured[position.index].graph;
                if (graph.may_end(graph.graph().start, 0)) visit(position.target);
            }
        }
        return found;
    }

    Network& network_;
    std::vector<uint32_t> marks_;
    uint32_t mark_ = 0;
    std::vector<RuleId> calls_;
};

// Refuses rules that come back to themselves before a byte was read.
Result<> refuse_left_recursion(const Network& network, EmptyWays& ways) {
    enum : uint8_t { unseen, open, done };
    std::vector<uint8_t> state(network.rules.size(), unseen);
    struct Visit {
        RuleId rule;
        std::vector<RuleId> calls;
    };
    for (RuleId root = 0; root < network.rules.size(); ++root) {
        if (state[root] != unseen) continue;
        std::vector<Visit> visits;
        const auto enter = [&](RuleId rule) {
            state[rule] = open;
            visits.push_back({rule, ways.first_calls(network.rules[rule])});
        };
        enter(root);
        while (!visits.empty()) {
            Visit& visit = visits.back();
            if (visit.calls.empty()) {
                state[visit.rule] = done;
                visits.pop_back();
                continue;
            }
            const RuleId next = visit.calls.back();
            visit.calls.pop_back();
            if (state[next] == open)
                return fail(ErrorKind::bad_request,
                            fmt::format("the rule {} begins with itself (left recursion)", network.rules[next].name),
                            "write the repetition as x y* instead of r ::= r y | x");
            if (state[next] == unseen) enter(next);
        }
    }
    return {};
}

// The least number of nested levels from each position to the end of its rule: Dijkstra's order, where a call takes
// the larger of its own rule and what follows. Positions that keep kNone lead nowhere.
void find_heights(Network& network) {
    const size_t count = network.positions.size();
    std::vector<uint32_t> first_before(count, kNone);  // positions that lead here at once
    struct Before {
        uint32_t position, next;
    };
    std::vector<Before> before;
    std::vector<std::vector<uint32_t>> callers(network.rules.size());
    const auto link = [&](uint32_t from, uint32_t to) {
        before.push_back({from, first_before[to]});
        first_before[to] = uint32_t(before.size() - 1);
    };
    for (uint32_t p = 0; p < count; ++p) {
        const Network::Position& position = network.positions[p];
        for (uint32_t e = position.first_edge; e != kNone; e = network.edges[e].next) link(p, network.edges[e].target);
        for (uint32_t e = position.first_empty; e != kNone; e = network.empty_edges[e].next)
            link(p, network.empty_edges[e].target);
        if (position.target != kNone) link(p, position.target);
        if (position.move == Network::Move::call) callers[position.index].push_back(p);
        if (position.move == Network::Move::loop) callers[network.loops[position.index].rule].push_back(p);
    }
    using Entry = std::pair<uint32_t, uint32_t>;  // height, position
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
    std::vector<uint32_t> rule_of_start(count, kNone);
    for (RuleId rule = 0; rule < network.rules.size(); ++rule) {
        rule_of_start[network.rules[rule].start] = rule;
        network.positions[network.rules[rule].end].move = Network::Move::accept;
        // A rule that counts is a level itself.
        queue.push({network.positions[network.rules[rule].end].is_level ? 1 : 0, network.rules[rule].end});
    }
    // A text of a length ends at any character, as far as levels are concerned.
    for (uint32_t p = 0; p < count; ++p)
        if (network.positions[p].move == Network::Move::character) queue.push({0, p});
    // What `p` needs now that something behind it is known; kNone: still unknown.
    const auto height_of_move = [&](uint32_t p) -> uint32_t {
        const Network::Position& position = network.positions[p];
        const uint32_t after = network.positions[position.target].height;
        if (after == kNone || position.move == Network::Move::token || position.move == Network::Move::text)
            return after;
        const bool is_loop = position.move == Network::Move::loop;
        const Network::Loop* loop = is_loop ? &network.loops[position.index] : nullptr;
        const Network::RuleInfo& rule = network.rules[is_loop ? loop->rule : position.index];
        if (is_loop && (loop->least == 0 || rule.can_be_empty)) return after;
        if (rule.height == kNone) return kNone;
        return std::max(after, rule.height + (position.is_level ? 1 : 0));
    };
    while (!queue.empty()) {
        const auto [height, p] = queue.top();
        queue.pop();
        if (network.positions[p].height != kNone) continue;
        network.positions[p].height = height;
        for (uint32_t b = first_before[p]; b != kNone; b = before[b].next) {
            const uint32_t from = before[b].position;
            if (network.positions[from].height != kNone) continue;
            if (network.positions[from].target != p) {
                queue.push({height, from});
            } else if (const uint32_t known = height_of_move(from); known != kNone) {
                queue.push({known, from});
            }
        }
        if (const RuleId rule = rule_of_start[p]; rule != kNone) {
            network.rules[rule].height = height;
            for (const uint32_t caller : callers[rule])
                if (network.positions[caller].height == kNone)
                    if (const uint32_t known = height_of_move(caller); known != kNone) queue.push({known, caller});
        }
    }
}

void find_byte_classes(Network& network) {
    std::array<bool, 257> is_border{};
    for (const Network::Edge& edge : network.edges) is_border[edge.low] = is_border[edge.high + 1] = true;
    uint8_t number = 0;
    for (int byte = 0; byte < 256; ++byte) {
        if (byte > 0 && is_border[byte]) ++number;
        network.class_of_byte[byte] = number;
    }
    network.num_classes = uint32_t(number) + 1;
}

}  // namespace

Result<Network> NetworkBuilder::build() {
    find_recursive_rules();
    const auto& rules = rules_.rules();
    network_.root = rules_.root;
    network_.most_levels = uint32_t(rules_.most_levels);
    network_.terminals = rules_.terminals();
    for (const Rule& rule : rules) {
        const uint32_t start = position(), end = position();
        network_.rules.push_back({rule.name, start, end});
    }
    pending_.push_back({rules_.root, rules[rules_.root].body});
    is_planned_[rules_.root] = true;
    while (!pending_.empty() && !is_too_large_) {
        const auto [next, body] = pending_.back();
        pending_.pop_back();
        shared_.clear();
        const uint32_t start = network_.rules[next].start, first = uint32_t(network_.positions.size());
        const size_t num_rules = network_.rules.size();
        add(body, start, network_.rules[next].end);
        if (next >= rules.size() || !rules[next].is_level) continue;
        network_.positions[start].is_level = network_.positions[network_.rules[next].end].is_level = true;
        for (size_t p = first; p < network_.positions.size(); ++p) network_.positions[p].is_level = true;
        for (size_t rule = num_rules; rule < network_.rules.size(); ++rule)  // of its loops: rules of their own
            for (const uint32_t p : {network_.rules[rule].start, network_.rules[rule].end})
                network_.positions[p].is_level = false;
    }
    if (is_too_large_)
        return fail(ErrorKind::bad_request,
                    fmt::format("the grammar is too large (more than {} positions)", kMostPositions),
                    "split it, or shorten repetitions of long parts");
    EmptyWays ways(network_);
    ways.find();
    TRY(refuse_left_recursion(network_, ways));
    find_heights(network_);
    find_byte_classes(network_);
    for (const auto& [text, end] : measured_ends_)
        network_.measured[text].is_apart = network_.measured[text].is_apart && !may_be_plain_text(end);
    if (network_.rules[network_.root].height == kNone)
        return fail(ErrorKind::not_found, "no text matches the grammar: every way through it goes on for ever",
                    "give recursive rules an end");
    return std::move(network_);
}

Result<Network> build_network(const Rules& rules) {
    return NetworkBuilder(rules).build();
}

}  // namespace hearth::grammar
