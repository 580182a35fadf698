// The matrix kernels of every weight type and every row of the table this machine runs: against the f64 product,
// against recorded products, and for equal bits whatever the number of tokens and the cut of the work.
#include "backends/cpu/linear.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/rng.h"
#include "support/shared_data.h"
#include "tensor/decode.h"
#include "tensor/formats/q4_1.h"
#include "tensor/formats/q4_k.h"
#include "tensor/half.h"

namespace hearth::cpu {
namespace {

struct AlignedBytes {
    explicit AlignedBytes(int64_t size)
        : memory(static_cast<std::byte*>(std::aligned_alloc(64, size_t((size + 127) / 64 * 64))), std::free) {
        std::memset(memory.get(), 0xA5, size_t((size + 127) / 64 * 64));  // nothing may rely on zeroed memory
    }
    std::byte* data() const { return memory.get(); }
    std::unique_ptr<std::byte, void (*)(void*)> memory;
};

std::vector<DType> weight_types() {
    std::vector<DType> types;
    for (const DTypeInfo& each : dtypes()) {
        if (each.is_weight) types.push_back(each.type);
    }
    return types;
}

std::vector<Isa> runnable_isas() {
    std::vector<Isa> isas;
    for (Isa isa : kAllIsas) {
        if (machine_runs(isa)) isas.push_back(isa);
    }
    return isas;
}

// Offsets of the f16 scales inside a block.
std::vector<int> half_fields(DType type) {
    switch (type) {
        case DType::f32:
        case DType::bf16:
        case DType::mxfp4:
        case DType::nvfp4:
        case DType::iq1_m:
            return {};
        case DType::q4_1:
        case DType::q5_1:
        case DType::q4_k:
        case DType::q5_k:
            return {0, 2};
        case DType::q2_k:
            return {80, 82};
        case DType::q3_k:
            return {108};
        case DType::q6_k:
            return {208};
        case DType::tq1_0:
            return {52};
        case DType::tq2_0:
            return {64};
        default:
            return {0};
    }
}

// Every byte of the codes the same: with all activations at the end of their range, the largest sums there can be.
void fill_codes(DType type, std::vector<std::byte>& rows, std::byte fill) {
    const int64_t block_bytes = info(type).block_bytes;
    const auto fields = half_fields(type);
    for (size_t at = 0; at < rows.size(); ++at) {
        const int inside = int(at % size_t(block_bytes));
        const bool is_scale = std::ranges::any_of(fields, [&](int field) { return inside / 2 * 2 == field; });
        if (!is_scale && !(type == DType::mxfp4 && inside == 0)) rows[at] = fill;
    }
}

// Random bits in every field; scales made finite, of either sign, over nine powers of two.
std::vector<std::byte> random_rows(DType type, int64_t rows, int64_t columns, uint64_t seed) {
    Rng rng(seed);
    std::vector<std::byte> bytes(size_t(rows * row_bytes(type, columns)));
    for (std::byte& byte : bytes) byte = std::byte(rng.next() >> 40);
    const int64_t block_bytes = info(type).block_bytes;
    for (size_t at = 0; at < bytes.size(); at += size_t(block_bytes)) {
        std::byte* block = bytes.data() + at;
        for (int field : half_fields(type)) {
            const uint64_t bits = rng.next() >> 20;
            const auto half = uint16_t((bits & 0x83FF) | (5 + (bits >> 16) % 9) << 10);
            std::memcpy(block + field, &half, 2);
        }
        const uint64_t bits = rng.next() >> 20;
        if (type == DType::mxfp4) block[0] = std::byte(bits % 16 == 0 ? bits / 16 % 3 : 118 + bits % 9);
        if (type == DType::iq1_m) block[55] = std::byte((int(block[55]) & 15) | 0x20);
        if (type == DType::bf16) {
            const auto value = uint16_t((bits & 0x807F) | (120 + (bits >> 16) % 9) << 7);
            std::memcpy(block, &value, 2);
        }
        if (type == DType::f32) {
            const auto value = uint32_t((bits & 0x807FFFFF) | (120 + (bits >> 32) % 9) << 23);
            std::memcpy(block, &value, 4);
        }
    }
    return bytes;
}

std::vector<float> random_activations(int64_t tokens, int64_t columns, uint64_t seed) {
    Rng rng(seed);
    std::vector<float> x(size_t(tokens * columns));
    for (float& value : x) {
        // A rough bell with an outlier now and then, as activations have.
        float sum = 0;
        for (int i = 0; i < 4; ++i) sum += float(int32_t(rng.next() >> 32)) * 0x1p-31f;
        value = (rng.next() >> 33) % 97 == 0 ? 20 * sum : sum;
    }
    return x;
}

struct Matrix {
    const LinearKernel& kernel;
    int64_t rows, columns;
    AlignedBytes packed, scratch;

    Matrix(DType type, Isa isa, const std::vector<std::byte>& stored, int64_t row_count, int64_t column_count)
        : Matrix(linear_kernel(type, isa, column_count), stored, row_count, column_count) {}
    Matrix(const LinearKernel& chosen, const std::vector<std::byte>& stored, int64_t row_count, int64_t column_count)
        : kernel(chosen),
          rows(row_count),
          columns(column_count),
          packed(packed_bytes(kernel, row_count, column_count)),
          scratch(scratch_bytes(kernel, column_count)) {
        pack_groups(kernel, stored.data(), rows, columns, 0, groups_of(kernel, rows), packed.data());
    }
    LinearJob job() const {
        return {.weights = packed.data(), .rows = rows, .columns = columns, .scratch = scratch.data()};
    }
};

struct Panel {
    AlignedBytes bytes;
    Panel(ActivationKind kind, Isa isa, const float* x, int64_t tokens, int64_t columns)
        : bytes(panel_bytes(kind, isa, tokens, columns)) {
        pack_panel(kind, isa, {.x = x, .stride = columns, .tokens = tokens, .columns = columns}, 0, tokens,
                   bytes.data());
    }
};

constexpr float kUntouched = 12345.5f;

// out[token][row] with a margin of one that must stay untouched.
std::vector<float> product(const Matrix& w, Isa isa, const float* x, int64_t tokens) {
    const Panel panel(w.kernel.activation, isa, x, tokens, w.columns);
    std::vector<float> out(size_t(tokens * (w.rows + 1)), kUntouched);
    LinearJob job = w.job();
    job.panel = panel.bytes.data();
    job.tokens = tokens;
    job.out = out.data();
    job.out_stride = w.rows + 1;
    multiply(w.kernel, job);
    return out;
}

bool same_bits(const float* a, const float* b, int64_t count) {
    return std::memcmp(a, b, size_t(count) * 4) == 0;
}

// The part of a weight that is added after scaling: products with it do not cancel in the error bound.
double offset_magnitude(DType type, const std::byte* row, int64_t column) {
    if (type == DType::q4_1 || type == DType::q5_1) {
        uint16_t half;
        std::memcpy(&half, row + row_bytes(type, column / 32 * 32) + 2, 2);
        return std::fabs(half_to_float(half));
    }
    if (type == DType::q4_k || type == DType::q5_k) {
        const std::byte* block = row + row_bytes(type, column / 256 * 256);
        uint16_t half;
        uint8_t packed[12];
        std::memcpy(&half, block + 2, 2);
        std::memcpy(packed, block + 4, 12);
        return std::fabs(half_to_float(half)) * packed_min(packed, int(column % 256 / 32));
    }
    return 0;
}

// Rounding errors on the longest way from a product to the result, in units of 2^-24: one per addition of the recipe's
// chain, and at most 8 more: decoding a weight (3), an activation's code times its scale (1), weight scale times
// activation scale (1), scale times sum of activations (1), the joining addition (1), one to spare for second-order
// terms.
double rounding_steps(const LinearKernel& kernel, int64_t columns) {
    switch (kernel.activation) {
        case ActivationKind::q8_32:
            return 2 * double(columns / 32) + 8;
        case ActivationKind::q8_256:
            return double(columns / 256) + 17 + 8;
        default:
            return double(columns) +
                   8;  // twice columns / 2: the plain row rounds products too, vdpbf16ps each pair twice
    }
}

class EveryTypeAndIsa : public testing::TestWithParam<std::tuple<DType, Isa>> {};

TEST_P(EveryTypeAndIsa, AgreesWithTheF64ProductOfWhatItMultiplies) {
    const auto [type, isa] = GetParam();
    const int64_t block = info(type).block_elements;
    struct Shape {
        int64_t rows, columns, tokens;
    };
    std::vector<Shape> shapes = {{1, 256, 2},  {15, 256, 3}, {16, 512, 4}, {17, 4096, 2},
                                 {32, 256, 5}, {48, 512, 9}, {3, 14336, 1}};
    if (block <= 64) shapes.insert(shapes.end(), {{17, block, 3}, {18, 3 * block, 8}, {5, 33 * block, 2}});
    if (block == 1) shapes.insert(shapes.end(), {{9, 7, 3}, {16, 257, 5}});
    for (const auto& [rows, columns, tokens] : shapes) {
        SCOPED_TRACE(testing::Message() << rows << " x " << columns << ", " << tokens << " tokens");
        const auto stored = random_rows(type, rows, columns, uint64_t(rows * columns));
        const auto x = random_activations(tokens, columns, uint64_t(columns));
        const Matrix w(type, isa, stored, rows, columns);
        const Panel panel(w.kernel.activation, isa, x.data(), tokens, columns);
        const auto out = product(w, isa, x.data(), tokens);
        std::vector<float> decoded(static_cast<size_t>(columns));
        const double unit = rounding_steps(w.kernel, columns) * 0x1p-24;
        for (int64_t row = 0; row < rows; ++row) {
            const std::byte* at = stored.data() + row * row_bytes(type, columns);
            decode(type, at, columns, decoded.data());
            for (int64_t token = 0; token < tokens; ++token) {
                double exact = 0, magnitude = 0;
                for (int64_t k = 0; k < columns; ++k) {
                    const double a =
                        panel_value(w.kernel.activation, isa, panel.bytes.data(), tokens, columns, token, k);
                    exact += decoded[size_t(k)] * a;
                    magnitude += (std::fabs(decoded[size_t(k)]) + 2 * offset_magnitude(type, at, k)) * std::fabs(a);
                }
                const float found = out[size_t(token * (rows + 1) + row)];
                // The last term: results below 2^-126 lose bits, and vdpbf16ps takes them for zero.
                ASSERT_LE(std::fabs(found - exact), unit * magnitude + 0x1p-126 * double(columns))
                    << "row " << row << " token " << token << " exact " << exact << " found " << found;
            }
        }
        for (int64_t token = 0; token < tokens; ++token) ASSERT_EQ(out[size_t(token * (rows + 1) + rows)], kUntouched);
    }
}

TEST_P(EveryTypeAndIsa, GivesEqualBitsForAnyNumberOfTokensAndAnyCut) {
    const auto [type, isa] = GetParam();
    const bool slow = isa == Isa::any || keeps_rows_as_stored(linear_kernel(type, isa, 512));
    for (int64_t columns : {int64_t(512), int64_t(slow ? 768 : 4352)}) {
        const int64_t rows = 49, most = slow ? 65 : 150;
        const auto stored = random_rows(type, rows, columns, 3);
        const auto x = random_activations(most, columns, 4);
        const Matrix w(type, isa, stored, rows, columns);
        std::vector<float> alone;
        for (int64_t token = 0; token < most; ++token) {
            const auto one = product(w, isa, x.data() + token * columns, 1);
            alone.insert(alone.end(), one.begin(), one.end());
        }
        for (int64_t tokens : {int64_t(2), int64_t(3), int64_t(4), int64_t(5), int64_t(6), int64_t(7), int64_t(8),
                               int64_t(9), int64_t(13), int64_t(15), int64_t(16), int64_t(17), int64_t(39), int64_t(40),
                               int64_t(41), int64_t(64), most}) {
            const int64_t first = (most - tokens) / 3;
            const auto out = product(w, isa, x.data() + first * columns, tokens);
            ASSERT_TRUE(same_bits(out.data(), alone.data() + first * (rows + 1), tokens * (rows + 1))) << tokens;
        }
        // The panel packed in three parts from gathered rows; groups and tiles taken a few at a time, last first.
        for (const auto& [tokens, groups_at_once] : {std::pair<int64_t, int64_t>{21, 1}, {45, 2}}) {
            std::vector<int32_t> index;
            for (int32_t token = 0; token < tokens; ++token) index.push_back((token * 5) % 64);
            const AlignedBytes panel(panel_bytes(w.kernel.activation, isa, tokens, columns));
            const PanelSource source{
                .x = x.data(), .stride = columns, .row_index = index.data(), .tokens = tokens, .columns = columns};
            pack_panel(w.kernel.activation, isa, source, 10, tokens, panel.data());
            pack_panel(w.kernel.activation, isa, source, 0, 1, panel.data());
            pack_panel(w.kernel.activation, isa, source, 1, 10, panel.data());
            std::vector<float> out(size_t(tokens * rows));
            const int64_t group_bytes = w.kernel.group_bytes(type, columns);
            const int64_t groups = groups_of(w.kernel, rows);
            const int64_t tiles = panel_tiles(tokens, panel_tile_tokens(w.kernel.activation, isa, tokens));
            for (int64_t group = (groups - 1) / groups_at_once * groups_at_once; group >= 0; group -= groups_at_once) {
                for (int64_t tile = tiles; tile-- > 0;) {
                    const int64_t row = group * w.kernel.rows_per_group;
                    LinearJob job = w.job();
                    job.weights += group * group_bytes;
                    job.rows = std::min<int64_t>(groups_at_once * w.kernel.rows_per_group, rows - row);
                    job.panel = panel.data();
                    job.tokens = tokens;
                    job.tile_begin = tile;
                    job.tile_end = tile + 1;
                    job.out = out.data() + row;
                    job.out_stride = rows;
                    multiply(w.kernel, job);
                }
            }
            for (int64_t token = 0; token < tokens; ++token) {
                const float* wanted = alone.data() + index[size_t(token)] * (rows + 1);
                ASSERT_TRUE(same_bits(out.data() + token * rows, wanted, rows)) << tokens << " tokens";
            }
        }
    }
}

TEST_P(EveryTypeAndIsa, UnpacksWhatItPacked) {
    const auto [type, isa] = GetParam();
    const int64_t columns = std::max<int64_t>(info(type).block_elements, 1) * 7, rows = 21;
    const auto stored = random_rows(type, rows, columns, 5);
    const Matrix w(type, isa, stored, rows, columns);
    std::vector<float> expected(static_cast<size_t>(columns)), found(static_cast<size_t>(columns));
    for (int64_t row = 0; row < rows; ++row) {
        decode(type, stored.data() + row * row_bytes(type, columns), columns, expected.data());
        const int64_t group = row / w.kernel.rows_per_group;
        w.kernel.unpack_row(type, w.packed.data() + group * w.kernel.group_bytes(type, columns),
                            int(row % w.kernel.rows_per_group), columns, found.data());
        ASSERT_TRUE(same_bits(expected.data(), found.data(), columns)) << "row " << row;
    }
}

TEST_P(EveryTypeAndIsa, GivesEqualBitsInItsSmallestForm) {
    const auto [type, isa] = GetParam();
    const int64_t columns = 1280, rows = 37, tokens = 75;
    const auto stored = random_rows(type, rows, columns, 21);
    const auto x = random_activations(tokens, columns, 22);
    const Matrix usual(type, isa, stored, rows, columns);
    const Matrix small(smallest_linear_kernel(type, isa, columns), stored, rows, columns);
    EXPECT_LE(packed_bytes(small.kernel, rows, columns), packed_bytes(usual.kernel, rows, columns) + 64 * rows);
    const auto wanted = product(usual, isa, x.data(), tokens), found = product(small, isa, x.data(), tokens);
    ASSERT_EQ(wanted.size(), found.size());
    EXPECT_TRUE(same_bits(wanted.data(), found.data(), int64_t(found.size())));
    std::vector<float> expected(static_cast<size_t>(columns)), row_found(static_cast<size_t>(columns));
    decode(type, stored.data() + 20 * row_bytes(type, columns), columns, expected.data());
    const int64_t group = 20 / small.kernel.rows_per_group;
    small.kernel.unpack_row(type, small.packed.data() + group * small.kernel.group_bytes(type, columns),
                            int(20 % small.kernel.rows_per_group), columns, row_found.data());
    EXPECT_TRUE(same_bits(expected.data(), row_found.data(), columns));
}

// Memory that ends where the program may not read on, so that a byte too many ends the test.
class GuardedBytes {
public:
    explicit GuardedBytes(std::span<const std::byte> bytes) {
        const size_t page = size_t(sysconf(_SC_PAGESIZE)), room = (bytes.size() + page - 1) / page * page;
        size_ = room + page;
        memory_ =
            static_cast<std::byte*>(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        EXPECT_NE(memory_, MAP_FAILED);
        begin_ = memory_ + room - bytes.size();
        std::ranges::copy(bytes, begin_);
        EXPECT_EQ(mprotect(memory_ + room, page, PROT_NONE), 0);
    }
    GuardedBytes(const GuardedBytes&) = delete;
    GuardedBytes& operator=(const GuardedBytes&) = delete;
    ~GuardedBytes() { munmap(memory_, size_); }
    const std::byte* data() const { return begin_; }

private:
    std::byte *memory_, *begin_;
    size_t size_;
};

// As in a mapped file: rows without gaps, aligned to nothing, nothing to read behind the last one.
TEST_P(EveryTypeAndIsa, GivesEqualBitsWhereRowsStayInTheFile) {
    const auto [type, isa] = GetParam();
    const LinearKernel& kernel = stored_linear_kernel(type, isa, 512);
    EXPECT_TRUE(keeps_rows_as_stored(kernel));
    EXPECT_EQ(kernel.isa, linear_kernel(type, isa, 512).isa);
    std::vector<int64_t> widths = {512, 1280};
    if (info(type).block_elements <= 64) widths.push_back(3 * info(type).block_elements);
    if (info(type).block_elements == 1) widths.push_back(77);
    for (const int64_t columns : widths) {
        for (const int64_t rows : {1, 5, 16, 37}) {
            SCOPED_TRACE(testing::Message() << rows << " x " << columns);
            const auto stored = random_rows(type, rows, columns, uint64_t(31 + rows));
            const GuardedBytes file(stored);
            const AlignedBytes scratch(scratch_bytes(kernel, columns));
            const Matrix usual(type, isa, stored, rows, columns);
            for (const int64_t tokens : {1, 3, 75}) {
                const auto x = random_activations(tokens, columns, 32);
                const Panel panel(kernel.activation, isa, x.data(), tokens, columns);
                std::vector<float> found(size_t(tokens * (rows + 1)), kUntouched);
                multiply(kernel, {.weights = file.data(),
                                  .rows = rows,
                                  .columns = columns,
                                  .panel = panel.bytes.data(),
                                  .tokens = tokens,
                                  .out = found.data(),
                                  .out_stride = rows + 1,
                                  .scratch = scratch.data()});
                const auto wanted = product(usual, isa, x.data(), tokens);
                ASSERT_TRUE(same_bits(wanted.data(), found.data(), int64_t(found.size()))) << tokens << " tokens";
            }
            std::vector<float> expected(static_cast<size_t>(columns)), row(static_cast<size_t>(columns));
            decode(type, stored.data() + (rows - 1) * row_bytes(type, columns), columns, expected.data());
            const int64_t group = (rows - 1) / kernel.rows_per_group;
            kernel.unpack_row(type, file.data() + group * kernel.group_bytes(type, columns),
                              int((rows - 1) % kernel.rows_per_group), columns, row.data());
            EXPECT_TRUE(same_bits(expected.data(), row.data(), columns));
        }
    }
}

// Integer types: the recipe is the same in every row of the table, so are the bits.
class EveryIntegerTypeAndIsa : public testing::TestWithParam<std::tuple<DType, Isa>> {};

TEST_P(EveryIntegerTypeAndIsa, AgreesInBitsWithThePlainRow) {
    const auto [type, isa] = GetParam();
    const int64_t columns = 512 + (info(type).block_elements == 32 ? 32 : 0), rows = 17, tokens = 5;
    const auto stored = random_rows(type, rows, columns, 6);
    const auto x = random_activations(tokens, columns, 7);
    const auto fast = product(Matrix(type, isa, stored, rows, columns), isa, x.data(), tokens);
    const auto plain = product(Matrix(type, Isa::any, stored, rows, columns), Isa::any, x.data(), tokens);
    ASSERT_EQ(fast.size(), plain.size());
    for (size_t i = 0; i < fast.size(); ++i)
        ASSERT_TRUE(same_bits(&fast[i], &plain[i], 1)) << fast[i] << " " << plain[i];
}

TEST_P(EveryIntegerTypeAndIsa, HoldsTheLargestSumsThereCanBe) {
    const auto [type, isa] = GetParam();
    const int64_t columns = 512, rows = 16, tokens = 4;
    for (int fill : {0x00, 0x0F, 0x77, 0x7F, 0x80, 0x88, 0xF0, 0xFF}) {
        auto stored = random_rows(type, rows, columns, 11);
        fill_codes(type, stored, std::byte(fill));
        // Tokens: all codes 127, all -127, alternating by one and by two columns.
        std::vector<float> x(size_t(tokens * columns));
        for (int64_t k = 0; k < columns; ++k) {
            x[size_t(k)] = 1;
            x[size_t(columns + k)] = -1;
            x[size_t(2 * columns + k)] = k % 2 ? 1 : -1;
            x[size_t(3 * columns + k)] = k / 2 % 2 ? 1 : -1;
        }
        const auto fast = product(Matrix(type, isa, stored, rows, columns), isa, x.data(), tokens);
        const auto plain = product(Matrix(type, Isa::any, stored, rows, columns), Isa::any, x.data(), tokens);
        for (size_t i = 0; i < fast.size(); ++i) {
            ASSERT_TRUE(same_bits(&fast[i], &plain[i], 1)) << "fill " << fill << ": " << fast[i] << " " << plain[i];
        }
    }
}

// Recorded rows, among them every awkward one (zeros, outliers, subnormals, one-signed), times recorded float
// activations. Bounds: shared/reference/quants/README.md.
TEST_P(EveryTypeAndIsa, StaysWithinTheBoundsOfTheRecordedProducts) {
    NEED_SHARED("reference/quants/manifest.json");
    const auto [type, isa] = GetParam();
    std::string name(info(type).name);
    for (char& letter : name) letter = char(std::toupper(letter));
    NEED_SHARED("reference/quants/" + name + ".blocks.bin");
    const auto stored = test::read_bytes(test::shared_path("reference/quants/" + name + ".blocks.bin"));
    const auto acts = test::read_floats(test::shared_path("reference/quants/acts.f32"));
    const auto bytes = test::read_bytes(test::shared_path("reference/quants/" + name + ".matmul.f64"));
    std::vector<double> expected(bytes.size() / 8);
    std::memcpy(expected.data(), bytes.data(), bytes.size());
    const int64_t tokens = 3, columns = 1024, rows = int64_t(expected.size()) / tokens;
    const Matrix w(type, isa, stored, rows, columns);
    const auto out = product(w, isa, acts.data(), tokens);
    const double bound = w.kernel.activation == ActivationKind::q8_32 || w.kernel.activation == ActivationKind::q8_256
                             ? 4e-3
                         : w.kernel.activation == ActivationKind::bf16 ? 3e-4
                                                                       : 1e-6;
    std::vector<float> decoded(static_cast<size_t>(columns));
    for (int64_t row = 0; row < rows; ++row) {
        decode(type, stored.data() + row * row_bytes(type, columns), columns, decoded.data());
        for (int64_t token = 0; token < tokens; ++token) {
            double w2 = 0, a2 = 0;
            for (int64_t k = 0; k < columns; ++k) {
                w2 += double(decoded[size_t(k)]) * decoded[size_t(k)];
                a2 += double(acts[size_t(token * columns + k)]) * acts[size_t(token * columns + k)];
            }
            const double found = out[size_t(token * (rows + 1) + row)];
            ASSERT_LE(std::fabs(found - expected[size_t(row * tokens + token)]),
                      bound * std::sqrt(w2 * a2) + 0x1p-126 * 1024)
                << "row " << row << " token " << token;
        }
    }
}

std::vector<DType>
integer_types() {  // products of integers; float products differ by rounding where additions are fused
    std::vector<DType> types;
    for (DType type : weight_types()) {
        const ActivationKind kind = linear_kernel(type, Isa::any, 512).activation;
        if (kind == ActivationKind::q8_32 || kind == ActivationKind::q8_256) types.push_back(type);
    }
    return types;
}

std::string case_name(const testing::TestParamInfo<std::tuple<DType, Isa>>& test) {
    const auto [type, isa] = test.param;
    return std::string(info(type).name) + "_" + std::string(name_of(isa));
}
INSTANTIATE_TEST_SUITE_P(All, EveryTypeAndIsa,
                         testing::Combine(testing::ValuesIn(weight_types()), testing::ValuesIn(runnable_isas())),
                         case_name);
INSTANTIATE_TEST_SUITE_P(All, EveryIntegerTypeAndIsa,
                         testing::Combine(testing::ValuesIn(integer_types()), testing::ValuesIn(runnable_isas())),
                         case_name);

class EveryIsa : public testing::TestWithParam<Isa> {};

TEST_P(EveryIsa, QuantisesActivationsAsTheHeaderSays) {
    const Isa isa = GetParam();
    for (const auto& [kind, block] : {std::pair{ActivationKind::q8_32, 32}, std::pair{ActivationKind::q8_256, 256}}) {
        const int64_t columns = 1024, tokens = 11;
        auto x = random_activations(tokens, columns, 8);
        std::fill_n(x.begin() + 2 * columns, 256, 0.0f);    // an all-zero block
        std::fill_n(x.begin() + 3 * columns, 256, 1e-40f);  // too small to be worth a code
        std::fill_n(x.begin() + 4 * columns, 256, -2.5f);   // all at the end of the range
        for (int i = 0; i < 256; ++i)
            x[size_t(5 * columns + i)] = float(i % 255 - 127) * 0.5f;  // ties: codes and halves
        const Panel panel(kind, isa, x.data(), tokens, columns);
        const Panel plain(kind, Isa::any, x.data(), tokens, columns);
        for (int64_t token = 0; token < tokens; ++token) {
            for (int64_t at = 0; at < columns; at += block) {
                float amax = 0;
                for (int64_t k = at; k < at + block; ++k)
                    amax = std::max(amax, std::fabs(x[size_t(token * columns + k)]));
                for (int64_t k = at; k < at + block; ++k) {
                    const float value = x[size_t(token * columns + k)];
                    const float expected =
                        amax < 0x1p-120f ? 0 : float(std::nearbyint(value * (127.0f / amax))) * (amax / 127.0f);
                    const float found = panel_value(kind, isa, panel.bytes.data(), tokens, columns, token, k);
                    ASSERT_EQ(found, expected) << token << " " << k;
                    ASSERT_EQ(found, panel_value(kind, Isa::any, plain.bytes.data(), tokens, columns, token, k));
                }
            }
        }
    }
}

TEST_P(EveryIsa, LetsNanAndInfinityShow) {
    const Isa isa = GetParam();
    for (DType type : {DType::q8_0, DType::q4_k, DType::f32, DType::bf16}) {
        const auto stored = random_rows(type, 16, 512, 9);
        const Matrix w(type, isa, stored, 16, 512);
        for (float poison : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
            auto x = random_activations(1, 512, 10);
            x[300] = poison;
            const auto out = product(w, isa, x.data(), 1);
            for (int row = 0; row < 16; ++row) EXPECT_FALSE(std::isfinite(out[size_t(row)])) << name_of(type);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(All, EveryIsa, testing::ValuesIn(runnable_isas()),
                         [](const auto& param) { return std::string(name_of(param.param)); });

TEST(Isa, NamesAreParsedAndUnknownOnesRefused) {
    EXPECT_EQ(parse_isa("generic").value(), Isa::any);
    EXPECT_EQ(parse_isa(name_of(chosen_isa())).value(), chosen_isa());
    const auto unknown = parse_isa("sse9");
    ASSERT_FALSE(unknown);
    EXPECT_NE(unknown.error().line().find("avx512"), std::string::npos);
    for (Isa isa : kAllIsas) EXPECT_EQ(parse_isa(name_of(isa)).has_value(), machine_runs(isa)) << name_of(isa);
}

TEST(PanelTiles, CoverAllTokensWithWidthsThatDifferByOneAtMost) {
    for (int64_t tokens = 1; tokens <= 40; ++tokens) {
        int64_t next = 0;
        for (int64_t tile = 0; tile < panel_tiles(tokens, 8); ++tile) {
            const PanelTile each = panel_tile(tokens, 8, tile);
            EXPECT_EQ(each.first_token, next);
            EXPECT_GE(each.tokens, int(tokens / panel_tiles(tokens, 8)));
            EXPECT_LE(each.tokens, 8);
            next += each.tokens;
        }
        EXPECT_EQ(next, tokens);
    }
}

}  // namespace
}  // namespace hearth::cpu
