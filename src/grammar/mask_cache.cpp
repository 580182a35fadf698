#include "grammar/mask_cache.h"

#include <algorithm>
#include <bit>

namespace hearth::grammar {

Mask::Mask(TokenBits bits) : bits_(std::move(bits)) {
    for (const uint32_t word : bits_) count_ += size_t(std::popcount(word));
    if (count_ > bits_.size() / 4) return;
    few_.reserve(count_);
    for (uint32_t word = 0; word < bits_.size(); ++word)
        for (uint32_t rest = bits_[word]; rest; rest &= rest - 1)
            few_.push_back(word * 32 + uint32_t(std::countr_zero(rest)));
    bits_ = {};
}

void Mask::apply(std::span<uint32_t> allowed) const {
    if (!bits_.empty()) {
        const size_t words = std::min(allowed.size(), bits_.size());
        for (size_t word = 0; word < words; ++word) allowed[word] &= bits_[word];
        std::fill(allowed.begin() + ptrdiff_t(words), allowed.end(), 0);
        return;
    }
    std::vector<uint32_t> kept;
    for (const uint32_t id : few_)
        if (id / 32 < allowed.size() && allowed[id / 32] >> (id % 32) & 1) kept.push_back(id);
    std::ranges::fill(allowed, 0);
    for (const uint32_t id : kept) allowed[id / 32] |= 1u << (id % 32);
}

bool Mask::allows(int32_t id) const {
    if (id < 0) return false;
    if (bits_.empty()) return std::ranges::binary_search(few_, uint32_t(id));
    return size_t(id) / 32 < bits_.size() && bits_[size_t(id) / 32] >> (id % 32) & 1;
}

uint64_t MaskCache::hash_of(std::span<const Configuration> state) {
    uint64_t hash = state.size();
    for (const Configuration& c : state) hash = (hash ^ c.set) * 0x9E3779B97F4A7C15u, hash ^= hash >> 31;
    return hash;
}

// What is remembered of a frame. False: it was the bottom.
template <class Visit>
bool MaskCache::each_frame_word(const Machine::Stack& stack, Visit visit) const {
    if (stack.parent == kNone) return visit(kNone), false;
    visit(stack.what);
    if (stack.what & Machine::kIsLoop) {
        const Network::Loop& loop = machine_.network().loops[stack.what & ~Machine::kIsLoop];
        visit(std::min(reach_, loop.least > stack.count ? loop.least - stack.count : 0));
        visit(loop.most == kNone ? kNone : std::min(reach_, loop.most - stack.count));
    } else if (stack.what & Machine::kIsText) {
        const auto& text = machine_.network().measured[stack.what & ~Machine::kIsText];
        const auto [below, room] = text.graph->kind_of(stack.count, reach_);
        visit(below);
        visit(room);
    }
    return true;
}

bool MaskCache::fits(const Entry& entry, std::span<const Configuration> state) const {
    if (entry.sets.size() != state.size()) return false;
    size_t at = 0;
    uint32_t levels = 0;
    for (size_t i = 0; i < state.size(); ++i) {
        if (entry.sets[i] != state[i].set) return false;
        levels = std::max(levels, machine_.stack(state[i].stack).levels);
        uint32_t id = state[i].stack;
        for (uint32_t frame = 0; frame < entry.num_frames[i]; ++frame) {
            const Machine::Stack& stack = machine_.stack(id);
            bool same = true;
            each_frame_word(
                stack, [&](uint32_t word) { same = same && at < entry.frames.size() && entry.frames[at++] == word; });
            if (!same) return false;
            id = stack.parent;
        }
    }
    return entry.fits_any_level ? levels + entry.rise <= machine_.safe_levels() : levels == entry.levels;
}

std::shared_ptr<const Mask> MaskCache::find(std::span<const Configuration> state) {
    const auto [begin, end] = entries_.equal_range(hash_of(state));
    for (auto entry = begin; entry != end; ++entry)
        if (fits(entry->second, state)) {
            entry->second.last_used = ++clock_;
            return entry->second.mask;
        }
    return nullptr;
}

void MaskCache::add(std::span<const Configuration> state, std::shared_ptr<const Mask> mask) {
    const uint32_t least = machine_.least_depth_read();
    Entry entry;
    uint32_t lowest = kNone;
    for (const Configuration& c : state) {
        entry.sets.push_back(c.set);
        const Machine::Stack& top = machine_.stack(c.stack);
        entry.levels = std::max(entry.levels, top.levels);
        lowest = std::min(lowest, top.levels);
        uint32_t count = 0;
        for (uint32_t id = c.stack; id != kNone && machine_.stack(id).depth >= least; ++count) {
            const Machine::Stack& stack = machine_.stack(id);
            each_frame_word(stack, [&](uint32_t word) { entry.frames.push_back(word); });
            id = stack.parent;
        }
        entry.num_frames.push_back(count);
    }
    const uint32_t highest = std::max(entry.levels, machine_.most_levels_seen());
    entry.rise = state.empty() ? 0 : highest - lowest;
    entry.fits_any_level = highest <= machine_.safe_levels();
    entry.mask = std::move(mask);
    entry.last_used = ++clock_;
    bytes_ += entry.mask->memory_bytes() + 4 * (entry.frames.size() + 3 * state.size()) + sizeof(Entry);
    entries_.emplace(hash_of(state), std::move(entry));
    while (bytes_ > kMostBytes || entries_.size() > kMostEntries) forget_oldest();
}

void MaskCache::forget_oldest() {
    const auto oldest = std::ranges::min_element(entries_, {}, [](const auto& e) { return e.second.last_used; });
    const Entry& entry = oldest->second;
    bytes_ -= entry.mask->memory_bytes() + 4 * (entry.frames.size() + 3 * entry.sets.size()) + sizeof(Entry);
    entries_.erase(oldest);
}

}  // namespace hearth::grammar
