// Published ways to store one matrix in several tensors: codes, scales, zero points. Which way it is, the tensors
// themselves say by their names and types; what config.json lists as excepted needs no trust.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "files/safetensors.h"
#include "huggingface/config.h"
#include "huggingface/values.h"

namespace hearth::huggingface {

class Tensors;

// What quantization_config says of sizes that the tensors leave open. Parts of one model may differ: then it says
// nothing.
struct Quantisation {
    int64_t bits = 0;                               // of packed integers; 0: not said
    int64_t group_size = 0;                         // columns that share a scale; 0: not said, or all of them
    int64_t block_rows = 128, block_columns = 128;  // of block scales
    bool is_zero_less_one = true;                   // GPTQ's first version stores zero points less one
};
Quantisation read_quantisation(Config& config);

// Refuses by name what nothing here reads; `where` names the file.
Result<> check_quantisation(const Config& config, const std::string& where);

// The tensors that one matrix consists of, seen from the name it would have plainly ("layers.0.mlp.up_proj.weight").
// What does not fit becomes a problem of the config that names the tensor, what was found and what was expected.
class Parts {
public:
    Parts(Tensors& tensors, Config& config, std::string name)
        : tensors_(tensors), config_(config), name_(std::move(name)) {}

    // A suffix beginning with a dot takes the place of ".weight"; others follow the whole name. Asking counts as use.
    const RawTensor* find(std::string_view suffix) const;
    // The same, but its absence is a problem.
    const RawTensor* need(std::string_view suffix) const;
    // Is the tensor of one of these types, and of this shape when one is given? nullptr is not, and was reported.
    bool fits(const RawTensor* tensor, std::initializer_list<RawType> types) const;
    bool fits(const RawTensor* tensor, std::initializer_list<RawType> types, std::span<const int64_t> shape) const;
    std::nullptr_t problem(const RawTensor& tensor, std::string_view expected) const;

    const Quantisation& quantisation() const;
    std::shared_ptr<const Safetensors> files() const;

private:
    std::string name_of_part(std::string_view suffix) const;

    Tensors& tensors_;
    Config& config_;
    std::string name_;
};

struct QuantisedLayout {
    std::string_view name;
    bool (*stands_for)(const Tensors& tensors, const std::string& name);
    ValuesPtr (*open)(const Parts& parts);  // nullptr: reported
};

// The layout in which this tensor is stored; nullptr: plainly, or not at all.
const QuantisedLayout* layout_of(const Tensors& tensors, const std::string& name);

// The name of a part, for `stands_for`.
std::string part_name(const std::string& name, std::string_view suffix);

extern const QuantisedLayout kScaledLayout, kPackedLayout, kGptqLayout, kAwqLayout, kNvfp4Layout, kNvfp4PackedLayout;

}  // namespace hearth::huggingface
