// GPTQ: integers in words along the inputs, so the matrix lies transposed.
//   X.qweight   I32 [in * bits / 32, out]; the integers of a column lie bit after bit, those of 3 bits straddle words
//   X.qzeros    I32 [groups, out * bits / 32], likewise along the outputs; the first version stores them less one
//   X.scales    [groups, out]
//   X.g_idx     I32 [in], optional: the group of each input
#include <algorithm>

#include "huggingface/quantised/scales.h"

namespace hearth::huggingface {

namespace {

class Gptq final : public Values {
public:
    struct Stored {
        const RawTensor *codes, *zeros, *scales, *groups;  // the last may be absent
        int64_t group_size, bits;
        int32_t added_to_zeros;
    };
    Gptq(std::shared_ptr<const Safetensors> files, std::vector<int64_t> shape, const Stored& stored)
        : Values(std::move(shape), type_by_scales(*stored.scales)), files_(std::move(files)), stored_(stored) {}

    void read(const Block& block, float* out) const override {
        const int64_t outputs = shape()[0];
        // Zero points and scales of the rows asked for, group by group: columns may take them in any order.
        const int64_t groups = stored_.scales->shape[0];
        std::vector<int32_t> zeros(static_cast<size_t>(groups * block.rows));
        std::vector<float> scales(zeros.size());
        for (int64_t group = 0; group < groups; ++group)
            for (int64_t r = 0; r < block.rows; ++r) {
                const std::byte* words = stored_.zeros->data.data() + group * stored_.zeros->shape[1] * 4;
                const auto at = size_t(group * block.rows + r);
                zeros[at] = packed_at(words, 1, block.row + r, stored_.bits) + stored_.added_to_zeros;
                scales[at] = raw_value(*stored_.scales, group * outputs + block.row + r);
            }
        for (int64_t c = 0; c < block.columns; ++c) {
            const int64_t input = block.column + c;
            const int64_t group = stored_.groups ? raw_integer(*stored_.groups, input) : input / stored_.group_size;
            for (int64_t r = 0; r < block.rows; ++r) {
                const std::byte* words = stored_.codes->data.data() + (block.row + r) * 4;
                const auto at = size_t(group * block.rows + r);
                out[r * block.columns + c] =
                    float(packed_at(words, outputs, input, stored_.bits) - zeros[at]) * scales[at];
            }
        }
    }
    void release() const override { files_->release(*stored_.codes); }

private:
    std::shared_ptr<const Safetensors> files_;
    Stored stored_;
};

bool stands_for(const Tensors& tensors, const std::string& name) {
    return name.ends_with(".weight") && tensors.raw(part_name(name, ".qweight"));
}

ValuesPtr open_gptq(const Parts& parts) {
    Gptq::Stored stored{};
    stored.codes = parts.need(".qweight");
    stored.zeros = parts.need(".qzeros");
    stored.scales = parts.need(".scales");
    stored.groups = parts.find(".g_idx");
    if (!parts.fits(stored.codes, {RawType::i32, RawType::u32}) ||
        !parts.fits(stored.zeros, {RawType::i32, RawType::u32}) || !parts.fits(stored.scales, kScaleTypes))
        return nullptr;
    if (stored.codes->shape.size() != 2) return parts.problem(*stored.codes, "a matrix");
    const int64_t outputs = stored.codes->shape[1];
    if (stored.scales->shape.size() != 2 || stored.scales->shape[1] != outputs)
        return parts.problem(*stored.scales, fmt::format("groups x {}", outputs));
    const int64_t groups = stored.scales->shape[0];

    // Every output has one zero point a group, which gives the number of bits away.
    for (const int64_t bits : {2, 3, 4, 8})
        if (outputs * bits % 32 == 0 && stored.zeros->shape == std::vector<int64_t>{groups, outputs * bits / 32})
            stored.bits = bits;
    const int64_t said = parts.quantisation().bits;
    if (stored.bits == 0 || (said > 0 && said != stored.bits)) {
        const int64_t expected = said > 0 ? said : 4;
        return parts.problem(*stored.zeros, fmt::format("{} x {}: {} zero points of {} bits in each row", groups,
                                                        outputs * expected / 32, outputs, expected));
    }
    if (stored.codes->shape[0] * 32 % stored.bits != 0)
        return parts.problem(*stored.codes,
                             fmt::format("rows of words that whole numbers of {} bits fill", stored.bits));
    const int64_t inputs = stored.codes->shape[0] * 32 / stored.bits;
    stored.added_to_zeros = parts.quantisation().is_zero_less_one ? 1 : 0;

    if (stored.groups) {
        const std::vector<int64_t> expected{inputs};
        if (!parts.fits(stored.groups, {RawType::i32, RawType::i64}, expected)) return nullptr;
        for (int64_t input = 0; input < inputs; ++input)
            if (const int64_t group = raw_integer(*stored.groups, input); group < 0 || group >= groups)
                return parts.problem(*stored.groups,
                                     fmt::format("groups below {}, not {} for input {}", groups, group, input));
    } else {
        stored.group_size = parts.quantisation().group_size;
        if (stored.group_size == 0 && inputs % groups == 0) stored.group_size = inputs / groups;
        if (stored.group_size == 0 || ceiling(inputs, stored.group_size) != groups)
            return parts.problem(
                *stored.scales,
                stored.group_size == 0
                    ? fmt::format("a divisor of {} groups", inputs)
                    : fmt::format("{} groups of {} inputs", ceiling(inputs, stored.group_size), stored.group_size));
    }
    return std::make_shared<Gptq>(parts.files(), std::vector<int64_t>{outputs, inputs}, stored);
}

}  // namespace

const QuantisedLayout kGptqLayout{"GPTQ", stands_for, open_gptq};

}  // namespace hearth::huggingface
