#include "backends/kv_page.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tensor/half.h"

namespace hearth {

namespace {
constexpr float kLargestHalf = 65504;

// A row of one token inside a tile: element w lies at code index w * step + first, its block's scale at (w / 32) * step
// + first_scale. For keys tokens are the fast index (step 64), for values the width is (step 1).
struct Row {
    std::byte* codes;
    std::byte* scales;
    int64_t first, first_scale, step;
};

Row row_in(std::byte* tile, KvType type, int64_t width, int64_t token, bool is_key) {
    std::byte* scales = tile + kPageTokens * kv_code_bytes(type, width);
    if (is_key) return {tile, scales, token, token, kPageTokens};
    const int64_t codes_per_row = type == KvType::q4_0 ? width / 2 : width;
    return {tile, scales, token * codes_per_row, token * (width / kKvBlock), 1};
}

template <class T>
void store(std::byte* base, int64_t index, T value) {
    std::memcpy(base + index * int64_t(sizeof(T)), &value, sizeof(T));
}
template <class T>
T fetch(const std::byte* base, int64_t index) {
    T value;
    std::memcpy(&value, base + index * int64_t(sizeof(T)), sizeof(T));
    return value;
}

// Nearest integer to value / scale within [low, high]; a NaN becomes 0.
int nearest(float value, float scale, int low, int high) {
    const float quotient = value / scale;
    if (!(quotient == quotient)) return 0;
    return int(std::nearbyint(std::clamp(quotient, float(low), float(high))));
}

void put(const Row& row, KvType type, int64_t width, const float* values) {
    switch (type) {
        case KvType::f32:
            for (int64_t w = 0; w < width; ++w) store(row.codes, row.first + w * row.step, values[w]);
            return;
        case KvType::f16:
            for (int64_t w = 0; w < width; ++w) store(row.codes, row.first + w * row.step, float_to_half(values[w]));
            return;
        case KvType::q8_0:
            for (int64_t block = 0; block < width / kKvBlock; ++block) {
                int8_t codes[kKvBlock];
                store(row.scales, row.first_scale + block * row.step,
                      encode_kv_block_q8(values + block * kKvBlock, codes));
                for (int64_t i = 0; i < kKvBlock; ++i)
                    store(row.codes, row.first + (block * kKvBlock + i) * row.step, codes[i]);
            }
            return;
        case KvType::q4_0:
            for (int64_t block = 0; block < width / kKvBlock; ++block) {
                uint8_t codes[kKvBlock];
                store(row.scales, row.first_scale + block * row.step,
                      encode_kv_block_q4(values + block * kKvBlock, codes));
                for (int64_t i = 0; i < kKvBlock; i += 2)
                    store(row.codes, row.first + (block * kKvBlock + i) / 2 * row.step,
                          uint8_t(codes[i] | codes[i + 1] << 4));
            }
            return;
    }
}

void get(const Row& row, KvType type, int64_t width, float* values) {
    switch (type) {
        case KvType::f32:
            for (int64_t w = 0; w < width; ++w) values[w] = fetch<float>(row.codes, row.first + w * row.step);
            return;
        case KvType::f16:
            for (int64_t w = 0; w < width; ++w)
                values[w] = half_to_float(fetch<uint16_t>(row.codes, row.first + w * row.step));
            return;
        case KvType::q8_0:
        case KvType::q4_0:
            for (int64_t w = 0; w < width; ++w) {
                const float scale =
                    half_to_float(fetch<uint16_t>(row.scales, row.first_scale + w / kKvBlock * row.step));
                int code;
                if (type == KvType::q8_0) {
                    code = fetch<int8_t>(row.codes, row.first + w * row.step);
                } else {
                    const int pair = fetch<uint8_t>(row.codes, row.first + w / 2 * row.step);
                    code = (w % 2 ? pair >> 4 : pair & 15) - 8;
                }
                values[w] = float(code) * scale;
            }
            return;
    }
}
}  // namespace

const char* name_of(KvType type) {
    switch (type) {
        case KvType::f32:
            return "f32";
        case KvType::f16:
            return "f16";
        case KvType::q8_0:
            return "q8_0";
        case KvType::q4_0:
            return "q4_0";
    }
    return "?";
}

Result<> check_kv(const KvGeometry& geometry, KvType type) {
    if (type == KvType::f32 || type == KvType::f16) return {};
    for (const int64_t width : {geometry.key_width, geometry.value_width})
        if (width % kKvBlock != 0)
            return fail(ErrorKind::unsupported,
                        fmt::format("a {} KV cache needs head widths that are multiples of {}, this model has {}",
                                    name_of(type), kKvBlock, width),
                        "use --kv f16");
    return {};
}

uint16_t encode_kv_block_q8(const float* values, int8_t* codes) {
    float largest = 0;
    for (int64_t i = 0; i < kKvBlock; ++i)
        largest = std::max(largest, std::fabs(values[i]));  // std::max drops a NaN here
    const uint16_t stored = float_to_half(std::min(largest / 127, kLargestHalf));
    const float scale = half_to_float(stored);
    for (int64_t i = 0; i < kKvBlock; ++i)
        codes[i] = scale == 0 ? int8_t(0) : int8_t(nearest(values[i], scale, -127, 127));
    return stored;
}

uint16_t encode_kv_block_q4(const float* values, uint8_t* codes) {
    float extreme =
        0;  // the value of largest magnitude, the first of equals; it gets code 0, the one without a counterpart
    for (int64_t i = 0; i < kKvBlock; ++i)
        if (std::fabs(values[i]) > std::fabs(extreme)) extreme = values[i];
    const uint16_t stored = float_to_half(std::clamp(extreme / -8, -kLargestHalf, kLargestHalf));
    const float scale = half_to_float(stored);
    for (int64_t i = 0; i < kKvBlock; ++i)
        codes[i] = scale == 0 ? uint8_t(8) : uint8_t(nearest(values[i], scale, -8, 7) + 8);
    return stored;
}

void put_key(const KvLayer& layer, std::byte* page, int64_t head, int64_t token, const float* key) {
    const auto& g = layer.geometry;
    put(row_in(page + key_tile(g, layer.type, head), layer.type, g.key_width, token, true), layer.type, g.key_width,
        key);
}

void put_value(const KvLayer& layer, std::byte* page, int64_t head, int64_t token, const float* value) {
    const auto& g = layer.geometry;
    put(row_in(page + value_tile(g, layer.type, head), layer.type, g.value_width, token, false), layer.type,
        g.value_width, value);
}

void get_key(const KvLayer& layer, const std::byte* page, int64_t head, int64_t token, float* key) {
    const auto& g = layer.geometry;
    std::byte* tile = const_cast<std::byte*>(page) + key_tile(g, layer.type, head);
    get(row_in(tile, layer.type, g.key_width, token, true), layer.type, g.key_width, key);
}

void get_value(const KvLayer& layer, const std::byte* page, int64_t head, int64_t token, float* value) {
    const auto& g = layer.geometry;
    std::byte* tile = const_cast<std::byte*>(page) + value_tile(g, layer.type, head);
    get(row_in(tile, layer.type, g.value_width, token, false), layer.type, g.value_width, value);
}

}  // namespace hearth
