// Random blocks of every weight type, written directly: nothing is quantised. All bits of a block are random except the
// scales, which are set so that the decoded weights have mean 0 and the wanted deviation.
#include "library/fills.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <mutex>
#include <vector>

#include "base/rng.h"
#include "tensor/decode.h"
#include "tensor/half.h"

namespace hearth {
namespace {

constexpr int64_t kPieceBytes = 1 << 20;

uint64_t piece_seed(std::string_view name, uint64_t seed, int64_t piece) {
    uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a over the name
    for (unsigned char c : name) hash = (hash ^ c) * 0x100000001B3u;
    uint64_t state = hash ^ (seed * 0x9E3779B97F4A7C15u);
    splitmix64(state);
    state += uint64_t(piece) * 0xD1B54A32D192ED03u;
    return splitmix64(state);
}

void random_bytes(Rng& rng, std::span<std::byte> out) {
    size_t at = 0;
    for (; at + 8 <= out.size(); at += 8) {
        const uint64_t word = rng.next();
        std::memcpy(out.data() + at, &word, 8);
    }
    if (const uint64_t word = rng.next(); at < out.size()) std::memcpy(out.data() + at, &word, out.size() - at);
}

// Half-precision scales between 0.8 and 1.2 of the wanted one; a random byte picks one. The two tables have equal
// picks, so that an offset stays in proportion to its scale.
struct ScaleTable {
    std::array<uint16_t, 256> scale, offset;

    ScaleTable(double wanted, bool either_sign, double offset_factor) {
        for (size_t i = 0; i < 256; ++i) {
            const double value = wanted * (0.8 + 0.4 * double(i) / 255) * (either_sign && i % 2 == 0 ? -1 : 1);
            scale[i] = float_to_half(float(value));
            offset[i] = float_to_half(float(value * offset_factor));
        }
    }
};

// How a block type is made safe and centred. `scale` is what stands in the scale field on average.
struct Recipe {
    int64_t scale_at = -1;     // byte offset of a half-precision scale
    int64_t offset_at = -1;    // byte offset of a half-precision minimum or offset
    double offset_factor = 0;  // offset / scale that makes the mean 0
    bool either_sign = false;  // the codes lean to one side: half of the scales are negative
    void (*adjust)(uint8_t* block) = nullptr;
};

// Sub-scales 32..63, minimum equal to scale; six bits each, packed as Q4_K and Q5_K do.
void equal_six_bit_scales(uint8_t* packed) {
    for (int i = 0; i < 4; ++i) {
        const uint8_t low = (packed[i] & 31) | 32, high = (packed[4 + i] & 31) | 32;
        packed[i] = packed[4 + i] = uint8_t(low | high >> 4 << 6);
        packed[8 + i] = uint8_t((high & 15) | (high & 15) << 4);
    }
}

void adjust_q8_0(uint8_t* b) {
    for (int i = 2; i < 34; ++i) b[i] = b[i] == 0x80 ? uint8_t(0) : b[i];  // quantisers never write -128
}

void adjust_q2_k(uint8_t* b) {  // scale nibbles 8..15, minimum equal to scale
    for (int i = 0; i < 16; ++i) {
        const uint8_t nibble = (b[i] & 7) | 8;
        b[i] = uint8_t(nibble | nibble << 4);
    }
}

void adjust_q6_k(uint8_t* b) {  // sixteen signed sub-scales of magnitude 64..127
    for (int i = 192; i < 208; ++i) {
        const int magnitude = (b[i] & 63) | 64;
        b[i] = uint8_t(b[i] & 128 ? 256 - magnitude : magnitude);
    }
}

void adjust_tq2_0(uint8_t* b) {  // three states: the fourth code becomes the middle one
    for (int i = 0; i < 64; ++i) b[i] = uint8_t(b[i] & ~(((b[i] >> 1) & b[i] & 0x55) << 1));
}

void adjust_tq1_0(uint8_t* b) {  // 243 of 256 byte values stand for five trits (81 for four)
    for (int i = 0; i < 48; ++i) b[i] = uint8_t((b[i] * 243 / 256 * 256 + 242) / 243);
    for (int i = 48; i < 52; ++i) b[i] = uint8_t((b[i] * 81 / 256 * 3 * 256 + 242) / 243);
}

Recipe recipe_of(DType type) {
    using enum DType;
    switch (type) {
        case q4_0:
        case q5_0:
        case iq4_nl:
        case q1_0:
        case q2_0:
            return {.scale_at = 0, .either_sign = true};
        case q4_1:
            return {.scale_at = 0, .offset_at = 2, .offset_factor = -7.5};
        case q5_1:
            return {.scale_at = 0, .offset_at = 2, .offset_factor = -15.5};
        case q8_0:
            return {.scale_at = 0, .adjust = adjust_q8_0};
        case q2_k:
            return {.scale_at = 80, .offset_at = 82, .offset_factor = 1.5, .adjust = adjust_q2_k};
        case q3_k:
            return {.scale_at = 108, .either_sign = true};
        case q4_k:
            return {.scale_at = 0, .offset_at = 2, .offset_factor = 7.5, .adjust = [](uint8_t* b) {
                        equal_six_bit_scales(b + 4);
                    }};
        case q5_k:
            return {.scale_at = 0, .offset_at = 2, .offset_factor = 15.5, .adjust = [](uint8_t* b) {
                        equal_six_bit_scales(b + 4);
                    }};
        case q6_k:
            return {.scale_at = 208, .adjust = adjust_q6_k};
        case iq4_xs:
        case iq2_xxs:
        case iq2_xs:
        case iq2_s:
        case iq3_xxs:
        case iq3_s:
        case iq1_s:
            return {.scale_at = 0, .either_sign = true};
        case tq1_0:
            return {.scale_at = 52, .either_sign = true, .adjust = adjust_tq1_0};
        case tq2_0:
            return {.scale_at = 64, .either_sign = true, .adjust = adjust_tq2_0};
        default:
            return {};
    }
}

// IQ1_M spreads its scale over the top nibbles of four words.
void iq1_m_blocks(uint8_t* blocks, int64_t count, double scale) {
    const ScaleTable table(scale, true, 0);
    for (uint8_t* b = blocks; b < blocks + count * 56; b += 56) {
        const uint16_t half = table.scale[b[49]];
        for (int k = 0; k < 4; ++k) b[49 + 2 * k] = uint8_t((b[49 + 2 * k] & 15) | (half >> (4 * k) & 15) << 4);
    }
}

// Scales of few values: mixing the two neighbours of the wanted one in this share makes the mean square right. Of 256
// picks, so many take the upper one.
int picks_of_upper(double wanted, double lower, double upper) {
    const double share = (wanted * wanted - lower * lower) / (upper * upper - lower * lower);
    return int(std::lround(256 * std::clamp(share, 0.0, 1.0)));
}

void mxfp4_blocks(uint8_t* blocks, int64_t count, double scale) {
    const int exponent = int(std::floor(std::log2(scale)));
    const int upper = picks_of_upper(scale, std::ldexp(1.0, exponent), std::ldexp(1.0, exponent + 1));
    for (uint8_t* b = blocks; b < blocks + count * 17; b += 17) b[0] = uint8_t(exponent + 127 + (b[0] < upper));
}

double ue4m3(int code) {
    return code < 8 ? code * 0x1p-9 : std::ldexp(1 + (code & 7) / 8.0, (code >> 3) - 7);
}

void nvfp4_blocks(uint8_t* blocks, int64_t count, double scale) {
    int code = 1;  // 0x7F means zero, 0x7E is the largest
    while (code < 0x7D && ue4m3(code + 1) <= scale) ++code;
    const int upper = picks_of_upper(scale, ue4m3(code), ue4m3(code + 1));
    for (uint8_t* b = blocks; b < blocks + count * 36; b += 36)
        for (int i = 0; i < 4; ++i) b[i] = uint8_t(code + (b[i] < upper));
}

// Turns random bytes into blocks. `scale` has the meaning of the type's scale field.
void make_blocks(DType type, std::span<std::byte> bytes, double scale) {
    uint8_t* const first = reinterpret_cast<uint8_t*>(bytes.data());
    const int64_t size = info(type).block_bytes, count = int64_t(bytes.size()) / size;
    if (type == DType::iq1_m) return iq1_m_blocks(first, count, scale);
    if (type == DType::mxfp4) return mxfp4_blocks(first, count, scale);
    if (type == DType::nvfp4) return nvfp4_blocks(first, count, scale);
    const Recipe recipe = recipe_of(type);
    const ScaleTable table(scale, recipe.either_sign, recipe.offset_factor);
    for (uint8_t* b = first; b < first + count * size; b += size) {
        const uint8_t pick = b[recipe.scale_at];
        std::memcpy(b + recipe.scale_at, &table.scale[pick], 2);
        if (recipe.offset_at >= 0) std::memcpy(b + recipe.offset_at, &table.offset[pick], 2);
        if (recipe.adjust) recipe.adjust(b);
    }
}

// Root mean square of the weights when the scale field is 1 on average, measured once per type on decoded random
// blocks.
double weights_per_scale(DType type) {
    static std::mutex mutex;
    static std::array<double, 64> known{};
    const std::lock_guard lock(mutex);
    double& rms = known[size_t(type) % known.size()];
    if (rms == 0) {
        // 65536 weights: their mean square is within about 1 % of the true one.
        const int64_t blocks = 65536 / info(type).block_elements;
        std::vector<std::byte> bytes(size_t(blocks * info(type).block_bytes));
        Rng rng(20);
        random_bytes(rng, bytes);
        make_blocks(type, bytes, 1.0);
        std::vector<float> weights(65536);
        decode(type, bytes.data(), 65536, weights.data());
        double sum = 0;
        for (float weight : weights) sum += double(weight) * weight;
        rms = std::sqrt(sum / double(weights.size()));
    }
    return rms;
}

// 65536 normally distributed numbers; large matrices draw from them.
const std::vector<float>& normal_table() {
    static const std::vector<float> table = [] {
        std::vector<float> numbers(1 << 16);
        Rng rng(21);
        for (float& number : numbers) number = rng.normal();
        return numbers;
    }();
    return table;
}

template <class T, class Convert>
void draw_from_table(Rng& rng, double deviation, std::span<std::byte> out, Convert convert) {
    std::vector<T> table;
    table.reserve(normal_table().size());
    for (float number : normal_table()) table.push_back(convert(float(deviation) * number));
    const size_t count = out.size() / sizeof(T);
    for (size_t i = 0; i < count;) {
        const uint64_t word = rng.next();
        for (int k = 0; k < 4 && i < count; ++k, ++i)
            std::memcpy(out.data() + i * sizeof(T), &table[word >> (16 * k) & 0xFFFF], sizeof(T));
    }
}

float draw_small(const Fill& fill, Rng& rng) {
    const auto log_uniform = [&] { return std::exp(std::log(fill.a) + rng.uniform() * std::log(fill.b / fill.a)); };
    switch (fill.kind) {
        case Fill::Kind::around:
            return float(fill.a + fill.b * rng.normal());
        case Fill::Kind::between:
            return float(fill.a + (fill.b - fill.a) * rng.uniform());
        case Fill::Kind::signs:
            return rng.next() >> 63 ? 1.0f : -1.0f;
        case Fill::Kind::decay:
            return float(-log_uniform());
        case Fill::Kind::step_bias: {
            const double step = log_uniform();
            return float(step + std::log(-std::expm1(-step)));
        }
        default:
            return float(fill.a * rng.normal());
    }
}

}  // namespace

int64_t piece_bytes(DType type) {
    return kPieceBytes / info(type).block_bytes * info(type).block_bytes;
}

void fill_piece(const Fill& fill, DType type, std::string_view name, uint64_t seed, int64_t piece,
                std::span<std::byte> out) {
    Rng rng(piece_seed(name, seed, piece));
    if (fill.kind == Fill::Kind::listed) {
        std::memcpy(out.data(), reinterpret_cast<const std::byte*>(fill.values.data()) + piece * piece_bytes(type),
                    out.size());
    } else if (fill.kind != Fill::Kind::matrix) {
        for (size_t at = 0; at + 4 <= out.size(); at += 4) {
            const float value = draw_small(fill, rng);
            std::memcpy(out.data() + at, &value, 4);
        }
    } else if (type == DType::f32) {
        draw_from_table<float>(rng, fill.a, out, [](float value) { return value; });
    } else if (type == DType::f16) {
        draw_from_table<uint16_t>(rng, fill.a, out, float_to_half);
    } else if (type == DType::bf16) {
        draw_from_table<uint16_t>(rng, fill.a, out, float_to_bfloat);
    } else {
        random_bytes(rng, out);
        make_blocks(type, out, fill.a / weights_per_scale(type));
    }
}

}  // namespace hearth
