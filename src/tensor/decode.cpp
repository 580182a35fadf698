// One loop for all formats: find the type's decode_block, run it over the blocks.
#include "tensor/decode.h"

#include <array>
#include <cstring>

#include "tensor/formats/iq1_m.h"
#include "tensor/formats/iq1_s.h"
#include "tensor/formats/iq2_s.h"
#include "tensor/formats/iq2_xs.h"
#include "tensor/formats/iq2_xxs.h"
#include "tensor/formats/iq3_s.h"
#include "tensor/formats/iq3_xxs.h"
#include "tensor/formats/iq4_nl.h"
#include "tensor/formats/iq4_xs.h"
#include "tensor/formats/mxfp4.h"
#include "tensor/formats/nvfp4.h"
#include "tensor/formats/q1_0.h"
#include "tensor/formats/q2_0.h"
#include "tensor/formats/q2_k.h"
#include "tensor/formats/q3_k.h"
#include "tensor/formats/q4_0.h"
#include "tensor/formats/q4_1.h"
#include "tensor/formats/q4_k.h"
#include "tensor/formats/q5_0.h"
#include "tensor/formats/q5_1.h"
#include "tensor/formats/q5_k.h"
#include "tensor/formats/q6_k.h"
#include "tensor/formats/q8_0.h"
#include "tensor/formats/q8_1.h"
#include "tensor/formats/q8_k.h"
#include "tensor/formats/tq1_0.h"
#include "tensor/formats/tq2_0.h"
#include "tensor/half.h"

namespace hearth {

namespace {

using DecodeFn = void (*)(const std::byte* blocks, int64_t count, float* out);

template <class Block>
void decode_blocks(const std::byte* blocks, int64_t count, float* out) {
    static_assert(alignof(Block) == 1, "blocks lie anywhere in a file");
    const auto* block = reinterpret_cast<const Block*>(blocks);
    for (int64_t i = 0; i < count; i += Block::kElements) decode_block(*block++, out + i);
}

template <class Stored, class Convert>
void decode_scalars(const std::byte* values, int64_t count, float* out, Convert convert) {
    for (int64_t i = 0; i < count; ++i) {
        Stored value;
        std::memcpy(&value, values + i * int64_t(sizeof value), sizeof value);
        out[i] = convert(value);
    }
}

template <class Stored>
void decode_numbers(const std::byte* values, int64_t count, float* out) {
    decode_scalars<Stored>(values, count, out, [](Stored value) { return float(value); });
}
void decode_f32(const std::byte* values, int64_t count, float* out) {
    if (count > 0) std::memcpy(out, values, size_t(count) * sizeof(float));
}
void decode_f16(const std::byte* values, int64_t count, float* out) {
    decode_scalars<uint16_t>(values, count, out, [](uint16_t half) { return half_to_float(half); });
}
void decode_bf16(const std::byte* values, int64_t count, float* out) {
    decode_scalars<uint16_t>(values, count, out, bfloat_to_float);
}

constexpr auto kDecoders = [] {
    std::array<DecodeFn, 64> table{};
    const auto put = [&](DType type, DecodeFn decoder) { table[size_t(type)] = decoder; };
    put(DType::f32, decode_f32);
    put(DType::f16, decode_f16);
    put(DType::bf16, decode_bf16);
    put(DType::f64, decode_numbers<double>);
    put(DType::i8, decode_numbers<int8_t>);
    put(DType::i16, decode_numbers<int16_t>);
    put(DType::i32, decode_numbers<int32_t>);
    put(DType::i64, decode_numbers<int64_t>);
    put(DType::q4_0, decode_blocks<BlockQ4_0>);
    put(DType::q4_1, decode_blocks<BlockQ4_1>);
    put(DType::q5_0, decode_blocks<BlockQ5_0>);
    put(DType::q5_1, decode_blocks<BlockQ5_1>);
    put(DType::q8_0, decode_blocks<BlockQ8_0>);
    put(DType::q8_1, decode_blocks<BlockQ8_1>);
    put(DType::q2_k, decode_blocks<BlockQ2_K>);
    put(DType::q3_k, decode_blocks<BlockQ3_K>);
    put(DType::q4_k, decode_blocks<BlockQ4_K>);
    put(DType::q5_k, decode_blocks<BlockQ5_K>);
    put(DType::q6_k, decode_blocks<BlockQ6_K>);
    put(DType::q8_k, decode_blocks<BlockQ8_K>);
    put(DType::iq2_xxs, decode_blocks<BlockIQ2_XXS>);
    put(DType::iq2_xs, decode_blocks<BlockIQ2_XS>);
    put(DType::iq2_s, decode_blocks<BlockIQ2_S>);
    put(DType::iq3_xxs, decode_blocks<BlockIQ3_XXS>);
    put(DType::iq3_s, decode_blocks<BlockIQ3_S>);
    put(DType::iq1_s, decode_blocks<BlockIQ1_S>);
    put(DType::iq1_m, decode_blocks<BlockIQ1_M>);
    put(DType::iq4_nl, decode_blocks<BlockIQ4_NL>);
    put(DType::iq4_xs, decode_blocks<BlockIQ4_XS>);
    put(DType::tq1_0, decode_blocks<BlockTQ1_0>);
    put(DType::tq2_0, decode_blocks<BlockTQ2_0>);
    put(DType::mxfp4, decode_blocks<BlockMXFP4>);
    put(DType::nvfp4, decode_blocks<BlockNVFP4>);
    put(DType::q1_0, decode_blocks<BlockQ1_0>);
    put(DType::q2_0, decode_blocks<BlockQ2_0>);
    return table;
}();

}  // namespace

void decode(DType type, const std::byte* blocks, int64_t count, float* out) {
    kDecoders[size_t(type)](blocks, count, out);
}

}  // namespace hearth
