// compressed-tensors' pack-quantized: integers in words along the columns.
//   X.weight_packed   I32 [out, ceil(in * bits / 32)], lowest bits first
//   X.weight_shape    I64 [2]: out, in
//   X.weight_scale    [out, groups], or one a row, or one for all
//   X.weight_zero_point   optional: I32 [ceil(out * bits / 32), groups], packed along the rows; without it 2^(bits - 1)
//   X.weight_g_idx    optional: I32 [in], the group of each column
#include "huggingface/quantised/scales.h"

namespace hearth::huggingface {

namespace {

class Packed final : public Values {
public:
    struct Stored {
        const RawTensor *codes, *scales, *zeros, *groups;  // the last two may be absent
        ScaleGrid grid;
        int64_t bits;
    };
    Packed(std::shared_ptr<const Safetensors> files, std::vector<int64_t> shape, const Stored& stored)
        : Values(std::move(shape), type_by_scales(*stored.scales)), files_(std::move(files)), stored_(stored) {}

    void read(const Block& block, float* out) const override {
        const int64_t words = stored_.codes->shape[1];
        for (int64_t r = 0; r < block.rows; ++r) {
            const int64_t row = block.row + r;
            int64_t known = -1;
            float scale = 0;
            int32_t zero = 1 << (stored_.bits - 1);
            for (int64_t column = block.column; column < block.column + block.columns; ++column) {
                const int64_t at = stored_.groups ? row * stored_.grid.per_row + raw_integer(*stored_.groups, column)
                                                  : stored_.grid.at(0, row, column);
                if (at != known) {
                    known = at;
                    scale = raw_value(*stored_.scales, at);
                    if (stored_.zeros) zero = zero_of(row, at % std::max<int64_t>(1, stored_.grid.per_row));
                }
                const int32_t code = packed_at(stored_.codes->data.data() + row * words * 4, 1, column, stored_.bits);
                *out++ = float(code - zero) * scale;
            }
        }
    }
    void release() const override { files_->release(*stored_.codes); }

private:
    int32_t zero_of(int64_t row, int64_t group) const {
        const int64_t groups = stored_.zeros->shape[1];
        return packed_at(stored_.zeros->data.data() + group * 4, groups, row, stored_.bits);
    }
    std::shared_ptr<const Safetensors> files_;
    Stored stored_;
};

// The number of bits with which `columns` integers fill so many words; 0: none, or several and config.json does not
// decide.
int64_t bits_of_words(int64_t words, int64_t columns, int64_t said) {
    int64_t found = 0;
    for (const int64_t bits : {2, 4, 8}) {
        if (words != ceiling(columns, 32 / bits)) continue;
        if (bits == said) return bits;
        found = found ? -1 : bits;
    }
    return std::max<int64_t>(found, 0);
}

bool stands_for(const Tensors& tensors, const std::string& name) {
    const RawTensor* codes = tensors.raw(part_name(name, "_packed"));
    return codes && codes->type != RawType::u8;
}

ValuesPtr open_packed(const Parts& parts) {
    Packed::Stored stored{};
    stored.codes = parts.need("_packed");
    const RawTensor* sizes = parts.need("_shape");
    stored.scales = parts.need("_scale");
    stored.zeros = parts.find("_zero_point");
    stored.groups = parts.find("_g_idx");
    const std::vector<int64_t> two{2};
    if (!parts.fits(stored.codes, {RawType::i32}) || !parts.fits(sizes, {RawType::i64, RawType::i32}, two) ||
        !parts.fits(stored.scales, kScaleTypes))
        return nullptr;
    const std::vector<int64_t> shape{raw_integer(*sizes, 0), raw_integer(*sizes, 1)};
    if (stored.codes->shape.size() != 2 || stored.codes->shape[0] != shape[0] || shape[1] < 1 ||
        shape[1] > int64_t{1} << 32)
        return parts.problem(*stored.codes, fmt::format("{} rows of packed integers, as {} says", shape[0],
                                                        hearth::quoted(sizes->name)));
    stored.bits = bits_of_words(stored.codes->shape[1], shape[1], parts.quantisation().bits);
    if (stored.bits == 0)
        return parts.problem(*stored.codes,
                             fmt::format("{}, {} or {} words a row for {} integers of 2, 4 or 8 bits",
                                         ceiling(shape[1], 16), ceiling(shape[1], 8), ceiling(shape[1], 4), shape[1]));
    const auto grid = grid_of(stored.scales->shape, shape, parts.quantisation());
    if (!grid) return parts.problem(*stored.scales, grids_text(shape, parts.quantisation()));
    stored.grid = *grid;
    if (stored.zeros) {
        const int64_t groups = std::max<int64_t>(1, stored.grid.per_row);
        const std::vector<int64_t> expected{ceiling(shape[0], 32 / stored.bits), groups};
        if (stored.grid.cell_rows != 1)
            return parts.problem(*stored.scales, "a scale for each row, as zero points have");
        if (!parts.fits(stored.zeros, {RawType::i32}, expected)) return nullptr;
    }
    if (stored.groups) {
        const std::vector<int64_t> expected{shape[1]};
        if (!parts.fits(stored.groups, {RawType::i32, RawType::i64}, expected)) return nullptr;
        if (stored.grid.cell_rows != 1) return parts.problem(*stored.scales, "a scale for each row and group");
        for (int64_t column = 0; column < shape[1]; ++column)
            if (const int64_t group = raw_integer(*stored.groups, column); group < 0 || group >= stored.grid.per_row)
                return parts.problem(*stored.groups, fmt::format("groups below {}, not {} for column {}",
                                                                 stored.grid.per_row, group, column));
    }
    return std::make_shared<Packed>(parts.files(), shape, stored);
}

}  // namespace

const QuantisedLayout kPackedLayout{"packed integers", stands_for, open_packed};

}  // namespace hearth::huggingface
