// A graph whose texts must have a length as well. The length is counted beside the graph, so a graph has its nodes once
// and not once for every count; from where an end is still possible after how many characters is found out here, so
// that no text is begun that cannot be ended.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "grammar/rules.h"

namespace hearth::grammar {

class MeasuredGraph {
public:
    // `graph` is deterministic. Fails where too much would have to be remembered. No `most`: any length from `least`.
    static Result<std::shared_ptr<const MeasuredGraph>> make(CharGraph graph, uint32_t least,
                                                             std::optional<uint32_t> most);

    const CharGraph& graph() const { return graph_; }
    bool is_empty() const { return !is_possible(graph_.start, 0); }
    // Whether a text at the node after so many characters can still be ended, now or later.
    bool is_possible(uint32_t node, uint64_t count) const {
        if (count < least_) return row_has(least_ - uint32_t(count), node);
        return !most_ ? distances_[node] != kNever : count <= *most_ && distances_[node] <= *most_ - count;
    }
    bool may_end(uint32_t node, uint32_t count) const { return count >= least_ && graph_.nodes[node].accepts; }
    // Whether another character may follow at a node that is possible.
    bool goes_on(uint32_t node, uint32_t count) const {
        if (count < least_) return row_has(least_ - count, node);
        return onward_[node] != kNever && (!most_ || onward_[node] <= *most_ - count);
    }
    // The count after one more character. Beyond `least` a length without an end needs no exact count.
    uint32_t next_count(uint32_t count) const { return !most_ && count >= least_ ? count : count + 1; }
    std::optional<uint32_t> most() const { return most_; }
    // Counts of the same kind have the same possibilities for the next `reach` characters.
    struct Kind {
        uint32_t below;  // characters that are missing
        uint32_t room;   // and such as may follow, once none is missing
    };
    Kind kind_of(uint32_t count, uint32_t reach) const;
    size_t steps() const { return steps_; }  // what it took to make
    size_t memory_bytes() const { return 8 * rows_.capacity() + 8 * distances_.capacity(); }

private:
    static constexpr uint32_t kNever = UINT32_MAX;
    explicit MeasuredGraph(CharGraph graph, uint32_t least, std::optional<uint32_t> most)
        : graph_(std::move(graph)), least_(least), most_(most) {}
    void find_distances();
    Result<> find_rows();
    uint32_t row_of(uint32_t missing) const {
        return missing < num_rows_ ? missing : cycle_begin_ + (missing - cycle_begin_) % (num_rows_ - cycle_begin_);
    }
    bool row_has(uint32_t missing, uint32_t node) const {
        return rows_[row_of(missing) * row_words_ + node / 64] >> (node % 64) & 1;
    }

    CharGraph graph_;
    uint32_t least_;
    std::optional<uint32_t> most_;
    std::vector<uint32_t> distances_;  // by node: characters to an end at least
    std::vector<uint32_t> onward_;     // the same, of ends that are not here
    uint32_t farthest_ = 0;            // of the distances
    // By missing characters: the nodes from which an end is possible. From `cycle_begin_` on they repeat themselves.
    std::vector<uint64_t> rows_;
    size_t row_words_ = 0;
    uint32_t num_rows_ = 0, cycle_begin_ = 0;
    size_t steps_ = 0;
};

}  // namespace hearth::grammar
