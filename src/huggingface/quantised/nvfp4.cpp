// NVFP4: 4-bit floats, an 8-bit float for each 16 of them, and a factor for the whole matrix.
//   modelopt             X.weight U8 [.., out, in / 2], X.weight_scale F8_E4M3 [.., out, in / 16] and the F32
//                        X.weight_scale_2: value = code * scale * factor
//   compressed-tensors   X.weight_packed, X.weight_scale, X.weight_global_scale: value = code * scale / factor
// The even column is the low half of a byte. GGUF blocks hold the same codes, those of columns i and i + 8 in a byte,
// and the same scales without their sign; the factor goes beside the tensor.
#include "tensor/formats/nvfp4.h"

#include <algorithm>

#include "huggingface/quantised/scales.h"

namespace hearth::huggingface {

namespace {

class Nvfp4 final : public Values {
public:
    Nvfp4(std::shared_ptr<const Safetensors> files, std::vector<int64_t> shape, const RawTensor& codes,
          const RawTensor& scales, const RawTensor& factors, bool is_divided)
        : Values(shape, shape.back() % BlockNVFP4::kElements == 0 ? DType::nvfp4 : DType::bf16),
          files_(std::move(files)),
          codes_(codes),
          scales_(scales),
          factors_(factors),
          is_divided_(is_divided) {}

    void read(const Block& block, float* out) const override {
        const int64_t per_factor = rows() / factors_.elements();
        for (int64_t r = 0; r < block.rows; ++r) {
            const int64_t row = block.row + r;
            const float factor = raw_value(factors_, row / per_factor);
            for (int64_t column = block.column; column < block.column + block.columns; ++column) {
                const float scale = ue4m3(scale_byte(row, column / 16)) / 2;
                const float value = float(kFp4Doubled[code(row, column)]) * scale;
                *out++ = is_divided_ ? value / factor : value * factor;
            }
        }
    }
    bool blocks(int64_t row, int64_t rows, std::byte* out) const override {
        for (int64_t end = row + rows; row < end; ++row)
            for (int64_t first = 0; first < width(); first += BlockNVFP4::kElements, out += sizeof(BlockNVFP4)) {
                BlockNVFP4 block{};
                for (int sub = 0; sub < 4; ++sub) {
                    block.scales[sub] = scale_byte(row, first / 16 + sub);
                    for (int i = 0; i < 8; ++i) {
                        const int64_t column = first + 16 * sub + i;
                        block.codes[8 * sub + i] = uint8_t(code(row, column) | code(row, column + 8) << 4);
                    }
                }
                std::memcpy(out, &block, sizeof block);
            }
        return true;
    }
    std::vector<float> factors() const override {
        std::vector<float> all;
        for (int64_t i = 0; i < factors_.elements(); ++i) {
            const float factor = raw_value(factors_, i);
            all.push_back(is_divided_ ? 1 / factor : factor);
        }
        return all;
    }
    void release() const override { files_->release(codes_); }

private:
    uint8_t byte_of(const RawTensor& tensor, int64_t at) const { return uint8_t(tensor.data[size_t(at)]); }
    int code(int64_t row, int64_t column) const {
        return byte_of(codes_, (row * width() + column) / 2) >> (column % 2 * 4) & 15;
    }
    uint8_t scale_byte(int64_t row, int64_t group) const {
        return byte_of(scales_, row * (width() / 16) + group) & 0x7F;
    }
    std::shared_ptr<const Safetensors> files_;
    const RawTensor &codes_, &scales_, &factors_;  // of files_
    bool is_divided_;
};

ValuesPtr open_parts(const Parts& parts, std::string_view codes_suffix, std::string_view factor_suffix,
                     bool is_divided) {
    const RawTensor *codes = parts.need(codes_suffix), *scales = parts.need("_scale"),
                    *factors = parts.need(factor_suffix);
    if (!parts.fits(codes, {RawType::u8}) || !parts.fits(scales, {RawType::f8_e4m3}) ||
        !parts.fits(factors, {RawType::f32}))
        return nullptr;
    std::vector<int64_t> shape = codes->shape;
    if (shape.size() < 2 || shape.back() % 8 != 0) return parts.problem(*codes, "rows of 8 bytes and multiples");
    shape.back() /= 8;
    if (scales->shape != shape) {
        (void)parts.fits(scales, {RawType::f8_e4m3}, shape);
        return nullptr;
    }
    shape.back() *= 16;
    int64_t matrices = 1;
    for (size_t i = 0; i + 2 < shape.size(); ++i) matrices *= shape[i];
    if (factors->elements() != 1 && factors->elements() != matrices)
        return parts.problem(*factors, matrices == 1 ? "one factor" : fmt::format("1 or {} factors", matrices));
    return std::make_shared<Nvfp4>(parts.files(), shape, *codes, *scales, *factors, is_divided);
}

bool is_modelopt(const Tensors& tensors, const std::string& name) {
    const RawTensor* codes = tensors.raw(name);
    return codes && codes->type == RawType::u8 &&
           (tensors.raw(part_name(name, "_scale")) || tensors.raw(part_name(name, "_scale_2")));
}

bool is_compressed(const Tensors& tensors, const std::string& name) {
    const RawTensor* codes = tensors.raw(part_name(name, "_packed"));
    return codes && codes->type == RawType::u8;
}

}  // namespace

const QuantisedLayout kNvfp4Layout{"NVFP4", is_modelopt,
                                   [](const Parts& parts) { return open_parts(parts, "", "_scale_2", false); }};
const QuantisedLayout kNvfp4PackedLayout{
    "NVFP4", is_compressed, [](const Parts& parts) { return open_parts(parts, "_packed", "_global_scale", true); }};

}  // namespace hearth::huggingface
