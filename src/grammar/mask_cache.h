// Masks that were computed once, found again wherever the same may follow.
//
// A mask depends on the sets of a state and on the frames of its stacks down to the deepest that was read while it was
// computed; what lies below is free to differ. Counts of loops
// and of texts matter only as far as one token can reach.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "grammar/machine.h"
#include "grammar/vocabulary.h"

namespace hearth::grammar {

// The ids that are allowed, as bits or, where they are few, one by one.
class Mask {
public:
    explicit Mask(TokenBits bits);
    void apply(std::span<uint32_t> allowed) const;  // clears all others
    bool allows(int32_t id) const;
    size_t count() const { return count_; }
    size_t memory_bytes() const { return 4 * (bits_.capacity() + few_.capacity()); }

private:
    TokenBits bits_;  // empty: see few_
    std::vector<uint32_t> few_;
    size_t count_ = 0;
};

class MaskCache {
public:
    static constexpr size_t kMostBytes = 16 << 20;
    static constexpr size_t kMostEntries = 1024;

    MaskCache(const Machine& machine, size_t longest_token) : machine_(machine), reach_(longest_token + 1) {}
    std::shared_ptr<const Mask> find(std::span<const Configuration> state);
    // `least_depth`, `most_levels`: what the machine saw meanwhile.
    void add(std::span<const Configuration> state, std::shared_ptr<const Mask> mask);
    size_t memory_bytes() const { return bytes_; }

private:
    struct Entry {
        std::vector<uint32_t> sets, frames;
        std::vector<uint32_t> num_frames;  // read of each configuration's stack
        uint32_t levels = 0, rise = 0;     // of the highest stack; made on top of it meanwhile
        bool fits_any_level = false;
        std::shared_ptr<const Mask> mask;
        uint64_t last_used = 0;
    };
    bool fits(const Entry& entry, std::span<const Configuration> state) const;
    template <class Visit>
    bool each_frame_word(const Machine::Stack& stack, Visit visit) const;
    static uint64_t hash_of(std::span<const Configuration> state);
    void forget_oldest();

    const Machine& machine_;
    uint32_t reach_;
    std::unordered_multimap<uint64_t, Entry> entries_;
    size_t bytes_ = 0;
    uint64_t clock_ = 0;
};

}  // namespace hearth::grammar
