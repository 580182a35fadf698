// What random numbers a tensor holds. Bytes depend on the tensor's name and the seed alone, never on the order of
// writing: every piece can be made on its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/dtype.h"

namespace hearth {

struct Fill {
    enum class Kind {
        matrix,     // normally distributed, mean 0, deviation a; the only kind for other types than f32
        around,     // normally distributed, mean a, deviation b
        between,    // evenly distributed between a and b
        signs,      // +1 or -1
        decay,      // -exp(x), x evenly distributed between ln a and ln b
        step_bias,  // inverse softplus of exp(x), x likewise: biases of time steps between a and b
        listed,     // exactly `values`
    };
    Kind kind = Kind::matrix;
    double a = 0, b = 0;
    std::vector<float> values;

    static Fill matrix(double deviation) { return {Kind::matrix, deviation, 0, {}}; }
    static Fill around(double mean, double deviation) { return {Kind::around, mean, deviation, {}}; }
    static Fill between(double low, double high) { return {Kind::between, low, high, {}}; }
    static Fill signs() { return {Kind::signs, 0, 0, {}}; }
    static Fill decay(double low, double high) { return {Kind::decay, low, high, {}}; }
    static Fill step_bias(double low, double high) { return {Kind::step_bias, low, high, {}}; }
    static Fill listed(std::vector<float> values) { return {Kind::listed, 0, 0, std::move(values)}; }
};

// Bytes of a piece: whole blocks of every type, about a mebibyte. The last one of a tensor is shorter.
int64_t piece_bytes(DType type);

// Piece number `piece` of a tensor of `type`. out.size() is piece_bytes(type), or what is left of the tensor.
// Preconditions: the type is a weight type; fills other than matrix come as f32.
void fill_piece(const Fill& fill, DType type, std::string_view tensor_name, uint64_t seed, int64_t piece,
                std::span<std::byte> out);

}  // namespace hearth
