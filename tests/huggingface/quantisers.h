// Published ways of storing a matrix in parts, written: each puts the parts of a matrix into a directory's form and
// returns the numbers that they stand for, by the published formula in plain loops and without the code under test.
#pragma once

#include <functional>

#include "huggingface/published.h"

namespace hearth::test {

struct Stored {
    Given numbers;
    std::string plain = "BF16";  // the type a reader keeps them in; F32 where it keeps codes and a factor
};
// `name` as the matrix would be called plainly.
using Quantiser = std::function<Stored(Published& to, const std::string& name, const Given& w)>;

// One scale for cells of `rows` x `columns`; 0: as many as there are.
struct Cells {
    int64_t rows = 0, columns = 0;
    bool is_flat = false;  // the scales' shape lacks its last 1, or is that of a single value
};
Quantiser bytes_with_scales(const std::string& codes, const std::string& suffix, Cells cells,
                            const std::string& scales = "F32");
// 8-bit integers with a zero point beside each scale.
Quantiser bytes_with_zeros(Cells cells);

enum class Order { plain, by_activation };  // whether columns take their groups in order
struct Groups {
    int64_t size = 32;  // 0: one for the whole row
    bool has_zeros = false;
    Order order = Order::plain;
    std::string scales = "BF16";
};
Quantiser packed_integers(int64_t bits, const Groups& groups);
Quantiser gptq(int64_t bits, const Groups& groups, bool is_first_version);
Quantiser awq(const Groups& groups);
Quantiser nvfp4(bool is_modelopt);

// Replaces the chosen tensors (F32, two dimensions or more) of a form; `plain` gets the numbers they stand for.
struct Twins {
    Published quantised, plain;
    int64_t count = 0;
};
Twins quantised_twins(const Published& form,
                      const std::function<const Quantiser*(const std::string& name)>& quantiser_of);

// Little-endian bytes of integers.
template <class T>
std::string bytes_of(const std::vector<T>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace hearth::test
