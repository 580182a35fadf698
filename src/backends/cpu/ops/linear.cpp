// Matrix products: the input is prepared once per kind of activation, then one parallel region goes over the row groups
// of all weights of the call.
#include <cassert>

#include "backends/cpu/cpu_ops.h"
#include "backends/tensor_access.h"
#include "tensor/decode.h"

namespace hearth::cpu {

namespace {

// Chunks per thread: enough that a thread which lost its core for a while leaves little behind.
constexpr int64_t kChunksPerThread = 12;
// Tokens of an expert whose results wait in a thread's own block until they are copied to their rows.
constexpr int64_t kBlockTokens = 128;

constexpr double kBytesPerMicrosecond = 20e3;      // weights streamed by one thread
constexpr double kProductsPerMicrosecond = 150e3;  // of one thread
constexpr double kFloatsQuantisedPerMicrosecond = 4e3;

// A chunk of groups that the kernels for many tokens take as a whole. It may go beyond the matrix's last group.
int64_t groups_multiplied_together(const LinearKernel& kernel, int64_t groups) {
    const int64_t at_once = kernel.slabs.unpack ? kernel.slabs.groups : 1;
    return (groups + at_once - 1) / at_once * at_once;
}

const CpuWeight& storage_of(const Weight& weight) {
    return static_cast<const CpuWeight&>(*weight.storage);
}

}  // namespace

struct CpuOps::Product {
    const Weight* weight;
    int64_t expert;
    const std::byte* panel;
    int64_t tokens;
    float* out;
    int64_t out_stride;
};

void CpuOps::weight_row(const Weight& weight, int64_t expert, int64_t row, float* out) const {
    const CpuWeight& stored = storage_of(weight);
    if (!stored.kernel) {
        decode(weight.type, stored.matrix(expert) + row * row_bytes(weight.type, weight.in), weight.in, out);
        return;
    }
    const LinearKernel& kernel = *stored.kernel;
    const std::byte* group =
        stored.matrix(expert) + row / kernel.rows_per_group * kernel.group_bytes(kernel.type, weight.in);
    kernel.unpack_row(kernel.type, group, int(row % kernel.rows_per_group), weight.in, out);
}

Tensor CpuOps::embed(const Step& step, const Weight& table) {
    Tensor y = make(step.tokens(), 1, table.in);
    if (planning()) return y;
    run(y.rows, 8, double(y.count()) / 1e3, [&](int64_t begin, int64_t end, int) {
        for (int64_t token = begin; token < end; ++token) {
            const int32_t source = step.source[size_t(token)];
            float* to = head_at(y, token, 0);
            if (source >= 0) {
                assert(source < table.out);
                weight_row(table, 0, source, to);
                if (table.scale != 1) kernels_.multiply_value(to, table.scale, to, table.in);
            } else {
                const Tensor& rows = step.embeddings;
                assert(-1 - source < rows.rows && rows.columns() == table.in);
                for (int64_t head = 0; head < rows.heads_count; ++head)
                    std::copy_n(head_at(rows, -1 - source, head), rows.width, to + head * rows.width);
            }
        }
    });
    return y;
}

// A table that is only looked up lies as stored, and a part that begins and ends with its blocks is decoded alone.
Tensor CpuOps::embed_part(const Step& step, const Weight& table, int64_t begin, int64_t width) {
    assert(begin >= 0 && width > 0 && begin + width <= table.in);
    Tensor y = make(step.tokens(), 1, width);
    const Scratch temporary = scratch();
    const int64_t block = info(table.type).block_elements;
    const bool is_alone = !storage_of(table).kernel && begin % block == 0 && width % block == 0;
    const int64_t decoded = is_alone ? width : table.in;
    float* rows = is_alone ? nullptr : arena().take(aligned(table.in * 4) / 4 * threads_);
    if (planning()) return y;
    run(y.rows, 8, double(y.rows * decoded) / 1e3, [&](int64_t first, int64_t last, int thread) {
        for (int64_t token = first; token < last; ++token) {
            const int32_t id = std::max(0, step.source[size_t(token)]);
            assert(id < table.out);
            float* to = head_at(y, token, 0);
            if (is_alone) {
                decode(
                    table.type,
                    storage_of(table).matrix(0) + id * row_bytes(table.type, table.in) + row_bytes(table.type, begin),
                    width, to);
            } else {
                float* row = rows + thread * (aligned(table.in * 4) / 4);
                weight_row(table, 0, id, row);
                std::copy_n(row + begin, width, to);
            }
            if (table.scale != 1) kernels_.multiply_value(to, table.scale, to, width);
        }
    });
    return y;
}

Tensor CpuOps::with_touching_heads(Tensor x) {
    if (x.heads_touch()) return x;
    Tensor copy = make_like(x);
    if (!planning())
        for (int64_t row = 0; row < x.rows; ++row)
            for (int64_t head = 0; head < x.heads_count; ++head)
                std::copy_n(head_at(x, row, head), x.width, head_at(copy, row, head));
    return copy;
}

// Cuts every product into chunks of rows of about equal bytes, and of tokens where rows alone are too few.
void CpuOps::run_products(std::span<const Product> products) {
    double microseconds = 0;
    int64_t bytes = 0;
    for (const Product& product : products) {
        bytes += storage_of(*product.weight).matrix_bytes;
        microseconds += double(storage_of(*product.weight).matrix_bytes) / kBytesPerMicrosecond +
                        double(product.tokens * product.weight->out * product.weight->in) / kProductsPerMicrosecond;
    }
    const int64_t wanted = microseconds < kWorthSharing ? 1 : kChunksPerThread * threads_;
    const int64_t chunk_bytes = std::max<int64_t>(1, bytes / wanted);

    struct Cut {
        const LinearKernel* kernel;
        int64_t group_bytes, groups, groups_per_chunk, row_chunks, tiles, tiles_per_chunk, tile_chunks;
    };
    std::vector<Cut> cuts;
    int64_t scratch_bytes = 0, chunks = 0;
    for (const Product& product : products) {
        const Weight& weight = *product.weight;
        Cut cut{.kernel = storage_of(weight).kernel};
        assert(cut.kernel);
        cut.group_bytes = cut.kernel->group_bytes(cut.kernel->type, weight.in);
        cut.groups = groups_of(*cut.kernel, weight.out);
        cut.groups_per_chunk = std::clamp<int64_t>(chunk_bytes / cut.group_bytes, 1, cut.groups);
        if (are_many(product.tokens))
            cut.groups_per_chunk = groups_multiplied_together(*cut.kernel, cut.groups_per_chunk);
        cut.row_chunks = (cut.groups + cut.groups_per_chunk - 1) / cut.groups_per_chunk;
        const int tile_tokens = panel_tile_tokens(cut.kernel->activation, cut.kernel->isa, product.tokens);
        cut.tiles = panel_tiles(product.tokens, tile_tokens);
        const int64_t share = std::max<int64_t>(1, wanted * cut.groups * cut.group_bytes / std::max<int64_t>(1, bytes));
        cut.tile_chunks = std::clamp<int64_t>(share / cut.row_chunks, 1, cut.tiles);
        cut.tiles_per_chunk = (cut.tiles + cut.tile_chunks - 1) / cut.tile_chunks;
        cut.tile_chunks = (cut.tiles + cut.tiles_per_chunk - 1) / cut.tiles_per_chunk;
        scratch_bytes = std::max(scratch_bytes, aligned(cpu::scratch_bytes(*cut.kernel, weight.in)));
        chunks += cut.row_chunks * cut.tile_chunks;
        cuts.push_back(cut);
    }
    std::byte* scratch = take_bytes(scratch_bytes * threads_);
    if (planning()) return;

    const auto work = [&](int64_t begin, int64_t end, int thread) {
        for (int64_t chunk = begin; chunk < end; ++chunk) {
            size_t index = 0;
            int64_t place = chunk;
            while (place >= cuts[index].row_chunks * cuts[index].tile_chunks)
                place -= cuts[index].row_chunks * cuts[index].tile_chunks, ++index;
            const Cut& cut = cuts[index];
            const Product& product = products[index];
            const int64_t group = place / cut.tile_chunks * cut.groups_per_chunk;
            const int64_t row = group * cut.kernel->rows_per_group;
            const int64_t rows = std::min(cut.groups_per_chunk * cut.kernel->rows_per_group, product.weight->out - row);
            const int64_t tile = place % cut.tile_chunks * cut.tiles_per_chunk;
            const CpuWeight& stored = storage_of(*product.weight);
            cpu::multiply(*cut.kernel, {.weights = stored.matrix(product.expert) + group * cut.group_bytes,
                                        .rows = rows,
                                        .columns = product.weight->in,
                                        .panel = product.panel,
                                        .tokens = product.tokens,
                                        .tile_begin = tile,
                                        .tile_end = std::min(cut.tiles, tile + cut.tiles_per_chunk),
                                        .out = product.out + row,
                                        .out_stride = product.out_stride,
                                        .scratch = scratch + thread * scratch_bytes});
        }
    };
    run(chunks, 1, microseconds, work);
}

void CpuOps::linear(Tensor x, std::span<const Weight* const> weights, std::span<Tensor> results) {
    assert(weights.size() == results.size());
    for (size_t i = 0; i < weights.size(); ++i) {
        assert(x.columns() == weights[i]->in && weights[i]->experts == 1);
        results[i] = make(x.rows, 1, weights[i]->out);
    }
    if (x.rows == 0) return;
    const Scratch temporary = scratch();
    x = with_touching_heads(x);
    struct Panel {
        ActivationKind kind;
        Isa isa;
        std::byte* bytes;
    };
    std::vector<Panel> panels;
    std::vector<Product> products;
    for (size_t i = 0; i < weights.size(); ++i) {
        const LinearKernel& kernel = *storage_of(*weights[i]).kernel;
        const std::byte* panel = nullptr;
        for (const Panel& made : panels)
            if (made.kind == kernel.activation && made.isa == kernel.isa) panel = made.bytes;
        if (!panel) {
            panels.push_back({kernel.activation, kernel.isa,
                              take_bytes(panel_bytes(kernel.activation, kernel.isa, x.rows, x.columns()))});
            panel = panels.back().bytes;
        }
        products.push_back({weights[i], 0, panel, x.rows, results[i].data, results[i].row_stride});
    }
    if (!planning()) {
        const PanelSource source{.x = x.data, .stride = x.row_stride, .tokens = x.rows, .columns = x.columns()};
        for (const Panel& panel : panels)
            run(x.rows, panel_tile_tokens(panel.kind, panel.isa, x.rows),
                double(x.count()) / kFloatsQuantisedPerMicrosecond, [&](int64_t begin, int64_t end, int) {
                    pack_panel(panel.kind, panel.isa, source, begin, end, panel.bytes);
                });
    }
    run_products(products);
}

Tensor CpuOps::head_linear(Tensor x, const Weight& per_head) {
    assert(x.heads_count == per_head.experts && x.width == per_head.in);
    Tensor y = make(x.rows, x.heads_count, per_head.out);
    if (x.rows == 0) return y;
    const Scratch temporary = scratch();
    const LinearKernel& kernel = *storage_of(per_head).kernel;
    const int64_t bytes = panel_bytes(kernel.activation, kernel.isa, x.rows, x.width);
    std::byte* panels = take_bytes(bytes * x.heads_count);
    std::vector<Product> products;
    for (int64_t head = 0; head < x.heads_count; ++head)
        products.push_back({&per_head, head, panels ? panels + head * bytes : nullptr, x.rows,
                            y.data ? head_at(y, 0, head) : nullptr, y.row_stride});
    if (!planning())
        run(x.heads_count, 1, double(x.count()) / kFloatsQuantisedPerMicrosecond, [&](int64_t begin, int64_t end, int) {
            for (int64_t head = begin; head < end; ++head)
                pack_panel(kernel.activation, kernel.isa,
                           {.x = head_at(x, 0, head), .stride = x.row_stride, .tokens = x.rows, .columns = x.width}, 0,
                           x.rows, panels + head * bytes);
        });
    run_products(products);
    return y;
}

// Tokens are grouped by expert, each group has its panel; work items are (expert, rows). Results return to their places
// while they are still in the cache.
Tensor CpuOps::expert_linear(Tensor x, const Weight& stack, const Routing& routing) {
    const int64_t used = routing.ids.width, rows = routing.ids.rows * used;
    assert(x.columns() == stack.in && stack.experts == routing.experts &&
           (x.rows == rows || x.rows == routing.ids.rows));
    Tensor y = make(rows, 1, stack.out);
    if (rows == 0) return y;
    const Scratch temporary = scratch();
    x = with_touching_heads(x);
    const CpuWeight& stored = storage_of(stack);
    const LinearKernel& kernel = *stored.kernel;
    const int64_t group_bytes = kernel.group_bytes(kernel.type, stack.in), groups = groups_of(kernel, stack.out);
    const int64_t scratch_bytes = aligned(cpu::scratch_bytes(kernel, stack.in));

    // Chunk sizes may depend on everything but the choice of experts: a plan must come to the same memory.
    const int64_t most_experts = std::min(stack.experts, rows);
    const int64_t groups_per_chunk = groups_multiplied_together(
        kernel,
        std::clamp<int64_t>(most_experts * groups / (kChunksPerThread * threads_), 1, std::min<int64_t>(groups, 16)));
    const int64_t chunk_rows = groups_per_chunk * kernel.rows_per_group;
    const int64_t block_floats = aligned(kBlockTokens * chunk_rows * 4) / 4;

    // Room for the panels however the tokens spread: a panel rounds its bytes up to a line.
    std::byte* panels = take_bytes(rows * token_bytes(kernel.activation, stack.in) + most_experts * kHostAlignment);
    auto* order = reinterpret_cast<int32_t*>(take_bytes(rows * 4));    // result rows, expert by expert
    auto* sources = reinterpret_cast<int32_t*>(take_bytes(rows * 4));  // and the rows of x they come from
    std::byte* scratch_memory = take_bytes(scratch_bytes * threads_);
    float* blocks = arena().take(block_floats * threads_);
    if (planning()) return y;

    struct Share {  // what one expert does
        int64_t expert, first, tokens;
        std::byte* panel;
    };
    std::vector<int64_t> begins(size_t(stack.experts + 1), 0);
    for (int64_t row = 0; row < rows; ++row) ++begins[size_t(id_at(routing.ids, row / used, row % used)) + 1];
    std::vector<Share> shares;
    for (int64_t expert = 0; expert < stack.experts; ++expert) {
        if (const int64_t tokens = begins[size_t(expert) + 1]) {
            shares.push_back({expert, begins[size_t(expert)], tokens, panels});
            panels += panel_bytes(kernel.activation, kernel.isa, tokens, stack.in);
        }
        begins[size_t(expert) + 1] += begins[size_t(expert)];
    }
    for (int64_t row = 0; row < rows; ++row) {
        const int64_t place = begins[size_t(id_at(routing.ids, row / used, row % used))]++;
        order[place] = int32_t(row);
        sources[place] = int32_t(x.rows == rows ? row : row / used);
    }

    run(int64_t(shares.size()), 1, double(rows * stack.in) / kFloatsQuantisedPerMicrosecond,
        [&](int64_t begin, int64_t end, int) {
            for (int64_t i = begin; i < end; ++i) {
                const Share& share = shares[size_t(i)];
                pack_panel(kernel.activation, kernel.isa,
                           {.x = x.data,
                            .stride = x.row_stride,
                            .row_index = sources + share.first,
                            .tokens = share.tokens,
                            .columns = stack.in},
                           0, share.tokens, share.panel);
            }
        });

    const int64_t chunks = (groups + groups_per_chunk - 1) / groups_per_chunk;
    const double microseconds = double(int64_t(shares.size()) * stored.matrix_bytes) / kBytesPerMicrosecond +
                                double(rows * stack.out * stack.in) / kProductsPerMicrosecond;
    run(int64_t(shares.size()) * chunks, 1, microseconds, [&](int64_t begin, int64_t end, int thread) {
        float* block = blocks + thread * block_floats;
        for (int64_t item = begin; item < end; ++item) {
            const Share& share = shares[size_t(item / chunks)];
            const int64_t group = item % chunks * groups_per_chunk, row = group * kernel.rows_per_group;
            LinearJob job{.weights = stored.matrix(share.expert) + group * group_bytes,
                          .rows = std::min(chunk_rows, stack.out - row),
                          .columns = stack.in,
                          .panel = share.panel,
                          .tokens = share.tokens,
                          .scratch = scratch_memory + thread * scratch_bytes};
            const float scale = stack.scales ? value_at(stack.scales, 0, share.expert) : 1;
            if (share.tokens == 1) {
                job.out = head_at(y, order[share.first], 0) + row;
                job.out_stride = y.row_stride;
                cpu::multiply(kernel, job);
                if (scale != 1) kernels_.multiply_value(job.out, scale, job.out, job.rows);
                continue;
            }
            const int tile_tokens = panel_tile_tokens(kernel.activation, kernel.isa, share.tokens);
            const int64_t tiles = panel_tiles(share.tokens, tile_tokens), block_tiles = kBlockTokens / tile_tokens;
            for (int64_t tile = 0; tile < tiles; tile += block_tiles) {
                job.tile_begin = tile;
                job.tile_end = std::min(tiles, tile + block_tiles);
                const PanelTile last = panel_tile(share.tokens, tile_tokens, job.tile_end - 1);
                const int64_t first_token = panel_tile(share.tokens, tile_tokens, tile).first_token;
                // The kernel counts tokens from the panel's first; ours begin at `first_token`.
                job.out = block - first_token * chunk_rows;
                job.out_stride = chunk_rows;
                cpu::multiply(kernel, job);
                for (int64_t token = first_token; token < last.first_token + last.tokens; ++token)
                    kernels_.multiply_value(block + (token - first_token) * chunk_rows, scale,
                                            head_at(y, order[share.first + token], 0) + row, job.rows);
            }
        }
    });
    return y;
}

}  // namespace hearth::cpu
