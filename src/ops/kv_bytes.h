// How much memory cached keys and values take.
#pragma once

#include <cstdint>

#include "ops/step.h"

namespace hearth {

inline constexpr int64_t kKvBlock = 32;  // values that share a scale in the quantised types

// Bytes of `count` (a multiple of 32 for the quantised types) values of one token, scales included.
inline int64_t kv_row_bytes(KvType type, int64_t count) {
    switch (type) {
        case KvType::f32:
            return count * 4;
        case KvType::f16:
            return count * 2;
        case KvType::q8_0:
            return count + count / kKvBlock * 2;
        case KvType::q4_0:
            return count / 2 + count / kKvBlock * 2;
    }
    return 0;
}

}  // namespace hearth
