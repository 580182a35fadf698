#include "tensor/encode.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tensor/formats/q4_0.h"
#include "tensor/formats/q8_0.h"
#include "tensor/formats/q8_1.h"
#include "tensor/formats/q8_k.h"
#include "tensor/half.h"

namespace hearth {

namespace {

constexpr float kLargestHalf = 65504;

float largest_magnitude(const float* values, int count) {
    float largest = 0;
    for (int i = 0; i < count; ++i) largest = std::max(largest, std::fabs(values[i]));
    return largest;
}

// The first value whose magnitude no other exceeds, with its sign.
float signed_extreme(const float* values, int count) {
    float extreme = 0;
    for (int i = 0; i < count; ++i)
        if (std::fabs(values[i]) > std::fabs(extreme)) extreme = values[i];
    return extreme;
}

// Codes within +-127 even where the scale was clamped or the values are not finite (a NaN becomes -127).
int8_t byte_code(float scaled) {
    return int8_t(int(std::fmin(std::fmax(std::rint(scaled), -127.0f), 127.0f)));
}

float eight_bit_codes(const float* values, int8_t* codes) {
    const float scale = std::min(largest_magnitude(values, 32) / 127, kLargestHalf);
    // Below half the smallest f16 the stored scale is 0, and 1 / scale may be infinite.
    if (!(scale > 0x1p-25f)) {
        std::memset(codes, 0, 32);
        return 0;
    }
    const float inverse = 1 / scale;
    for (int i = 0; i < 32; ++i) codes[i] = byte_code(values[i] * inverse);
    return scale;
}

void encode_block(const float* values, BlockQ8_0& block) {
    block.scale = float_to_half(eight_bit_codes(values, block.values));
}

void encode_block(const float* values, BlockQ8_1& block) {
    const float scale = eight_bit_codes(values, block.values);
    int sum = 0;
    for (const int8_t code : block.values) sum += code;
    block.scale = float_to_half(scale);
    block.sum = float_to_half(std::clamp(scale * float(sum), -kLargestHalf, kLargestHalf));
}

void encode_block(const float* values, BlockQ4_0& block) {
    const float scale = std::clamp(signed_extreme(values, 32) / -8, -kLargestHalf, kLargestHalf);
    if (!(std::fabs(scale) > 0x1p-25f)) {
        block.scale = 0;
        std::memset(block.codes, 8 | 8 << 4, sizeof block.codes);
        return;
    }
    block.scale = float_to_half(scale);
    const float inverse = 1 / scale;
    const auto code = [&](float value) { return int(std::fmin(std::fmax(value * inverse + 8.5f, 0.0f), 15.0f)); };
    for (int i = 0; i < 16; ++i) block.codes[i] = uint8_t(code(values[i]) | code(values[i + 16]) << 4);
}

void encode_block(const float* values, BlockQ8_K& block) {
    const float extreme = signed_extreme(values, 256), inverse = -127 / extreme;
    if (extreme == 0 || !std::isfinite(inverse)) {  // zeros, or so small that no float scale is left
        std::memset(&block, 0, sizeof block);
        return;
    }
    for (int i = 0; i < 256; ++i) block.values[i] = byte_code(values[i] * inverse);
    for (int sub = 0; sub < 16; ++sub) {
        int sum = 0;
        for (int i = 0; i < 16; ++i) sum += block.values[16 * sub + i];
        block.sums[sub] = int16_t(sum);
    }
    block.scale = 1 / inverse;
}

template <class Block>
void encode_blocks(const float* values, int64_t count, std::byte* out) {
    auto* block = reinterpret_cast<Block*>(out);
    for (int64_t i = 0; i < count; i += Block::kElements) encode_block(values + i, *block++);
}

template <class Convert>
void encode_words(const float* values, int64_t count, std::byte* out, Convert convert) {
    for (int64_t i = 0; i < count; ++i) {
        const uint16_t word = convert(values[i]);
        std::memcpy(out + 2 * i, &word, 2);
    }
}

}  // namespace

bool can_encode_simple(DType type) {
    using enum DType;
    return type == f32 || type == f16 || type == bf16 || type == q8_0 || type == q4_0 || type == q8_1 || type == q8_k;
}

void encode_simple(DType type, const float* values, int64_t count, std::byte* out) {
    switch (type) {
        case DType::f32:
            if (count > 0) std::memcpy(out, values, size_t(count) * sizeof(float));
            return;
        case DType::f16:
            return encode_words(values, count, out, float_to_half);
        case DType::bf16:
            return encode_words(values, count, out, float_to_bfloat);
        case DType::q8_0:
            return encode_blocks<BlockQ8_0>(values, count, out);
        case DType::q4_0:
            return encode_blocks<BlockQ4_0>(values, count, out);
        case DType::q8_1:
            return encode_blocks<BlockQ8_1>(values, count, out);
        case DType::q8_k:
            return encode_blocks<BlockQ8_K>(values, count, out);
        default:
            return;  // excluded by the precondition
    }
}

}  // namespace hearth
