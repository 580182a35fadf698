#include "grammar/measured_graph.h"

#include <algorithm>
#include <span>
#include <unordered_map>

namespace hearth::grammar {

namespace {

constexpr size_t kMostRowWords = 1 << 18;
constexpr size_t kMostSteps = 1 << 23;

uint64_t hash_of(std::span<const uint64_t> words) {
    uint64_t hash = words.size();
    for (const uint64_t word : words) hash = (hash ^ word) * 0x9E3779B97F4A7C15u, hash ^= hash >> 29;
    return hash;
}

// By node: the nodes with an edge to it.
std::vector<std::vector<uint32_t>> nodes_before(const CharGraph& graph) {
    std::vector<std::vector<uint32_t>> before(graph.nodes.size());
    for (uint32_t node = 0; node < graph.nodes.size(); ++node)
        for (const CharGraph::Edge& edge : graph.nodes[node].edges) before[edge.target].push_back(node);
    return before;
}

}  // namespace

Result<std::shared_ptr<const MeasuredGraph>> MeasuredGraph::make(CharGraph graph, uint32_t least,
                                                                 std::optional<uint32_t> most) {
    const std::shared_ptr<MeasuredGraph> made(new MeasuredGraph(std::move(graph), least, most));
    made->find_distances();
    TRY(made->find_rows());
    return made;
}

void MeasuredGraph::find_distances() {
    const size_t count = graph_.nodes.size();
    distances_.assign(count, kNever);
    onward_.assign(count, kNever);
    const auto before = nodes_before(graph_);
    std::vector<uint32_t> queue;
    for (uint32_t node = 0; node < count; ++node)
        if (graph_.nodes[node].accepts) distances_[node] = 0, queue.push_back(node);
    for (size_t i = 0; i < queue.size(); ++i)
        for (const uint32_t from : before[queue[i]]) {
            // Nearer ones come first.
            onward_[from] = std::min(onward_[from], distances_[queue[i]] + 1);
            if (distances_[from] != kNever) continue;
            distances_[from] = farthest_ = distances_[queue[i]] + 1;
            queue.push_back(from);
        }
    steps_ += 2 * count;
}

// With `missing` characters missing an end is possible from the nodes with an edge to one from which it is with one
// less. Only what changes from one row to the next is looked at; rows that repeat an earlier one end the search.
Result<> MeasuredGraph::find_rows() {
    const size_t count = graph_.nodes.size();
    row_words_ = (count + 63) / 64;
    const auto before = nodes_before(graph_);
    std::vector<uint64_t> row(row_words_, 0);
    std::vector<uint32_t> edges_into_row(count, 0), changed, looked_at;
    for (uint32_t node = 0; node < count; ++node) {
        looked_at.push_back(node);
        if (!is_possible(node, least_)) continue;
        row[node / 64] |= 1ull << (node % 64);
        changed.push_back(node);
    }
    std::unordered_map<uint64_t, uint32_t> seen;
    for (;; ++num_rows_) {
        const auto [known, is_new] = seen.try_emplace(hash_of(row), num_rows_);
        if (!is_new && std::equal(row.begin(), row.end(), rows_.begin() + ptrdiff_t(known->second * row_words_))) {
            cycle_begin_ = known->second;
            return {};
        }
        rows_.insert(rows_.end(), row.begin(), row.end());
        steps_ += row_words_ + changed.size();
        if (num_rows_ == least_) break;
        for (const uint32_t node : changed) {
            const bool is_in = row[node / 64] >> (node % 64) & 1;
            for (const uint32_t from : before[node]) {
                edges_into_row[from] += is_in ? 1 : uint32_t(-1);
                looked_at.push_back(from);
            }
            steps_ += before[node].size();
        }
        if (steps_ > kMostSteps || rows_.size() > kMostRowWords)
            return fail(ErrorKind::bad_request, "the expression and the least length together need too many states",
                        "shorten the expression, or ask for fewer characters");
        changed.clear();
        for (const uint32_t node : looked_at) {
            const bool is_in = row[node / 64] >> (node % 64) & 1;
            if (is_in == (edges_into_row[node] > 0)) continue;
            row[node / 64] ^= 1ull << (node % 64);
            changed.push_back(node);
        }
        looked_at.clear();
    }
    ++num_rows_;
    cycle_begin_ = num_rows_ - 1;  // nothing lies beyond
    return {};
}

MeasuredGraph::Kind MeasuredGraph::kind_of(uint32_t count, uint32_t reach) const {
    if (count >= least_) return {0, most_ ? std::min(*most_ - count, farthest_ + reach) : 0};
    const uint32_t missing = least_ - count, repeating = cycle_begin_ + reach;
    if (missing <= repeating) return {missing, 0};
    return {repeating + (missing - repeating) % (num_rows_ - cycle_begin_), 0};
}

}  // namespace hearth::grammar
