#include "text/string_table.h"

#include <bit>
#include <random>

namespace hearth {

uint64_t hash_seed() {
    static const uint64_t seed = [] {
        std::random_device device;
        return uint64_t{device()} << 32 | device();
    }();
    return seed;
}

StringTable::StringTable(size_t count) : slots_(std::bit_ceil(count * 2 + 2)), mask_(slots_.size() - 1) {}

uint32_t StringTable::insert(Keys keys, uint32_t index, uint64_t hash) {
    for (size_t at = hash & mask_;; at = (at + 1) & mask_) {
        Slot& slot = slots_[at];
        if (slot.index == kNone) {
            slot = {uint32_t(hash >> 32), index};
            return kNone;
        }
        if (slot.tag == uint32_t(hash >> 32) && keys[slot.index] == keys[index]) return slot.index;
    }
}

void Trie::insert(std::string_view text, uint32_t value) {
    if (text.empty()) return;
    uint32_t node = 0;
    for (const char c : text) {
        uint32_t next = child(node, uint8_t(c));
        if (next == kNone) {
            if (values_.size() * 2 >= edges_.size()) grow();
            next = uint32_t(values_.size());
            values_.push_back(kNone);
            const uint64_t key = uint64_t{node} << 8 | uint8_t(c);
            size_t at = mix(key ^ seed_, 0x9E3779B97F4A7C15) & mask_;
            while (edges_[at].key != kFree) at = (at + 1) & mask_;
            edges_[at] = {key, next};
        }
        node = next;
    }
    values_[node] = value;
}

void Trie::grow() {
    std::vector<Edge> old(edges_.size() * 2);
    old.swap(edges_);
    mask_ = edges_.size() - 1;
    for (const Edge& edge : old) {
        if (edge.key == kFree) continue;
        size_t at = mix(edge.key ^ seed_, 0x9E3779B97F4A7C15) & mask_;
        while (edges_[at].key != kFree) at = (at + 1) & mask_;
        edges_[at] = edge;
    }
}

}  // namespace hearth
