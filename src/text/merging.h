// The common heart of BPE and SPM: join neighbouring symbols, best pair first, leftmost first among equals.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace hearth {

// A pair that may be joined: smaller `order` goes first; `symbol` is what it becomes.
struct Join {
    uint32_t order = kNever;
    uint32_t symbol = 0;
    static constexpr uint32_t kNever = ~0u;
};

struct Symbol {
    uint32_t begin;  // its first byte; it ends where its right neighbour begins
    uint32_t id;
};

// Merges `symbols`, the last of which is a sentinel that holds the end of the text. `join(a, b, end)` says what becomes
// of neighbours a and b, b ending at `end`. Results replace the content of `symbols` (sentinel kept at the back). Few
// symbols: look for the best pair again after each join. Many: a heap of (order, place), stale entries skipped.
template <class JoinPair>
void merge_symbols(std::vector<Symbol>& symbols, JoinPair join) {
    constexpr size_t kFew = 48;
    size_t count = symbols.size() - 1;
    if (count < 2) return;

    if (count <= kFew) {
        Join joins[kFew];
        for (size_t i = 0; i + 1 < count; ++i) joins[i] = join(symbols[i], symbols[i + 1], symbols[i + 2].begin);
        while (true) {
            size_t best = 0;
            uint32_t best_order = Join::kNever;
            for (size_t i = 0; i + 1 < count; ++i) {
                if (joins[i].order < best_order) {
                    best_order = joins[i].order;
                    best = i;
                }
            }
            if (best_order == Join::kNever) break;
            symbols[best].id = joins[best].symbol;
            symbols.erase(symbols.begin() + ptrdiff_t(best) + 1);
            --count;
            for (size_t i = best + 1; i + 1 < count; ++i) joins[i] = joins[i + 1];
            if (best > 0) joins[best - 1] = join(symbols[best - 1], symbols[best], symbols[best + 1].begin);
            if (best + 1 < count) joins[best] = join(symbols[best], symbols[best + 1], symbols[best + 2].begin);
        }
        return;
    }

    struct Node {
        uint32_t previous, next;  // kGone: merged away (next), none (previous)
        Join join;                // with the right neighbour
    };
    constexpr uint32_t kGone = ~0u;
    const uint32_t end = uint32_t(count);  // the sentinel
    std::vector<Node> nodes(count);
    std::vector<uint64_t> heap;
    heap.reserve(count);
    const auto rejoin = [&](uint32_t left) {
        Node& node = nodes[left];
        const uint32_t right = node.next;
        node.join = right == end ? Join{} : join(symbols[left], symbols[right], symbols[nodes[right].next].begin);
        return node.join.order != Join::kNever;
    };
    for (uint32_t i = 0; i < end; ++i) nodes[i] = {i == 0 ? kGone : i - 1, i + 1, {}};
    for (uint32_t i = 0; i < end; ++i)
        if (rejoin(i)) heap.push_back(uint64_t{nodes[i].join.order} << 32 | i);
    const auto later = [](uint64_t a, uint64_t b) { return a > b; };
    std::make_heap(heap.begin(), heap.end(), later);

    while (!heap.empty()) {
        const uint64_t top = heap.front();
        std::pop_heap(heap.begin(), heap.end(), later);
        heap.pop_back();
        const uint32_t left = uint32_t(top);
        Node& node = nodes[left];
        // Equal order at the same place with another partner would stand in the heap a second time: same result.
        if (node.next == kGone || node.join.order != uint32_t(top >> 32)) continue;
        const uint32_t right = node.next;
        symbols[left].id = node.join.symbol;
        node.next = nodes[right].next;
        nodes[right].next = kGone;
        if (node.next != end) nodes[node.next].previous = left;
        for (const uint32_t at : {node.previous, left}) {
            if (at == kGone || !rejoin(at)) continue;
            heap.push_back(uint64_t{nodes[at].join.order} << 32 | at);
            std::push_heap(heap.begin(), heap.end(), later);
        }
    }
    size_t kept = 0;
    for (uint32_t i = 0; i < end; ++i)
        if (nodes[i].next != kGone) symbols[kept++] = symbols[i];
    symbols[kept++] = symbols[end];
    symbols.resize(kept);
}

}  // namespace hearth
