// Free text that watches for triggers, as an automaton over bytes (Aho and Corasick's): a trigger is seen however the
// tokens cut it.
#include <algorithm>
#include <map>

#include "grammar/front_ends.h"

namespace hearth::grammar {

namespace {

constexpr size_t kMostTriggerBytes = 4096;  // of all together
constexpr int32_t kMostCounted = 64;

struct Watcher {
    struct Node {
        std::map<uint8_t, uint32_t> children;
        uint32_t fallback = 0;
        int32_t insertion = -1;  // whose trigger ends here
    };
    std::vector<Node> nodes{{}};

    uint32_t next(uint32_t node, uint8_t byte) const {
        for (;; node = nodes[node].fallback) {
            const auto child = nodes[node].children.find(byte);
            if (child != nodes[node].children.end()) return child->second;
            if (node == 0) return 0;
        }
    }
};

Watcher watcher_for(const std::vector<Insertion>& insertions) {
    Watcher watcher;
    for (size_t i = 0; i < insertions.size(); ++i) {
        uint32_t node = 0;
        for (const char c : insertions[i].trigger) {
            const auto [child, is_new] =
                watcher.nodes[node].children.try_emplace(uint8_t(c), uint32_t(watcher.nodes.size()));
            node = child->second;
            if (is_new) watcher.nodes.emplace_back();
        }
        if (node != 0 && watcher.nodes[node].insertion < 0) watcher.nodes[node].insertion = int32_t(i);
    }
    std::vector<uint32_t> queue{0};
    for (size_t i = 0; i < queue.size(); ++i)
        for (const auto& [byte, child] : watcher.nodes[queue[i]].children) {
            queue.push_back(child);
            if (queue[i] == 0) continue;
            Watcher::Node& node = watcher.nodes[child];
            node.fallback = watcher.next(watcher.nodes[queue[i]].fallback, byte);
            if (node.insertion < 0) node.insertion = watcher.nodes[node.fallback].insertion;
        }
    return watcher;
}

}  // namespace

Result<ExprId> free_text(const std::vector<Insertion>& insertions, const FreeText& options, Rules& rules) {
    size_t bytes = 0;
    for (const Insertion& insertion : insertions) {
        bytes += insertion.trigger.size();
        if (insertion.trigger.empty() && insertion.token.ids.empty() && insertion.token.texts.empty())
            return fail(ErrorKind::bad_request, "an insertion has neither a text nor a token that begins it");
    }
    if (bytes > kMostTriggerBytes)
        return fail(ErrorKind::bad_request, fmt::format("the triggers are {} bytes long, at most {} are watched for",
                                                        bytes, kMostTriggerBytes));
    const bool is_bounded = options.most != Expr::kUnbounded;
    if (options.least > kMostCounted || (is_bounded && (options.most > kMostCounted || options.most < options.least)))
        return fail(ErrorKind::bad_request,
                    fmt::format("{} to {} insertions cannot be counted", options.least, options.most));
    // Two triggers of equal text: either may follow.
    std::map<std::string, std::vector<ExprId>> bodies;
    std::vector<ExprId> own;
    TokenTerminal control{.is_control = true};
    for (const Insertion& insertion : insertions) {
        const RuleId rule = rules.add_rule("insertion " + insertion.trigger);
        rules.at(rule).body = insertion.body;
        rules.at(rule).is_shared = true;
        own.push_back(rules.rule(rule));
        if (!insertion.trigger.empty()) bodies[insertion.trigger].push_back(own.back());
        control.ids.insert(control.ids.end(), insertion.token.ids.begin(), insertion.token.ids.end());
        control.texts.insert(control.texts.end(), insertion.token.texts.begin(), insertion.token.texts.end());
    }
    const Watcher watcher = watcher_for(insertions);
    const uint32_t num_nodes = uint32_t(watcher.nodes.size());
    const int32_t counted = is_bounded ? options.most : options.least;
    const ExprId any_control = rules.tokens(control);

    // Places: what the watcher saw, for each number of insertions done.
    Diagram diagram;
    const auto place_of = [&](int32_t done, uint32_t node) {
        return uint32_t(std::min(done, counted)) * num_nodes + node;
    };
    diagram.places = place_of(counted, num_nodes - 1) + 2;
    const uint32_t end = diagram.places - 1;
    for (int32_t done = 0; done <= counted; ++done) {
        const bool is_full = is_bounded && done == options.most;
        if (is_full && options.ends_after_last && done > 0) {
            diagram.edges.push_back({place_of(done, 0), Rules::kEmpty, end});
            break;
        }
        for (uint32_t node = 0; node < num_nodes; ++node) {
            if (watcher.nodes[node].insertion >= 0) continue;  // never stayed in
            const uint32_t from = place_of(done, node);
            std::map<uint32_t, CodeSet> targets;
            for (uint32_t byte = 0; byte < 256; ++byte) {
                const uint32_t next = watcher.next(node, uint8_t(byte));
                const int32_t insertion = watcher.nodes[next].insertion;
                if (insertion < 0) {
                    targets[next].add(byte, byte);
                } else if (!is_full) {
                    const ExprId text = rules.codes(CodeSet(byte, byte), Spelling::bytes);
                    const ExprId body = rules.choice(bodies[insertions[size_t(insertion)].trigger]);
                    diagram.edges.push_back({from, rules.sequence({text, body}), place_of(done + 1, 0)});
                }
            }
            for (auto& [next, set] : targets)
                diagram.edges.push_back({from, rules.codes(std::move(set), Spelling::bytes), place_of(done, next)});
            diagram.edges.push_back({from, any_control, place_of(done, 0)});
            for (size_t i = 0; i < insertions.size() && !is_full; ++i)
                if (!insertions[i].token.ids.empty() || !insertions[i].token.texts.empty())
                    diagram.edges.push_back(
                        {from, rules.sequence({rules.tokens(insertions[i].token), own[i]}), place_of(done + 1, 0)});
            if (done >= options.least) diagram.edges.push_back({from, Rules::kEmpty, end});
        }
    }
    return rules.diagram(std::move(diagram));
}

}  // namespace hearth::grammar
