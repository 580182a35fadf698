#include "huggingface/quantisers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tensor/half.h"

namespace hearth::test {
namespace {

float rounded(float value, const std::string& type) {
    if (type == "BF16") return bfloat_to_float(float_to_bfloat(value));
    if (type == "F16") return half_to_float(float_to_half(value));
    return value;
}

// The number of a code of 8 bits; NaN and infinities are left out by whoever asks.
double number_of(const std::string& type, int code) {
    if (type == "I8") return code < 128 ? code : code - 256;
    const int fraction_bits = type == "F8_E5M2" ? 2 : 3, bias = type == "F8_E5M2" ? 15 : 7;
    const int exponent = (code & 127) >> fraction_bits, fraction = code & ((1 << fraction_bits) - 1);
    const double magnitude = exponent == 0
                                 ? std::ldexp(fraction, 1 - bias - fraction_bits)
                                 : std::ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
    return code & 128 ? -magnitude : magnitude;
}
bool is_number(const std::string& type, int code) {
    return type == "I8" || (type == "F8_E5M2" ? (code & 0x7C) != 0x7C : (code & 0x7F) != 0x7F);
}

// The codes in order of their numbers, to find the nearest.
class Codes {
public:
    explicit Codes(const std::string& type) {
        for (int code = 0; code < 256; ++code)
            if (is_number(type, code)) sorted_.emplace_back(number_of(type, code), code);
        std::ranges::sort(sorted_);
    }
    std::pair<double, int> nearest(double value) const {
        auto above = std::ranges::lower_bound(sorted_, std::pair(value, -1));
        if (above == sorted_.end()) return sorted_.back();
        if (above == sorted_.begin()) return *above;
        return value - (above - 1)->first < above->first - value ? *(above - 1) : *above;
    }
    double largest() const { return sorted_.back().first; }

private:
    std::vector<std::pair<double, int>> sorted_;
};

int64_t up(int64_t value, int64_t unit) {
    return (value + unit - 1) / unit;
}

void put_bits(std::vector<uint32_t>& words, int64_t first_bit, int64_t bits, uint32_t code, int64_t stride,
              int64_t offset) {
    for (int64_t b = 0; b < bits; ++b) {
        const int64_t bit = first_bit + b;
        words[size_t(bit / 32 * stride + offset)] |= (code >> b & 1) << (bit % 32);
    }
}

// Integers of a matrix [out, in] with a scale and a zero point for each row and group of columns.
struct Integers {
    int64_t out, in, groups;
    std::vector<int32_t> group_of;  // of each column
    std::vector<float> scales;      // [out][groups]
    std::vector<int32_t> zeros, codes;
    Given numbers;
};

Integers integers_of(const Given& w, int64_t bits, const Groups& rule, int32_t lowest_zero) {
    Integers q{.out = w.shape[0],
               .in = w.shape[1],
               .groups = 1,
               .group_of = {},
               .scales = {},
               .zeros = {},
               .codes = {},
               .numbers = w};
    const int64_t size = rule.size ? rule.size : q.in;
    q.groups = up(q.in, size);
    for (int64_t i = 0; i < q.in; ++i)  // the order of activations is any permutation: here one by a stride
        q.group_of.push_back(int32_t((rule.order == Order::plain ? i : i * 37 % q.in) / size));
    q.scales.resize(size_t(q.out * q.groups));
    q.zeros.resize(q.scales.size());
    q.codes.resize(size_t(q.out * q.in));
    const int32_t most = (1 << bits) - 1, middle = 1 << (bits - 1);
    for (int64_t o = 0; o < q.out; ++o)
        for (int64_t g = 0; g < q.groups; ++g) {
            float low = 0, high = 0;
            for (int64_t i = 0; i < q.in; ++i)
                if (q.group_of[size_t(i)] == g) {
                    low = std::min(low, w.values[size_t(o * q.in + i)]);
                    high = std::max(high, w.values[size_t(o * q.in + i)]);
                }
            const float span =
                rule.has_zeros ? (high - low) / float(most) : std::max(-low / float(middle), high / float(middle - 1));
            const float scale = rounded(span > 0 ? span : 1, rule.scales);
            const int32_t zero =
                rule.has_zeros ? std::clamp(int32_t(std::lround(-low / scale)), lowest_zero, most) : middle;
            const auto at = size_t(o * q.groups + g);
            q.scales[at] = scale, q.zeros[at] = zero;
            for (int64_t i = 0; i < q.in; ++i)
                if (q.group_of[size_t(i)] == g) {
                    const auto cell = size_t(o * q.in + i);
                    const int32_t code = std::clamp(int32_t(std::lround(w.values[cell] / scale)) + zero, 0, most);
                    q.codes[cell] = code;
                    q.numbers.values[cell] = float(code - zero) * scale;
                }
        }
    return q;
}

// [out][groups] -> [groups][out]
template <class T>
std::vector<T> turned(const std::vector<T>& values, int64_t out, int64_t groups) {
    std::vector<T> turned;
    for (int64_t g = 0; g < groups; ++g)
        for (int64_t o = 0; o < out; ++o) turned.push_back(values[size_t(o * groups + g)]);
    return turned;
}

std::vector<int64_t> with_last(std::vector<int64_t> shape, int64_t size) {
    shape.back() = size;
    return shape;
}

std::string stem(const std::string& name) {
    EXPECT_TRUE(name.ends_with(".weight")) << name;
    return name.substr(0, name.size() - 7);
}

}  // namespace

Quantiser bytes_with_scales(const std::string& type, const std::string& suffix, Cells cells,
                            const std::string& scales) {
    return [=](Published& to, const std::string& name, const Given& w) {
        const Codes codes(type);
        const int64_t rows = w.shape[w.shape.size() - 2], columns = w.shape.back();
        const int64_t high = cells.rows ? cells.rows : rows, wide = cells.columns ? cells.columns : columns;
        const int64_t down = up(rows, high), across = up(columns, wide), matrices = w.rows() / rows;
        std::vector<float> largest(size_t(matrices * down * across)), scale;
        const auto cell = [&](int64_t row, int64_t column) {
            return size_t((row / rows * down + row % rows / high) * across + column / wide);
        };
        for (int64_t row = 0; row < w.rows(); ++row)
            for (int64_t column = 0; column < columns; ++column) {
                float& most = largest[cell(row, column)];
                most = std::max(most, std::abs(w.values[size_t(row * columns + column)]));
            }
        for (const float most : largest) scale.push_back(rounded(most > 0 ? float(most / codes.largest()) : 1, scales));
        Stored stored{w, scales == "F16" ? "F16" : "BF16"};
        std::string bytes;
        for (int64_t row = 0; row < w.rows(); ++row)
            for (int64_t column = 0; column < columns; ++column) {
                float& value = stored.numbers.values[size_t(row * columns + column)];
                const float own = scale[cell(row, column)];
                const auto [number, code] = codes.nearest(value / own);
                bytes += char(code);
                value = float(number) * own;
            }
        to.add_raw(name, type, w.shape, bytes);
        std::vector<int64_t> shape(w.shape.begin(), w.shape.end() - 2);
        shape.push_back(down);
        shape.push_back(across);
        while (cells.is_flat && !shape.empty() && shape.back() == 1) shape.pop_back();
        to.add(suffix.starts_with('.') ? stem(name) + suffix : name + suffix, shape, scale, scales);
        return stored;
    };
}

Quantiser bytes_with_zeros(Cells cells) {
    return [=](Published& to, const std::string& name, const Given& w) {
        Integers q = integers_of(w, 8, {.size = cells.columns, .has_zeros = true, .scales = "F32"}, 0);
        std::vector<int8_t> codes, zeros;
        for (const int32_t code : q.codes) codes.push_back(int8_t(code - 128));
        for (const int32_t zero : q.zeros) zeros.push_back(int8_t(zero - 128));
        to.add_raw(name, "I8", w.shape, bytes_of(codes));
        to.add_raw(name + "_zero_point", "I8", {q.out, q.groups}, bytes_of(zeros));
        to.add(name + "_scale", {q.out, q.groups}, q.scales);
        return Stored{q.numbers};
    };
}

Quantiser packed_integers(int64_t bits, const Groups& groups) {
    return [=](Published& to, const std::string& name, const Given& w) {
        const Integers q = integers_of(w, bits, groups, 0);
        const int64_t words = up(q.in * bits, 32);
        std::vector<uint32_t> codes(size_t(q.out * words));
        for (int64_t o = 0; o < q.out; ++o)
            for (int64_t i = 0; i < q.in; ++i)
                put_bits(codes, i * bits, bits, uint32_t(q.codes[size_t(o * q.in + i)]), 1, o * words);
        to.add_raw(name + "_packed", "I32", {q.out, words}, bytes_of(codes));
        to.add_raw(name + "_shape", "I64", {2}, bytes_of(std::vector<int64_t>{q.out, q.in}));
        to.add(name + "_scale", {q.out, q.groups}, q.scales, groups.scales);
        if (groups.has_zeros) {
            std::vector<uint32_t> zeros(size_t(up(q.out * bits, 32) * q.groups));
            for (int64_t o = 0; o < q.out; ++o)
                for (int64_t g = 0; g < q.groups; ++g)
                    put_bits(zeros, o * bits, bits, uint32_t(q.zeros[size_t(o * q.groups + g)]), q.groups, g);
            to.add_raw(name + "_zero_point", "I32", {up(q.out * bits, 32), q.groups}, bytes_of(zeros));
        }
        if (groups.order == Order::by_activation) to.add_raw(name + "_g_idx", "I32", {q.in}, bytes_of(q.group_of));
        return Stored{q.numbers, groups.scales == "F16" ? "F16" : "BF16"};
    };
}

Quantiser gptq(int64_t bits, const Groups& groups, bool is_first_version) {
    return [=](Published& to, const std::string& name, const Given& w) {
        const Integers q = integers_of(w, bits, groups, is_first_version ? 1 : 0);
        std::vector<uint32_t> codes(size_t(q.in * bits / 32 * q.out)), zeros(size_t(q.groups * (q.out * bits / 32)));
        for (int64_t o = 0; o < q.out; ++o)
            for (int64_t i = 0; i < q.in; ++i)
                put_bits(codes, i * bits, bits, uint32_t(q.codes[size_t(o * q.in + i)]), q.out, o);
        for (int64_t g = 0; g < q.groups; ++g)
            for (int64_t o = 0; o < q.out; ++o)
                put_bits(zeros, o * bits, bits, uint32_t(q.zeros[size_t(o * q.groups + g)] - is_first_version), 1,
                         g * (q.out * bits / 32));
        const std::string at = stem(name);
        to.add_raw(at + ".qweight", "I32", {q.in * bits / 32, q.out}, bytes_of(codes));
        to.add_raw(at + ".qzeros", "I32", {q.groups, q.out * bits / 32}, bytes_of(zeros));
        to.add(at + ".scales", {q.groups, q.out}, turned(q.scales, q.out, q.groups), groups.scales);
        if (groups.order == Order::by_activation) to.add_raw(at + ".g_idx", "I32", {q.in}, bytes_of(q.group_of));
        return Stored{q.numbers, groups.scales == "F16" ? "F16" : "BF16"};
    };
}

Quantiser awq(const Groups& groups) {
    return [=](Published& to, const std::string& name, const Given& w) {
        constexpr int64_t kOrder[] = {0, 2, 4, 6, 1, 3, 5, 7};
        const Integers q = integers_of(w, 4, groups, 0);
        const int64_t words = q.out / 8;
        std::vector<uint32_t> codes(size_t(q.in * words)), zeros(size_t(q.groups * words));
        for (int64_t word = 0; word < words; ++word)
            for (int64_t k = 0; k < 8; ++k) {
                const int64_t o = 8 * word + kOrder[k];
                for (int64_t i = 0; i < q.in; ++i)
                    codes[size_t(i * words + word)] |= uint32_t(q.codes[size_t(o * q.in + i)]) << (4 * k);
                for (int64_t g = 0; g < q.groups; ++g)
                    zeros[size_t(g * words + word)] |= uint32_t(q.zeros[size_t(o * q.groups + g)]) << (4 * k);
            }
        const std::string at = stem(name);
        to.add_raw(at + ".qweight", "I32", {q.in, words}, bytes_of(codes));
        to.add_raw(at + ".qzeros", "I32", {q.groups, words}, bytes_of(zeros));
        to.add(at + ".scales", {q.groups, q.out}, turned(q.scales, q.out, q.groups), groups.scales);
        return Stored{q.numbers, groups.scales == "F16" ? "F16" : "BF16"};
    };
}

Quantiser nvfp4(bool is_modelopt) {
    return [=](Published& to, const std::string& name, const Given& w) {
        constexpr float kNumbers[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
        const Codes scale_codes("F8_E4M3");
        const int64_t rows = w.rows(), columns = w.shape.back();
        float most = 0;
        for (const float value : w.values) most = std::max(most, std::abs(value));
        const float factor = most / (6 * 448);  // modelopt's; compressed-tensors stores its inverse
        const float stored_factor = is_modelopt ? factor : 1 / factor;
        std::string codes, scales;
        Stored stored{w, columns % 64 == 0 ? "F32" : "BF16"};
        for (int64_t row = 0; row < rows; ++row)
            for (int64_t first = 0; first < columns; first += 16) {
                float largest = 0;
                for (int64_t c = first; c < first + 16; ++c)
                    largest = std::max(largest, std::abs(w.values[size_t(row * columns + c)]));
                const auto [scale, scale_code] = scale_codes.nearest(largest / 6 / factor);
                scales += char(scale_code);
                int held = 0;
                for (int64_t c = first; c < first + 16; ++c) {
                    float& value = stored.numbers.values[size_t(row * columns + c)];
                    const float wanted = scale > 0 ? std::abs(value) / (float(scale) * factor) : 0;
                    int best = 0;
                    for (int code = 1; code < 8; ++code)
                        if (std::abs(kNumbers[code] - wanted) < std::abs(kNumbers[best] - wanted)) best = code;
                    // The code of -0 counts as 0, as it does in the files' blocks.
                    const float number = (value < 0 && best ? -kNumbers[best] : kNumbers[best]) * float(scale);
                    if (value < 0) best += 8;
                    value = is_modelopt ? number * stored_factor : number / stored_factor;
                    if (c % 2)
                        codes += char(held | best << 4);
                    else
                        held = best;
                }
            }
        to.add_raw(is_modelopt ? name : name + "_packed", "U8", with_last(w.shape, columns / 2), codes);
        to.add_raw(name + "_scale", "F8_E4M3", with_last(w.shape, columns / 16), scales);
        to.add(name + (is_modelopt ? "_scale_2" : "_global_scale"),
               is_modelopt ? std::vector<int64_t>{} : std::vector<int64_t>{1}, {stored_factor});
        return stored;
    };
}

Twins quantised_twins(const Published& form,
                      const std::function<const Quantiser*(const std::string& name)>& quantiser_of) {
    Twins twins{form, form};
    for (const auto& [name, tensor] : form.tensors) {
        const Quantiser* quantiser = quantiser_of(name);
        if (!quantiser) continue;
        Given w{tensor.shape, std::vector<float>(tensor.bytes.size() / sizeof(float))};
        EXPECT_EQ(tensor.type, "F32") << name;
        std::memcpy(w.values.data(), tensor.bytes.data(), tensor.bytes.size());
        twins.quantised.tensors.erase(name);
        const Stored stored = (*quantiser)(twins.quantised, name, w);
        twins.plain.add(name, w.shape, stored.numbers.values, stored.plain);
        ++twins.count;
    }
    return twins;
}

}  // namespace hearth::test
