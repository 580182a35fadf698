// Stacks of MXFP4 matrices as they are published: blocks [.., rows, in / 32, 16] and scales [.., rows, in / 32]. Byte i
// of a block holds values 2i and 2i + 1, low half first; in GGUF files it holds values i and i + 16.
#include <algorithm>

#include "huggingface/families.h"
#include "tensor/decode.h"

namespace hearth::huggingface {

namespace {

class Mxfp4 final : public Values {
public:
    Mxfp4(std::shared_ptr<const Safetensors> files, const RawTensor& blocks, const RawTensor& scales, RowsEvery rows,
          std::vector<int64_t> shape)
        : Values(std::move(shape), DType::mxfp4),
          files_(std::move(files)),
          blocks_(blocks),
          scales_(scales),
          rows_(rows) {}

    bool blocks(int64_t row, int64_t rows, std::byte* out) const override {
        const int64_t per_row = width() / 32;
        for (int64_t r = 0; r < rows; ++r) {
            const int64_t kept = shape()[1], stored = kept * rows_.every;
            const int64_t from = (row + r) / kept * stored + rows_.first + (row + r) % kept * rows_.every;
            for (int64_t block = 0; block < per_row; ++block, out += 17) {
                const auto* codes =
                    reinterpret_cast<const uint8_t*>(blocks_.data.data()) + (from * per_row + block) * 16;
                out[0] = scales_.data[size_t(from * per_row + block)];
                const auto code = [&](int i) { return codes[i / 2] >> (i % 2 * 4) & 15; };
                for (int i = 0; i < 16; ++i) out[1 + i] = std::byte(code(i) | code(i + 16) << 4);
            }
        }
        return true;
    }
    void read(const Block& block, float* out) const override {
        std::vector<std::byte> row(static_cast<size_t>(width() / 32 * 17));
        std::vector<float> values(static_cast<size_t>(width()));
        for (int64_t r = 0; r < block.rows; ++r) {
            blocks(block.row + r, 1, row.data());
            decode(DType::mxfp4, row.data(), width(), values.data());
            out = std::copy_n(values.begin() + block.column, block.columns, out);
        }
    }
    void release() const override { files_->release(blocks_); }

private:
    std::shared_ptr<const Safetensors> files_;
    const RawTensor &blocks_, &scales_;
    RowsEvery rows_;
};

}  // namespace

void add_mxfp4(Translation& to, const std::string& gguf, const std::string& stem, RowsEvery rows) {
    const RawTensor *blocks = to.tensors.raw(stem + "_blocks"), *scales = to.tensors.raw(stem + "_scales");
    if (!blocks && !scales) return;
    to.tensors.mark_used(stem + "_blocks");
    to.tensors.mark_used(stem + "_scales");
    const bool fits = blocks && scales && blocks->type == RawType::u8 && scales->type == RawType::u8 &&
                      blocks->shape.size() == 4 && scales->shape.size() == 3 && blocks->shape[3] == 16 &&
                      std::equal(scales->shape.begin(), scales->shape.end(), blocks->shape.begin()) &&
                      blocks->elements() > 0 && blocks->shape[1] % rows.every == 0;
    if (!fits) {
        to.config.problem("tensors " + stem + "_blocks and _scales are no stack of MXFP4 matrices");
        return;
    }
    const std::vector<int64_t> shape{blocks->shape[0], blocks->shape[1] / rows.every, blocks->shape[2] * 32};
    to.add({gguf, DType::mxfp4, std::make_shared<Mxfp4>(to.tensors.files(), *blocks, *scales, rows, shape)});
}

}  // namespace hearth::huggingface
