// How the CPU keeps the state of the gated delta rule and of Mamba-2: per head a matrix [rows][columns] whose columns
// never meet. A block of columns is advanced through all tokens of a step while it lies in the first-level cache.
#pragma once

#include <algorithm>
#include <vector>

#include "backends/recurrent.h"

namespace hearth::cpu {

// The work of a step in pieces that can be done in any order: for each sequence, every head's columns in blocks.
class ColumnItems {
public:
    struct Item {
        const SequenceStep* sequence;
        int64_t head, column, count;  // `count` columns of the head from `column` on
        int64_t width;                // of this sequence's blocks; the last of a head may have fewer columns
    };

    // width_of(sequence): columns of a block.
    template <class WidthOf>
    ColumnItems(const Step& step, int64_t heads, int64_t columns, WidthOf width_of) : columns_(columns) {
        for (const SequenceStep& sequence : step.sequences) {
            if (sequence.tokens == 0) continue;
            const int64_t width = width_of(sequence);
            parts_.push_back({&sequence, width, (columns + width - 1) / width, count_});
            count_ += heads * parts_.back().blocks;
            tokens_ += sequence.tokens;
        }
    }

    int64_t count() const { return count_; }
    int64_t tokens() const { return tokens_; }
    Item at(int64_t item) const {
        size_t index = parts_.size() - 1;
        while (parts_[index].first_item > item) --index;
        const Part& part = parts_[index];
        const int64_t block = item - part.first_item, column = block % part.blocks * part.width;
        return {part.sequence, block / part.blocks, column, std::min(part.width, columns_ - column), part.width};
    }

private:
    struct Part {
        const SequenceStep* sequence;
        int64_t width, blocks, first_item;
    };
    int64_t columns_, count_ = 0, tokens_ = 0;
    std::vector<Part> parts_;
};

// A block of one head's columns inside a slot.
struct StateBlock {
    int64_t offset;   // of its first cell in the slot
    int64_t rows;     // of the head's matrix
    int64_t columns;  // of the head's matrix: floats from row to row
    int64_t count;    // columns of this block
    int64_t width;    // count, or more: what a row of a local copy holds, whole vectors
};

inline void copy_columns(const float* from, int64_t from_stride, float* to, int64_t to_stride,
                         const StateBlock& block) {
    for (int64_t row = 0; row < block.rows; ++row)
        std::copy_n(from + row * from_stride, block.count, to + row * to_stride);
}

// Loads or zeroes the block, calls advance(cells, stride, first token, past the last token) for every run of tokens
// between two saves, and stores it. `local` has room for rows x width floats. A single token works in place where the
// block is whole vectors: then a copy would be as much work as the op.
template <class Advance>
void advance_block(const StateBuffer& state, const SequenceStep& sequence, const StateBlock& block, float* local,
                   Advance advance) {
    float* kept = slot_at(state, sequence.slot_write) + block.offset;
    const bool in_place =
        sequence.tokens == 1 && block.count == block.width && sequence.slot_read == sequence.slot_write;
    float* at = in_place ? kept : local;
    const int64_t stride = in_place ? block.columns : block.width;
    if (!in_place) {
        if (sequence.slot_read < 0 || block.count < block.width) std::fill_n(local, block.rows * block.width, 0.0f);
        if (sequence.slot_read >= 0)
            copy_columns(slot_at(state, sequence.slot_read) + block.offset, block.columns, local, block.width, block);
    }
    int64_t done = 0;
    const auto save = [&] {
        for (const SlotSave& wish : sequence.saves)
            if (wish.after_tokens == done && wish.slot != sequence.slot_write)
                copy_columns(at, stride, slot_at(state, wish.slot) + block.offset, block.columns, block);
    };
    save();
    while (done < sequence.tokens) {
        int64_t next = sequence.tokens;
        for (const SlotSave& wish : sequence.saves)
            if (wish.after_tokens > done) next = std::min(next, wish.after_tokens);
        advance(at, stride, done, next);
        done = next;
        save();
    }
    if (!in_place) copy_columns(local, block.width, kept, block.columns, block);
}

}  // namespace hearth::cpu
