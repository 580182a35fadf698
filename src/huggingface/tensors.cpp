#include "huggingface/tensors.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "tensor/decode.h"
#include "tensor/half.h"

namespace hearth::huggingface {

namespace {

template <class T>
T word_at(const RawTensor& tensor, int64_t element) {
    T word;
    std::memcpy(&word, tensor.data.data() + size_t(element) * sizeof(T), sizeof word);
    return word;
}

// E4M3 without infinities: exponent 15 is ordinary, all ones is no number.
float e4m3(uint8_t code) {
    const int exponent = code >> 3 & 15, mantissa = code & 7;
    if ((code & 0x7F) == 0x7F) return std::bit_cast<float>(0x7FC00000u);
    const float magnitude = exponent == 0
                                ? float(mantissa) * 0x1p-9f
                                : std::bit_cast<float>(uint32_t(exponent + 120) << 23 | uint32_t(mantissa) << 20);
    return code & 0x80 ? -magnitude : magnitude;
}

float e5m2(uint8_t code) {
    return half_to_float(uint16_t(code << 8));
}

float e8m0(uint8_t code) {
    if (code == 255) return std::bit_cast<float>(0x7FC00000u);
    return code == 0 ? 0x1p-127f : std::bit_cast<float>(uint32_t(code) << 23);
}

std::optional<DType> float_type(RawType type) {
    switch (type) {
        case RawType::f32:
        case RawType::f64:
            return DType::f32;
        case RawType::f16:
            return DType::f16;
        case RawType::bf16:
            return DType::bf16;
        default:
            return std::nullopt;
    }
}

std::vector<int64_t> shape_of(const RawTensor& tensor) {
    return tensor.shape.empty() ? std::vector<int64_t>{1} : tensor.shape;
}

// A tensor whose elements are floats one behind the other.
class Plain final : public Values {
public:
    Plain(std::shared_ptr<const Safetensors> files, const RawTensor& tensor, DType natural)
        : Values(shape_of(tensor), natural), files_(std::move(files)), tensor_(tensor) {}
    void read(const Block& block, float* out) const override {
        for (int64_t r = 0; r < block.rows; ++r, out += block.columns) {
            const int64_t at = (block.row + r) * width() + block.column;
            if (tensor_.type == RawType::f64)
                for (int64_t c = 0; c < block.columns; ++c) out[c] = float(word_at<double>(tensor_, at + c));
            else
                decode(natural(), tensor_.data.data() + row_bytes(natural(), at), block.columns, out);
        }
    }
    std::span<const std::byte> plain() const override {
        return tensor_.type == RawType::f64 ? std::span<const std::byte>() : tensor_.data;
    }
    void release() const override { files_->release(tensor_); }

private:
    std::shared_ptr<const Safetensors> files_;
    const RawTensor& tensor_;  // of files_
};

}  // namespace

float raw_value(const RawTensor& tensor, int64_t element) {
    switch (tensor.type) {
        case RawType::f32:
            return word_at<float>(tensor, element);
        case RawType::f64:
            return float(word_at<double>(tensor, element));
        case RawType::f16:
            return half_to_float(word_at<uint16_t>(tensor, element));
        case RawType::bf16:
            return bfloat_to_float(word_at<uint16_t>(tensor, element));
        case RawType::f8_e4m3:
            return e4m3(word_at<uint8_t>(tensor, element));
        case RawType::f8_e5m2:
            return e5m2(word_at<uint8_t>(tensor, element));
        case RawType::f8_e8m0:
            return e8m0(word_at<uint8_t>(tensor, element));
        default:
            return float(raw_integer(tensor, element));
    }
}

int64_t raw_integer(const RawTensor& tensor, int64_t element) {
    switch (tensor.type) {
        case RawType::u8:
        case RawType::boolean:
            return word_at<uint8_t>(tensor, element);
        case RawType::i8:
            return word_at<int8_t>(tensor, element);
        case RawType::i16:
            return word_at<int16_t>(tensor, element);
        case RawType::u16:
            return word_at<uint16_t>(tensor, element);
        case RawType::i32:
            return word_at<int32_t>(tensor, element);
        case RawType::u32:
            return word_at<uint32_t>(tensor, element);
        case RawType::i64:
        case RawType::u64:
            return word_at<int64_t>(tensor, element);
        default:
            return 0;
    }
}

ValuesPtr plain_values(std::shared_ptr<const Safetensors> files, const RawTensor& tensor) {
    const auto type = float_type(tensor.type);
    if (!type || tensor.elements() == 0) return nullptr;
    return std::make_shared<Plain>(std::move(files), tensor, *type);
}

Tensors::Tensors(std::shared_ptr<const Safetensors> files, std::span<const std::string_view> prefixes, Config& config)
    : files_(std::move(files)), quantisation_(read_quantisation(config)) {
    for (const RawTensor& tensor : files_->tensors()) {
        std::string_view name = tensor.name;
        for (const std::string_view prefix : prefixes)
            if (name.starts_with(prefix)) {
                name.remove_prefix(prefix.size());
                break;
            }
        const auto [at, is_new] = entries_.emplace(std::string(name), Entry{&tensor, tensor.name});
        if (!is_new)
            config.problem(fmt::format("tensors {} and {} would be the same", hearth::quoted(at->second.long_name),
                                       hearth::quoted(tensor.name)));
    }
}

const RawTensor* Tensors::raw(const std::string& name) const {
    const auto found = entries_.find(name);
    return found == entries_.end() ? nullptr : found->second.tensor;
}

const std::string& Tensors::long_name(const std::string& name) const {
    const auto found = entries_.find(name);
    return found == entries_.end() ? name : found->second.long_name;
}

bool Tensors::has(const std::string& name) const {
    return entries_.contains(name) || layout_of(*this, name);
}

std::optional<std::vector<int64_t>> Tensors::shape(const std::string& name) const {
    if (!layout_of(*this, name)) {
        const RawTensor* tensor = raw(name);
        return tensor ? std::optional(shape_of(*tensor)) : std::nullopt;
    }
    Tensors probe = *this;  // opening marks as used
    Config ignored;
    const ValuesPtr values = probe.open(name, ignored);
    return values ? std::optional(values->shape()) : std::nullopt;
}

ValuesPtr Tensors::open_raw(const std::string& name) {
    const RawTensor* tensor = raw(name);
    if (!tensor) return nullptr;
    mark_used(name);
    return plain_values(files_, *tensor);
}

ValuesPtr Tensors::open(const std::string& name, Config& config) {
    if (const QuantisedLayout* layout = layout_of(*this, name)) {
        ValuesPtr values = layout->open(Parts(*this, config, name));
        if (values) ++quantised_[layout->name];
        return values;
    }
    const RawTensor* tensor = raw(name);
    if (!tensor) return nullptr;
    mark_used(name);
    ValuesPtr values = plain_values(files_, *tensor);
    if (!values)
        config.problem(fmt::format("tensor {} has type {} and {} elements, which is no matrix of floats",
                                   hearth::quoted(long_name(name)), name_of(tensor->type), tensor->elements()));
    return values;
}

std::vector<std::string> Tensors::unused() const {
    std::vector<std::string> names;
    for (const auto& [name, entry] : entries_)
        if (!used_.contains(name)) names.push_back(name);
    return names;
}

std::vector<std::string> Tensors::names() const {
    std::vector<std::string> names;
    for (const auto& [name, entry] : entries_) names.push_back(name);
    return names;
}

}  // namespace hearth::huggingface
