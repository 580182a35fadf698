// Flat hash tables for load time and hot loops: text -> id over strings owned elsewhere, and byte tries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace hearth {

// Differs from process to process: a file cannot be made to collide on purpose.
uint64_t hash_seed();

inline uint64_t mix(uint64_t a, uint64_t b) {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return uint64_t(product) ^ uint64_t(product >> 64);
}

inline uint64_t hash_bytes(const char* data, size_t size, uint64_t seed) {
    constexpr uint64_t kOdd = 0x9E3779B97F4A7C15, kOther = 0xD6E8FEB86659FD93;
    uint64_t hash = seed ^ (size * kOther);
    const auto read8 = [](const char* at) {
        uint64_t value;
        std::memcpy(&value, at, 8);
        return value;
    };
    const auto read4 = [](const char* at) {
        uint32_t value;
        std::memcpy(&value, at, 4);
        return uint64_t{value};
    };
    if (size > 8) {
        for (size_t at = 0; at + 8 < size; at += 8) hash = mix(hash ^ read8(data + at), kOdd);
        return mix(hash ^ read8(data + size - 8), kOther);
    }
    if (size >= 4) return mix(hash ^ (read4(data) << 32 | read4(data + size - 4)), kOther);
    if (size == 0) return mix(hash, kOther);
    const uint64_t few =
        uint8_t(data[0]) | uint64_t(uint8_t(data[size / 2])) << 8 | uint64_t(uint8_t(data[size - 1])) << 16;
    return mix(hash ^ few, kOther);
}

// Text -> index into an array of views that the caller keeps (and passes in). At most half full, linear probing.
class StringTable {
public:
    static constexpr uint32_t kNone = ~0u;
    using Keys = const std::string_view*;

    explicit StringTable(size_t count = 0);
    uint64_t hash(std::string_view text) const { return hash_bytes(text.data(), text.size(), seed_); }
    void prefetch(uint64_t hash) const { __builtin_prefetch(&slots_[hash & mask_]); }

    // kNone when inserted, else the index that already stands for this text. At most `count` texts.
    uint32_t insert(Keys keys, uint32_t index, uint64_t hash);

    uint32_t find(Keys keys, std::string_view text, uint64_t hash) const {
        for (size_t at = hash & mask_;; at = (at + 1) & mask_) {
            const Slot& slot = slots_[at];
            if (slot.index == kNone) return kNone;
            if (slot.tag == uint32_t(hash >> 32) && keys[slot.index] == text) return slot.index;
        }
    }
    uint32_t find(Keys keys, std::string_view text) const { return find(keys, text, hash(text)); }
    size_t memory_bytes() const { return slots_.size() * sizeof(Slot); }

private:
    struct Slot {
        uint32_t tag = 0;
        uint32_t index = kNone;
    };
    std::vector<Slot> slots_;
    size_t mask_ = 0;
    uint64_t seed_ = hash_seed();
};

// Byte trie whose edges live in one hash table.
class Trie {
public:
    static constexpr uint32_t kNone = ~0u;

    // Replaces the value of a text that is there already. Empty texts are ignored.
    void insert(std::string_view text, uint32_t value);
    bool empty() const { return values_.size() == 1; }

    uint32_t child(uint32_t node, uint8_t byte) const {
        const uint64_t key = uint64_t{node} << 8 | byte;
        for (size_t at = mix(key ^ seed_, 0x9E3779B97F4A7C15) & mask_;; at = (at + 1) & mask_) {
            if (edges_[at].key == key) return edges_[at].child;
            if (edges_[at].key == kFree) return kNone;
        }
    }
    uint32_t value(uint32_t node) const { return values_[node]; }

    // Calls visit(length, value) for every stored text that `text` begins with, shortest first.
    template <class Visit>
    void prefixes(std::string_view text, Visit visit) const {
        uint32_t node = 0;
        for (size_t at = 0; at < text.size(); ++at) {
            node = child(node, uint8_t(text[at]));
            if (node == kNone) return;
            if (values_[node] != kNone) visit(at + 1, values_[node]);
        }
    }
    size_t memory_bytes() const { return edges_.size() * sizeof(Edge) + values_.size() * 4; }

private:
    static constexpr uint64_t kFree = ~uint64_t{0};
    struct Edge {
        uint64_t key = kFree;
        uint32_t child = 0;
    };
    void grow();
    std::vector<Edge> edges_ = std::vector<Edge>(64);
    size_t mask_ = 63;
    std::vector<uint32_t> values_{kNone};  // of node 0, the root
    uint64_t seed_ = hash_seed();
};

}  // namespace hearth
