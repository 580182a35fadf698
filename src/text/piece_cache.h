// Remembers the ids of short pieces: natural text repeats its words. One table per thread, shared by all tokenizers of
// the process, so no locks; it only ever holds what encoding would have computed anyway.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "text/string_table.h"

namespace hearth {

class PieceCache {
public:
    static constexpr size_t kLongestText = 30;
    static constexpr size_t kMostIds = 7;

    // A number no other encoder has, for `owner`.
    static uint32_t new_owner() {
        static std::atomic<uint32_t> last{0};
        return ++last;
    }

    struct Entry {
        uint32_t owner = 0;
        uint8_t length = 0, count = 0;
        char text[kLongestText];
        int32_t ids[kMostIds];
    };
    static_assert(sizeof(Entry) == 64);

    // The place where `text` (at most kLongestText bytes) is or would be.
    static Entry& entry(std::string_view text, uint32_t owner) {
        thread_local PieceCache cache;
        const uint64_t hash = hash_bytes(text.data(), text.size(), owner * 0x9E3779B97F4A7C15u);
        return cache.entries_[hash >> 50];
    }
    static bool holds(const Entry& entry, std::string_view text, uint32_t owner) {
        return entry.owner == owner && entry.length == text.size() &&
               std::memcmp(entry.text, text.data(), text.size()) == 0;
    }
    static void store(Entry& entry, std::string_view text, uint32_t owner, const int32_t* ids, size_t count) {
        if (count > kMostIds) return;
        entry.owner = owner;
        entry.length = uint8_t(text.size());
        entry.count = uint8_t(count);
        std::memcpy(entry.text, text.data(), text.size());
        std::copy_n(ids, count, entry.ids);
    }

private:
    static constexpr size_t kEntries = 1 << 14;
    std::unique_ptr<Entry[]> entries_{new Entry[kEntries]};
};

}  // namespace hearth
