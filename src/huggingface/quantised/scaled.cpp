// Bytes with scales: fp8 (DeepSeek, Qwen, Mistral, modelopt) and 8-bit integers (compressed-tensors).
//   X.weight   F8_E4M3, F8_E5M2 or I8 [.., out, in]
//   X.weight_scale_inv, X.weight_scale or X.qscale_weight: one for all, a matrix, a row, a block or a group of columns;
//   all of them multiply, in spite of one's name
//   X.weight_zero_point   I8 like the scales, optional: value = (code - zero) * scale
#include <array>

#include "huggingface/quantised/scales.h"

namespace hearth::huggingface {

namespace {

bool is_byte_code(RawType type) {
    return type == RawType::f8_e4m3 || type == RawType::f8_e5m2 || type == RawType::i8;
}

class Scaled final : public Values {
public:
    Scaled(std::shared_ptr<const Safetensors> files, const RawTensor& codes, const RawTensor& scales,
           const RawTensor* zeros, ScaleGrid grid)
        : Values(codes.shape, type_by_scales(scales)),
          files_(std::move(files)),
          codes_(codes),
          scales_(scales),
          zeros_(zeros),
          grid_(grid) {
        std::array<std::byte, 256> bytes{};
        for (size_t code = 0; code < bytes.size(); ++code) bytes[code] = std::byte(code);
        const RawTensor all{.name = {}, .type = codes.type, .shape = {256}, .data = bytes};
        for (size_t code = 0; code < bytes.size(); ++code) value_[code] = raw_value(all, int64_t(code));
    }

    void read(const Block& block, float* out) const override {
        const int64_t height = shape()[shape().size() - 2];
        for (int64_t r = 0; r < block.rows; ++r) {
            const int64_t row = block.row + r, end = block.column + block.columns;
            const auto* codes = reinterpret_cast<const uint8_t*>(codes_.data.data()) + row * width();
            for (int64_t column = block.column; column < end;) {
                const int64_t at = grid_.at(row / height, row % height, column);
                const int64_t cell_end = std::min(end, (column / grid_.cell_columns + 1) * grid_.cell_columns);
                const float scale = raw_value(scales_, at);
                const float zero = zeros_ ? float(raw_integer(*zeros_, at)) : 0;
                for (; column < cell_end; ++column) *out++ = (value_[codes[column]] - zero) * scale;
            }
        }
    }
    void release() const override { files_->release(codes_); }

private:
    std::shared_ptr<const Safetensors> files_;
    const RawTensor &codes_, &scales_;  // of files_, as is the next
    const RawTensor* zeros_;
    ScaleGrid grid_;
    std::array<float, 256> value_;
};

bool stands_for(const Tensors& tensors, const std::string& name) {
    const RawTensor* codes = tensors.raw(name);
    return codes && is_byte_code(codes->type);
}

ValuesPtr open_scaled(const Parts& parts) {
    const RawTensor* codes = parts.need("");
    if (codes->shape.size() < 2 || codes->elements() == 0) return parts.problem(*codes, "a matrix of floats");
    const RawTensor* scales = nullptr;
    for (const char* suffix : {"_scale_inv", "_scale", ".qscale_weight"})
        if (const RawTensor* found = parts.find(suffix)) scales = scales ? scales : found;
    if (!scales) scales = parts.need("_scale");
    if (!parts.fits(scales, kScaleTypes)) return nullptr;
    const auto grid = grid_of(scales->shape, codes->shape, parts.quantisation());
    if (!grid) return parts.problem(*scales, grids_text(codes->shape, parts.quantisation()));
    const RawTensor* zeros = codes->type == RawType::i8 ? parts.find("_zero_point") : nullptr;
    if (zeros && !parts.fits(zeros, {RawType::i8}, scales->shape)) return nullptr;
    return std::make_shared<Scaled>(parts.files(), *codes, *scales, zeros, *grid);
}

}  // namespace

const QuantisedLayout kScaledLayout{"8-bit codes with scales", stands_for, open_scaled};

}  // namespace hearth::huggingface
