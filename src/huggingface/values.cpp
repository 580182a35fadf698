#include "huggingface/values.h"

#include <algorithm>

namespace hearth::huggingface {

namespace {

// One input, one output; what most of the rearrangements share.
class OverOne : public Values {
public:
    OverOne(ValuesPtr from, std::vector<int64_t> shape, DType natural)
        : Values(std::move(shape), natural), from_(std::move(from)) {}
    void release() const override { from_->release(); }

protected:
    ValuesPtr from_;
};

class Reshaped final : public OverOne {
public:
    using OverOne::OverOne;
    std::span<const std::byte> plain() const override { return from_->plain(); }
    bool blocks(int64_t row, int64_t rows, std::byte* out) const override {
        return width() == from_->width() && from_->blocks(row, rows, out);
    }
    std::vector<float> factors() const override { return from_->factors(); }
    void read(const Block& block, float* out) const override {
        if (width() == from_->width()) return from_->read(block, out);
        // A row of ours is a run of elements that may begin and end anywhere in the rows below.
        const int64_t below = from_->width();
        for (int64_t r = 0; r < block.rows; ++r) {
            int64_t at = (block.row + r) * width() + block.column;
            const int64_t end = at + block.columns;
            while (at < end) {
                const int64_t row = at / below, column = at % below;
                const int64_t count = std::min(end - at, below - column);
                from_->read({row, 1, column, count}, out);
                out += count;
                at += count;
            }
        }
    }
};

class WithRows final : public OverOne {
public:
    WithRows(ValuesPtr from, std::vector<int64_t> shape, DType natural, std::vector<int64_t> rows, int64_t per_group)
        : OverOne(from, std::move(shape), natural), rows_(std::move(rows)), per_group_(per_group) {}
    void read(const Block& block, float* out) const override {
        for_runs(block.row, block.rows, [&](int64_t first, int64_t count) {
            from_->read({first, count, block.column, block.columns}, out);
            out += count * block.columns;
            return true;
        });
    }
    bool blocks(int64_t row, int64_t rows, std::byte* out) const override {
        const int64_t bytes = row_bytes(natural(), width());
        return for_runs(row, rows, [&](int64_t first, int64_t count) {
            if (!from_->blocks(first, count, out)) return false;
            out += count * bytes;
            return true;
        });
    }
    std::vector<float> factors() const override { return from_->factors(); }

private:
    // Rows that follow each other below are read at once.
    bool for_runs(int64_t row, int64_t rows, const auto& read_run) const {
        const int64_t kept = int64_t(rows_.size());
        for (int64_t r = 0; r < rows;) {
            const int64_t first = place(row + r, kept);
            int64_t count = 1;
            while (r + count < rows && place(row + r + count, kept) == first + count) ++count;
            if (!read_run(first, count)) return false;
            r += count;
        }
        return true;
    }
    int64_t place(int64_t row, int64_t kept) const { return row / kept * per_group_ + rows_[size_t(row % kept)]; }
    std::vector<int64_t> rows_;
    int64_t per_group_;
};

class WithColumns final : public OverOne {
public:
    WithColumns(ValuesPtr from, std::vector<int64_t> shape, std::vector<int64_t> columns)
        : OverOne(from, std::move(shape), unblocked(from->natural())), columns_(std::move(columns)) {}
    void read(const Block& block, float* out) const override {
        std::vector<float> row(size_t(from_->width()));
        for (int64_t r = 0; r < block.rows; ++r) {
            from_->read({block.row + r, 1, 0, from_->width()}, row.data());
            for (int64_t c = 0; c < block.columns; ++c) *out++ = row[size_t(columns_[size_t(block.column + c)])];
        }
    }

private:
    std::vector<int64_t> columns_;
};

class Mapped final : public OverOne {
public:
    Mapped(ValuesPtr from, float (*apply)(float)) : OverOne(from, from->shape(), DType::f32), apply_(apply) {}
    void read(const Block& block, float* out) const override {
        from_->read(block, out);
        for (int64_t i = 0; i < block.rows * block.columns; ++i) out[i] = apply_(out[i]);
    }

private:
    float (*apply_)(float);
};

class Transposed final : public OverOne {
public:
    Transposed(ValuesPtr from, std::vector<int64_t> shape)
        : OverOne(from, std::move(shape), unblocked(from->natural())) {}
    void read(const Block& block, float* out) const override {
        // Below, a matrix has `width()` rows of `height` values; ours has them the other way round.
        const int64_t height = shape()[shape().size() - 2];
        std::vector<float> piece;
        for (int64_t r = 0; r < block.rows;) {
            const int64_t matrix = (block.row + r) / height, row = (block.row + r) % height;
            const int64_t count = std::min(block.rows - r, height - row);
            piece.resize(size_t(count * block.columns));
            from_->read({matrix * width() + block.column, block.columns, row, count}, piece.data());
            for (int64_t i = 0; i < count; ++i)
                for (int64_t c = 0; c < block.columns; ++c) *out++ = piece[size_t(c * count + i)];
            r += count;
        }
    }
};

class Several final : public Values {
public:
    Several(std::vector<ValuesPtr> parts, std::vector<int64_t> shape, DType natural)
        : Values(std::move(shape), natural), parts_(std::move(parts)) {
        for (const ValuesPtr& part : parts_) ends_.push_back((ends_.empty() ? 0 : ends_.back()) + part->rows());
    }
    void read(const Block& block, float* out) const override {
        for_parts(block.row, block.rows, [&](const Values& part, int64_t first, int64_t count) {
            part.read({first, count, block.column, block.columns}, out);
            out += count * block.columns;
            return true;
        });
    }
    bool blocks(int64_t row, int64_t rows, std::byte* out) const override {
        const int64_t bytes = row_bytes(natural(), width());
        return for_parts(row, rows, [&](const Values& part, int64_t first, int64_t count) {
            if (part.natural() != natural() || !part.blocks(first, count, out)) return false;
            out += count * bytes;
            return true;
        });
    }
    std::vector<float> factors() const override {
        size_t most = 0;
        for (const ValuesPtr& part : parts_) most = std::max(most, part->factors().size());
        std::vector<float> all;
        for (const ValuesPtr& part : parts_) {
            std::vector<float> own = part->factors();
            own.resize(most, own.empty() ? 1 : own.front());
            all.insert(all.end(), own.begin(), own.end());
        }
        return all;
    }
    void release() const override {
        for (const ValuesPtr& part : parts_) part->release();
    }

private:
    bool for_parts(int64_t row, int64_t rows, const auto& read_part) const {
        for (const int64_t end = row + rows; row < end;) {
            const size_t part = size_t(std::ranges::upper_bound(ends_, row) - ends_.begin());
            const int64_t count = std::min(end, ends_[part]) - row;
            if (!read_part(*parts_[part], row - (ends_[part] - parts_[part]->rows()), count)) return false;
            row += count;
        }
        return true;
    }
    std::vector<ValuesPtr> parts_;
    std::vector<int64_t> ends_;  // first row behind each part
};

class Constant final : public Values {
public:
    explicit Constant(std::vector<float> values)
        : Values({int64_t(values.size())}, DType::f32), values_(std::move(values)) {}
    void read(const Block& block, float* out) const override {
        std::copy_n(values_.begin() + block.column, block.columns, out);
    }
    std::span<const std::byte> plain() const override { return std::as_bytes(std::span(values_)); }

private:
    std::vector<float> values_;
};

}  // namespace

DType unblocked(DType natural) {
    return info(natural).block_elements > 1 ? DType::bf16 : natural;
}

ValuesPtr reshaped(ValuesPtr from, std::vector<int64_t> shape) {
    if (!from) return nullptr;
    int64_t product = 1, *open = nullptr;
    for (int64_t& size : shape) {
        if (size == -1) open = &size;
        if (size == 0 || size < -1) return nullptr;
        if (size > 0 && __builtin_mul_overflow(product, size, &product)) return nullptr;
    }
    if (open) {
        if (from->elements() % product != 0) return nullptr;
        *open = from->elements() / product;
        product *= *open;
    }
    if (product != from->elements() || shape.empty()) return nullptr;
    const DType natural = shape.back() == from->width() ? from->natural() : unblocked(from->natural());
    return std::make_shared<Reshaped>(std::move(from), std::move(shape), natural);
}

ValuesPtr with_rows(ValuesPtr from, std::vector<int64_t> rows, int64_t rows_per_group) {
    if (!from || rows.empty() || rows_per_group < 1) return nullptr;
    for (const int64_t row : rows)
        if (row < 0 || row >= rows_per_group) return nullptr;
    std::vector<int64_t> shape = from->shape();
    if (shape.size() == 1) shape = {shape[0], 1};  // a vector's elements count as its rows
    int64_t& counted = shape[shape.size() - 2];
    if (counted % rows_per_group != 0) return nullptr;
    const bool is_vector = from->shape().size() == 1;
    const int64_t kept = counted / rows_per_group * int64_t(rows.size());
    if (is_vector) from = reshaped(std::move(from), {-1, 1});
    counted = kept;
    // Each factor stays with its part of the rows, unless the groups are larger than the parts.
    const int64_t factors = std::max<int64_t>(1, int64_t(from->factors().size()));
    const bool keeps_blocks = factors == 1 || from->rows() / factors % rows_per_group == 0;
    const DType natural = keeps_blocks ? from->natural() : unblocked(from->natural());
    auto out = std::make_shared<WithRows>(std::move(from), shape, natural, std::move(rows), rows_per_group);
    return is_vector ? reshaped(std::move(out), {kept}) : out;
}

ValuesPtr with_columns(ValuesPtr from, std::vector<int64_t> columns) {
    if (!from || columns.empty()) return nullptr;
    for (const int64_t column : columns)
        if (column < 0 || column >= from->width()) return nullptr;
    std::vector<int64_t> shape = from->shape();
    shape.back() = int64_t(columns.size());
    return std::make_shared<WithColumns>(std::move(from), std::move(shape), std::move(columns));
}

ValuesPtr mapped(ValuesPtr from, float (*apply)(float)) {
    return from ? std::make_shared<Mapped>(std::move(from), apply) : nullptr;
}

ValuesPtr transposed(ValuesPtr from) {
    if (!from || from->shape().size() < 2) return nullptr;
    std::vector<int64_t> shape = from->shape();
    std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
    return std::make_shared<Transposed>(std::move(from), std::move(shape));
}

ValuesPtr stacked(std::vector<ValuesPtr> parts) {
    if (parts.empty() || !parts.front()) return nullptr;
    DType natural = parts.front()->natural();
    for (const ValuesPtr& part : parts) {
        if (!part || part->shape() != parts.front()->shape() || unblocked(part->natural()) != unblocked(natural))
            return nullptr;
        if (part->natural() != natural) natural = unblocked(natural);  // some in blocks, some plainly
    }
    std::vector<int64_t> shape = parts.front()->shape();
    shape.insert(shape.begin(), int64_t(parts.size()));
    return std::make_shared<Several>(std::move(parts), std::move(shape), natural);
}

ValuesPtr constant(std::vector<float> values) {
    return values.empty() ? nullptr : std::make_shared<Constant>(std::move(values));
}

}  // namespace hearth::huggingface
