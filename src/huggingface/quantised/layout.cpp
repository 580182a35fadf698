#include "huggingface/quantised/layout.h"

#include <algorithm>

#include "huggingface/quantised/scales.h"
#include "huggingface/tensors.h"

namespace hearth::huggingface {

namespace {

constexpr const QuantisedLayout* kLayouts[] = {&kNvfp4PackedLayout, &kPackedLayout, &kAwqLayout,
                                               &kGptqLayout,        &kNvfp4Layout,  &kScaledLayout};

constexpr std::string_view kMethods[] = {"fp8", "compressed-tensors", "modelopt", "gptq", "awq", "mxfp4"};
// Formats of compressed-tensors.
constexpr std::string_view kFormats[] = {"dense",          "float-quantized",      "int-quantized",  "naive-quantized",
                                         "pack-quantized", "nvfp4-pack-quantized", "mixed-precision"};

std::string shape_text(const std::vector<int64_t>& shape) {
    return shape.empty() ? "a single value" : fmt::format("{}", fmt::join(shape, " x "));
}

std::string_view stem_of(std::string_view name) {
    if (name.ends_with(".weight")) name.remove_suffix(7);
    return name;
}

// A size that all parts of the model agree on; 0 when they do not.
class Agreed {
public:
    void add(const Json* value) {
        const int64_t size = value && value->is_integer() ? std::clamp<int64_t>(value->as_int(), 0, 1 << 24) : 0;
        is_one_ &= !is_any_ || size == size_;
        is_any_ = true;
        size_ = size;
    }
    int64_t size() const { return is_one_ ? size_ : 0; }

private:
    bool is_any_ = false, is_one_ = true;
    int64_t size_ = 0;
};

std::string text_of(const Json* value) {
    return value && value->is_string() ? value->as_string() : "";
}

}  // namespace

Quantisation read_quantisation(Config& config) {
    const std::string at = "quantization_config.";
    Quantisation sizes;
    Agreed bits, group;
    std::vector<int64_t> block;
    if (config.has(at + "weight_block_size")) block = config.integers(at + "weight_block_size");
    if (const Json* groups = config.find(at + "config_groups"); groups && groups->is_object()) {
        for (const auto& [name, one] : groups->members()) {
            const Json* weights = one.find("weights");
            if (!weights || !weights->is_object()) continue;
            bits.add(weights->find("num_bits"));
            group.add(weights->find("group_size"));
            const Json* structure = weights->find("block_structure");
            if (structure && structure->is_array() && structure->items().size() == 2)
                block = {structure->items()[0].as_int(), structure->items()[1].as_int()};
        }
    } else {
        bits.add(config.find(at + "bits"));
        group.add(config.find(at + "group_size"));
    }
    // Rules for single modules (GPTQ's `dynamic`) may say otherwise than the whole.
    if (!config.has(at + "dynamic")) sizes.bits = bits.size(), sizes.group_size = group.size();
    if (!block.empty()) {
        const auto is_size = [](int64_t size) { return size >= 1 && size <= 1 << 24; };
        if (block.size() == 2 && std::ranges::all_of(block, is_size))
            sizes.block_rows = block[0], sizes.block_columns = block[1];
        else
            config.problem("quantization_config: the block of scales has no two sizes");
    }
    const std::string format = text_of(config.find(at + "checkpoint_format"));
    sizes.is_zero_less_one = format != "gptq_v2";
    return sizes;
}

Result<> check_quantisation(const Config& config, const std::string& where) {
    const auto refused = [&](std::string_view key, std::string_view name, std::string_view known) -> Result<> {
        return fail(ErrorKind::unsupported,
                    fmt::format("{}: {} is {}, a way to store weights that this build does not read; it reads {}",
                                where, key, hearth::quoted(name), known),
                    "take the repository it was made from, or a GGUF file of it");
    };
    // MLX writes "quantization" beside, or instead of, the usual key.
    const Json *mlx = config.find("quantization"), *object = config.find("quantization_config");
    if (mlx && mlx->is_object() && mlx->find("group_size") && !(object && object->find("quant_method")))
        return refused("quantization", "MLX's", fmt::format("{}", fmt::join(kMethods, ", ")));
    if (!object) return {};
    if (!object->is_object())
        return fail(ErrorKind::bad_file, where + ": quantization_config is no object", "download it again");
    const std::string method = text_of(object->find("quant_method"));
    if (!method.empty() && std::ranges::find(kMethods, method) == std::end(kMethods))
        return refused("quant_method", method, fmt::format("{}", fmt::join(kMethods, ", ")));
    if (method == "awq") {
        std::string version = text_of(object->find("version"));
        std::ranges::transform(version, version.begin(),
                               [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
        if (!version.empty() && version != "gemm") return refused("AWQ's version", version, "gemm");
    }
    if (method == "gptq") {
        const std::string format = text_of(object->find("checkpoint_format"));
        if (!format.empty() && format != "gptq" && format != "gptq_v2")
            return refused("GPTQ's checkpoint_format", format, "gptq and gptq_v2");
    }
    if (method == "compressed-tensors") {
        const auto is_known = [](const std::string& format) {
            return format.empty() || std::ranges::find(kFormats, format) != std::end(kFormats);
        };
        std::vector<std::string> formats{text_of(object->find("format"))};
        if (const Json* sparsity = object->find("sparsity_config"); sparsity && sparsity->is_object())
            formats.push_back(text_of(sparsity->find("format")));
        if (const Json* groups = object->find("config_groups"); groups && groups->is_object())
            for (const auto& [name, group] : groups->members()) formats.push_back(text_of(group.find("format")));
        for (const std::string& format : formats)
            if (!is_known(format))
                return refused("compressed-tensors' format", format, fmt::format("{}", fmt::join(kFormats, ", ")));
    }
    return {};
}

std::string part_name(const std::string& name, std::string_view suffix) {
    return (suffix.starts_with('.') ? std::string(stem_of(name)) : name) + std::string(suffix);
}

std::string Parts::name_of_part(std::string_view suffix) const {
    return part_name(name_, suffix);
}

const RawTensor* Parts::find(std::string_view suffix) const {
    const RawTensor* tensor = tensors_.raw(name_of_part(suffix));
    if (tensor) tensors_.mark_used(name_of_part(suffix));
    return tensor;
}

const RawTensor* Parts::need(std::string_view suffix) const {
    const RawTensor* tensor = find(suffix);
    if (!tensor)
        config_.problem(fmt::format("tensor {} is missing: {} is stored in parts", hearth::quoted(name_of_part(suffix)),
                                    hearth::quoted(name_)));
    return tensor;
}

bool Parts::fits(const RawTensor* tensor, std::initializer_list<RawType> types) const {
    if (!tensor) return false;
    if (std::ranges::find(types, tensor->type) != types.end() && tensor->elements() > 0) return true;
    std::string names;
    for (const RawType type : types) names += (names.empty() ? "" : " or ") + std::string(hearth::name_of(type));
    problem(*tensor, names);
    return false;
}

bool Parts::fits(const RawTensor* tensor, std::initializer_list<RawType> types, std::span<const int64_t> shape) const {
    if (!fits(tensor, types)) return false;
    if (std::ranges::equal(tensor->shape, shape)) return true;
    problem(*tensor, shape_text({shape.begin(), shape.end()}));
    return false;
}

std::nullptr_t Parts::problem(const RawTensor& tensor, std::string_view expected) const {
    config_.problem(fmt::format("tensor {} is {}, {}; expected {}", hearth::quoted(tensor.name),
                                hearth::name_of(tensor.type), shape_text(tensor.shape), expected));
    return nullptr;
}

const Quantisation& Parts::quantisation() const {
    return tensors_.quantisation();
}

std::shared_ptr<const Safetensors> Parts::files() const {
    return tensors_.files();
}

const QuantisedLayout* layout_of(const Tensors& tensors, const std::string& name) {
    for (const QuantisedLayout* layout : kLayouts)
        if (layout->stands_for(tensors, name)) return layout;
    return nullptr;
}

std::optional<ScaleGrid> grid_of(const std::vector<int64_t>& scales, const std::vector<int64_t>& shape,
                                 const Quantisation& sizes) {
    const int64_t rows = shape[shape.size() - 2], columns = shape.back();
    int64_t matrices = 1, elements = 1;
    for (size_t i = 0; i + 2 < shape.size(); ++i) matrices *= shape[i];
    for (const int64_t size : scales) elements *= size;
    if (elements == 1) return ScaleGrid{0, 0, rows, columns};
    const bool is_stack = shape.size() > 2;
    if (is_stack && elements == matrices && !scales.empty() && scales.front() == shape.front() &&
        (scales.size() < 2 || scales[1] == (shape.size() > 3 ? shape[1] : 1)))
        return ScaleGrid{1, 0, rows, columns};
    // A row of scales for each row of cells, in front of them as many dimensions as the stack has, or none.
    std::vector<int64_t> cells = scales;
    if (cells.size() + 1 == shape.size() && cells.back() == rows) cells.push_back(1);
    if (cells.size() != 2 && cells.size() != shape.size()) return std::nullopt;
    const int64_t down = cells[cells.size() - 2], across = cells.back();
    const bool has_own = cells.size() > 2 || !is_stack;
    if (cells.size() > 2 && !std::equal(cells.begin(), cells.end() - 2, shape.begin())) return std::nullopt;
    const int64_t per_matrix = is_stack && has_own ? down * across : 0;
    if (down == rows && across == 1) return ScaleGrid{per_matrix, 1, 1, columns};
    if (down == ceiling(rows, sizes.block_rows) && across == ceiling(columns, sizes.block_columns))
        return ScaleGrid{per_matrix, across, sizes.block_rows, sizes.block_columns};
    if (down != rows || across < 1) return std::nullopt;
    if (sizes.group_size > 0)
        return across == ceiling(columns, sizes.group_size)
                   ? std::optional(ScaleGrid{per_matrix, across, 1, sizes.group_size})
                   : std::nullopt;
    if (columns % across != 0) return std::nullopt;
    return ScaleGrid{per_matrix, across, 1, columns / across};
}

std::string grids_text(const std::vector<int64_t>& shape, const Quantisation& sizes) {
    const int64_t rows = shape[shape.size() - 2], columns = shape.back();
    std::string text =
        fmt::format("1, {} x 1, {} x {}", rows, ceiling(rows, sizes.block_rows), ceiling(columns, sizes.block_columns));
    text += sizes.group_size > 0 ? fmt::format(" or {} x {}", rows, ceiling(columns, sizes.group_size))
                                 : fmt::format(" or {} x a divisor of {}", rows, columns);
    return text + (shape.size() > 2 ? " scales for each matrix" : " scales");
}

}  // namespace hearth::huggingface
