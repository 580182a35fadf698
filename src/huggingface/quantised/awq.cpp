// AWQ in its "gemm" order: 4-bit integers in words along the outputs, shuffled within each word.
//   X.qweight   I32 [in, out / 8]
//   X.qzeros    I32 [groups, out / 8]
//   X.scales    [groups, out]
#include "huggingface/quantised/scales.h"

namespace hearth::huggingface {

namespace {

// Half byte k of a word belongs to output 8 * word + 0, 2, 4, 6, 1, 3, 5, 7; this is the way back.
constexpr int64_t kPlace[8] = {0, 4, 1, 5, 2, 6, 3, 7};

int32_t code_at(const RawTensor& words, int64_t row, int64_t output) {
    const uint32_t word = word_at(words.data.data(), row * words.shape[1] + output / 8);
    return int32_t(word >> (4 * kPlace[output % 8]) & 15);
}

class Awq final : public Values {
public:
    struct Stored {
        const RawTensor *codes, *zeros, *scales;
        int64_t group_size;
    };
    Awq(std::shared_ptr<const Safetensors> files, std::vector<int64_t> shape, const Stored& stored)
        : Values(std::move(shape), type_by_scales(*stored.scales)), files_(std::move(files)), stored_(stored) {}

    void read(const Block& block, float* out) const override {
        std::vector<int32_t> zeros(static_cast<size_t>(block.rows));
        std::vector<float> scales(zeros.size());
        int64_t known = -1;
        for (int64_t c = 0; c < block.columns; ++c) {
            const int64_t input = block.column + c, group = input / stored_.group_size;
            for (int64_t r = 0; r < block.rows && group != known; ++r) {
                zeros[size_t(r)] = code_at(*stored_.zeros, group, block.row + r);
                scales[size_t(r)] = raw_value(*stored_.scales, group * shape()[0] + block.row + r);
            }
            known = group;
            for (int64_t r = 0; r < block.rows; ++r)
                out[r * block.columns + c] =
                    float(code_at(*stored_.codes, input, block.row + r) - zeros[size_t(r)]) * scales[size_t(r)];
        }
    }
    void release() const override { files_->release(*stored_.codes); }

private:
    std::shared_ptr<const Safetensors> files_;
    Stored stored_;
};

// GPTQ uses the same names; there the words of a row are as many as the outputs.
bool stands_for(const Tensors& tensors, const std::string& name) {
    if (!name.ends_with(".weight")) return false;
    const RawTensor *codes = tensors.raw(part_name(name, ".qweight")),
                    *scales = tensors.raw(part_name(name, ".scales"));
    return codes && scales && codes->shape.size() == 2 && scales->shape.size() == 2 &&
           codes->shape[1] * 8 == scales->shape[1];
}

ValuesPtr open_awq(const Parts& parts) {
    Awq::Stored stored{};
    stored.codes = parts.need(".qweight");
    stored.zeros = parts.need(".qzeros");
    stored.scales = parts.need(".scales");
    if (!parts.fits(stored.codes, {RawType::i32, RawType::u32}) || !parts.fits(stored.scales, kScaleTypes))
        return nullptr;
    const int64_t inputs = stored.codes->shape[0], groups = stored.scales->shape[0];
    const std::vector<int64_t> expected{groups, stored.codes->shape[1]};
    if (!parts.fits(stored.zeros, {RawType::i32, RawType::u32}, expected)) return nullptr;
    if (const int64_t bits = parts.quantisation().bits; bits > 0 && bits != 4)
        return parts.problem(*stored.codes, fmt::format("words of {} bits, as config.json says", bits));
    stored.group_size = parts.quantisation().group_size;
    if (stored.group_size == 0 && inputs % groups == 0) stored.group_size = inputs / groups;
    if (stored.group_size == 0 || ceiling(inputs, stored.group_size) != groups)
        return parts.problem(*stored.scales, stored.group_size == 0
                                                 ? fmt::format("a divisor of {} groups", inputs)
                                                 : fmt::format("{} groups of {} inputs",
                                                               ceiling(inputs, stored.group_size), stored.group_size));
    return std::make_shared<Awq>(parts.files(), std::vector<int64_t>{stored.scales->shape[1], inputs}, stored);
}

}  // namespace

const QuantisedLayout kAwqLayout{"AWQ", stands_for, open_awq};

}  // namespace hearth::huggingface
