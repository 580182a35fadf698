// The tensor types a GGUF file may hold: names, ids, block sizes. Each format's byte layout is in formats/<name>.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace hearth {

// Values are the ids in GGUF files.
enum class DType : uint32_t {
    f32 = 0,
    f16 = 1,
    q4_0 = 2,
    q4_1 = 3,
    q5_0 = 6,
    q5_1 = 7,
    q8_0 = 8,
    q8_1 = 9,
    q2_k = 10,
    q3_k = 11,
    q4_k = 12,
    q5_k = 13,
    q6_k = 14,
    q8_k = 15,
    iq2_xxs = 16,
    iq2_xs = 17,
    iq3_xxs = 18,
    iq1_s = 19,
    iq4_nl = 20,
    iq3_s = 21,
    iq2_s = 22,
    iq4_xs = 23,
    i8 = 24,
    i16 = 25,
    i32 = 26,
    i64 = 27,
    f64 = 28,
    iq1_m = 29,
    bf16 = 30,
    tq1_0 = 34,
    tq2_0 = 35,
    mxfp4 = 39,
    nvfp4 = 40,
    q1_0 = 41,
    q2_0 = 42,
};

struct DTypeInfo {
    DType type;
    std::string_view name;   // lower case, as people type it: "q4_k"
    int64_t block_elements;  // consecutive elements of a row that share one block
    int64_t block_bytes;
    bool is_weight;  // a matrix of this type can be multiplied with (the rest: integers, work formats)
};

std::span<const DTypeInfo> dtypes();
const DTypeInfo* find_dtype(uint32_t gguf_id);       // nullptr: unknown or retired
const DTypeInfo* find_dtype(std::string_view name);  // any case
const DTypeInfo& info(DType type);
bool is_retired_dtype(uint32_t gguf_id);  // ids once used by formats nobody writes any more
inline std::string_view name_of(DType type) {
    return info(type).name;
}

// Bytes of a row of `elements` values. Precondition: a multiple of the block.
inline int64_t row_bytes(DType type, int64_t elements) {
    return elements / info(type).block_elements * info(type).block_bytes;
}

}  // namespace hearth
