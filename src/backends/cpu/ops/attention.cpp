// Attention over the paged cache. The order of float operations of one query is fixed by absolute key positions alone:
//   tiles of 64 keys at multiples of 64; in a tile a score is a chain of FMAs over the width, then one maximum, one
//   rescale, one sum in lane order, and a chain of FMAs over the keys for every value dimension; parts of 512 keys,
//   each from scratch, merged in ascending order.
// Which queries share a tile, which thread takes it and whether parts are computed side by side changes nothing.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <utility>

#include "backends/cpu/cpu_ops.h"
#include "backends/kv_page.h"
#include "backends/tensor_access.h"

namespace hearth::cpu {

namespace {

struct VisibleKeys {
    int64_t begin, end;
};

// Running softmax of some query rows: maximum, sum of weights, weighted sums of values.
struct PartialRows {
    float *largest, *total, *sums;
    int64_t stride;  // value width rounded up to whole vectors of any kernel

    PartialRows from_row(int64_t row) const { return {largest + row, total + row, sums + row * stride, stride}; }
    void clear(int64_t rows) const {
        std::fill_n(largest, rows, -INFINITY);
        std::fill_n(total, rows, 0.0f);
        std::fill_n(sums, rows * stride, 0.0f);
    }
};

struct AttentionTile {
    const AttentionRule* rule;
    KvType type;
    int64_t key_width, value_width;
    const std::byte *key_tile, *value_tile;
    int64_t rows;
    const float* queries;        // packed
    const VisibleKeys* visible;  // per row, in this tile
    PartialRows to;
    float *wide_keys, *wide_values;  // room for one tile
};

constexpr int64_t kKeyRun = 16;  // tokens whose keys are turned together

struct AttentionKernels {
    void (*attend)(const AttentionTile& tile);
    void (*pack_queries)(const float* const* rows, int64_t count, int64_t key_width, float* packed);
    void (*merge)(const PartialRows& part, int64_t rows, const PartialRows& into);
    void (*finish)(const PartialRows& rows, int64_t row, const float* sink, int64_t width, float* out);
    // f32 and f16 only
    void (*put_keys)(const float* keys, int64_t key_stride, int64_t count, KvType type, int64_t width, int64_t place,
                     std::byte* tile);  // at most kKeyRun
    void (*put_value)(const float* value, KvType type, int64_t width, int64_t token, std::byte* tile);
};

}  // namespace

}  // namespace hearth::cpu

#define KERNELS "backends/cpu/ops/attention_kernels.inc"
#define KERNEL_TABLE kAttention
#include "backends/cpu/ops/every_row.inc"

namespace hearth::cpu {

namespace {

constexpr int64_t kTileRows = 96;       // query rows (tokens times heads of a kv head) that share a widened tile
constexpr int64_t kSplitTokens = 8;     // up to so many tokens of a sequence, its parts are computed side by side,
constexpr int64_t kPartialRows = 4096;  // in waves whose results fit here: no context is too long
constexpr int64_t kMergedRows =
    kPartialRows / 4;  // query rows so treated; with more there is enough to share out without
constexpr double kProductsPerMicrosecond = 40e3;

// The keys a query sees: all rules together leave one range of cache indices.
VisibleKeys visible_keys(const AttentionRule& rule, const SequenceStep& sequence, int64_t query, int64_t span_end) {
    VisibleKeys keys{0, sequence.past + sequence.tokens};
    if (rule.causal) keys.end = std::min(keys.end, std::max(query + 1, span_end));
    if (rule.window > 0) {
        keys.begin = std::max(keys.begin, query - rule.window + (rule.symmetric_window ? 0 : 1));
        if (rule.symmetric_window) keys.end = std::min(keys.end, query + rule.window + 1);
    }
    if (rule.chunk > 0) {
        keys.begin = std::max(keys.begin, query / rule.chunk * rule.chunk);
        keys.end = std::min(keys.end, (query / rule.chunk + 1) * rule.chunk);
    }
    return keys;
}

int64_t parts_of(const SequenceStep& sequence) {
    return (sequence.past + sequence.tokens + kPartTokens - 1) / kPartTokens;
}
bool can_split(const SequenceStep& sequence) {
    return sequence.tokens <= kSplitTokens && parts_of(sequence) > 1;
}

struct Item {
    const SequenceStep* sequence;
    int64_t kv_head, token, tokens;  // token: row of the step
    int64_t part_begin, part_end;
    int64_t first_partial = -1;  // of its rows among the partial results; -1: it finishes by itself
};

// Query rows whose parts are computed side by side: what they came to in earlier waves.
struct Split {
    Item whole;
    int64_t merged_row;
    int64_t first_partial, parts;  // of this wave
};

}  // namespace

Tensor CpuOps::attention(Tensor q, Tensor k, Tensor v, const AttentionRule& rule, const KvLayer& kv, const Step& step) {
    const KvGeometry& geometry = kv.geometry;
    assert(q.rows == step.tokens() && q.width == geometry.key_width && q.heads_count % geometry.kv_heads == 0);
    assert(!k || (k.rows == q.rows && k.heads_count == geometry.kv_heads && k.width == geometry.key_width));
    assert(!k || (v.rows == q.rows && v.heads_count == geometry.kv_heads && v.width == geometry.value_width));
    const int64_t heads = q.heads_count, kv_heads = geometry.kv_heads, sharing = heads / kv_heads;
    Tensor y = make(q.rows, heads, geometry.value_width);
    const Scratch temporary = scratch();

    // Memory: for every thread the rows of one item, and room for partial results. It depends on the geometry alone,
    // never on the step: any plan covers any step.
    const int64_t stride = (geometry.value_width + 15) / 16 * 16;
    const int64_t tile_tokens = std::max<int64_t>(1, kTileRows / sharing), most_rows = tile_tokens * sharing;
    const int64_t floats_per_thread = aligned(4 * (kPageTokens * (geometry.key_width + stride) +
                                                   most_rows * geometry.key_width + 2 * most_rows * (stride + 2))) /
                                      4;
    float* room = arena().take(floats_per_thread * threads_);
    const auto take_partials = [&](int64_t rows) {
        float *largest = arena().take(rows), *total = arena().take(rows);
        return PartialRows{largest, total, arena().take(rows * stride), stride};
    };
    const PartialRows partials = take_partials(kPartialRows), all_merged = take_partials(kMergedRows);
    if (planning()) return y;
    if (k) append_to_cache(k, v, kv, step);

    int64_t split_rows = 0;
    for (const SequenceStep& sequence : step.sequences)
        if (can_split(sequence)) split_rows += sequence.tokens * heads;
    const bool splits_any = split_rows > 0 && split_rows <= kMergedRows;
    const int64_t wave_parts = splits_any ? kPartialRows / split_rows : 0;

    std::vector<Item> items;
    std::vector<Split> splits;
    double products = 0;
    int64_t merged_rows = 0, most_parts = 0;
    for (const SequenceStep& sequence : step.sequences) {
        products += double(sequence.tokens * heads) * double(sequence.past + sequence.tokens) *
                    double(geometry.key_width + geometry.value_width);
        for (int64_t kv_head = 0; kv_head < kv_heads; ++kv_head)
            for (int64_t t = 0; t < sequence.tokens; t += tile_tokens) {
                const int64_t tokens = std::min(tile_tokens, sequence.tokens - t);
                const Item item{&sequence, kv_head, sequence.first_token + t, tokens, 0, parts_of(sequence)};
                if (splits_any && can_split(sequence)) {
                    splits.push_back({item, std::exchange(merged_rows, merged_rows + tokens * sharing), 0, 0});
                    most_parts = std::max(most_parts, item.part_end);
                } else {
                    items.push_back(item);
                }
            }
    }
    // The last tiles of a causal prompt see the most keys: begin with them, so that the end is smooth.
    std::reverse(items.begin(), items.end());

    const AttentionKernels& kernels = *kEveryRow.at(isa_);
    const auto sink_of = [&](int64_t head) { return rule.sinks ? &value_at(rule.sinks, 0, head) : nullptr; };
    const auto work = [&](int64_t begin, int64_t end, int thread) {
        float* at = room + thread * floats_per_thread;
        const auto take = [&](int64_t floats) { return std::exchange(at, at + floats); };
        AttentionTile tile{.rule = &rule,
                           .type = kv.type,
                           .key_width = geometry.key_width,
                           .value_width = geometry.value_width,
                           .wide_keys = take(kPageTokens * geometry.key_width),
                           .wide_values = take(kPageTokens * stride)};
        float* queries = take(most_rows * geometry.key_width);
        const auto take_rows = [&] {
            float *largest = take(most_rows), *total = take(most_rows);
            return PartialRows{largest, total, take(most_rows * stride), stride};
        };
        const PartialRows current = take_rows(), merged = take_rows();
        std::vector<const float*> rows(static_cast<size_t>(most_rows));
        std::vector<VisibleKeys> seen(static_cast<size_t>(most_rows)), in_tile(static_cast<size_t>(most_rows));
        tile.queries = queries;
        tile.visible = in_tile.data();

        for (int64_t index = begin; index < end; ++index) {
            const Item& item = items[size_t(index)];
            const auto pages = item.sequence->pages[size_t(kv.group)];
            tile.rows = item.tokens * sharing;
            VisibleKeys all{INT64_MAX, 0};
            for (int64_t row = 0; row < tile.rows; ++row) {
                const int64_t token = item.token + row / sharing, head = item.kv_head * sharing + row % sharing;
                rows[size_t(row)] = head_at(q, token, head);
                const int64_t span_end = step.span_end.empty() ? 0 : step.span_end[size_t(token)];
                seen[size_t(row)] = visible_keys(rule, *item.sequence, step.kv_index[size_t(token)], span_end);
                all.begin = std::min(all.begin, seen[size_t(row)].begin);
                all.end = std::max(all.end, seen[size_t(row)].end);
            }
            kernels.pack_queries(rows.data(), tile.rows, geometry.key_width, queries);
            const bool split = item.first_partial >= 0;
            tile.to = split ? partials.from_row(item.first_partial) : current;
            if (!split) merged.clear(tile.rows);
            for (int64_t part = item.part_begin; part < item.part_end; ++part) {
                const int64_t first = std::max(all.begin, part * kPartTokens),
                              last = std::min(all.end, (part + 1) * kPartTokens);
                if (first >= last && !split) continue;
                tile.to.clear(tile.rows);
                for (int64_t start = first / kPageTokens * kPageTokens; start < last; start += kPageTokens) {
                    for (int64_t row = 0; row < tile.rows; ++row)
                        in_tile[size_t(row)] = {std::clamp<int64_t>(seen[size_t(row)].begin - start, 0, kPageTokens),
                                                std::clamp<int64_t>(seen[size_t(row)].end - start, 0, kPageTokens)};
                    const std::byte* page = page_of(kv, pages, start);
                    tile.key_tile = page + key_tile(geometry, kv.type, item.kv_head);
                    tile.value_tile = page + value_tile(geometry, kv.type, item.kv_head);
                    kernels.attend(tile);
                }
                if (!split) kernels.merge(tile.to, tile.rows, merged);
            }
            if (split) continue;
            for (int64_t row = 0; row < tile.rows; ++row) {
                const int64_t head = item.kv_head * sharing + row % sharing;
                kernels.finish(merged, row, sink_of(head), geometry.value_width,
                               head_at(y, item.token + row / sharing, head));
            }
        }
    };
    const auto merge = [&](int64_t begin, int64_t end, int) {
        for (int64_t index = begin; index < end; ++index) {
            const Split& split = splits[size_t(index)];
            const Item& item = split.whole;
            const int64_t count = item.tokens * sharing;
            const PartialRows merged = all_merged.from_row(split.merged_row);
            for (int64_t part = 0; part < split.parts; ++part)
                kernels.merge(partials.from_row(split.first_partial + part * count), count, merged);
            if (item.part_begin < item.part_end) continue;
            for (int64_t row = 0; row < count; ++row) {
                const int64_t head = item.kv_head * sharing + row % sharing;
                kernels.finish(merged, row, sink_of(head), geometry.value_width,
                               head_at(y, item.token + row / sharing, head));
            }
        }
    };

    all_merged.clear(merged_rows);
    for (int64_t wave = 0; wave == 0 || wave * wave_parts < most_parts; ++wave) {
        int64_t first_partial = 0;
        if (wave > 0) items.clear();
        for (Split& split : splits) {
            split.first_partial = first_partial;
            split.parts = std::min(wave_parts, split.whole.part_end - split.whole.part_begin);
            for (int64_t part = 0; part < split.parts; ++part, ++split.whole.part_begin) {
                Item item = split.whole;
                item.part_end = item.part_begin + 1;
                item.first_partial = std::exchange(first_partial, first_partial + item.tokens * sharing);
                items.push_back(item);
            }
        }
        run(int64_t(items.size()), 1, products / kProductsPerMicrosecond, work);
        run(int64_t(splits.size()), 1, double(first_partial * stride) / 8e3, merge);
    }
    return y;
}

// Tokens write disjoint bytes of their pages, so any split will do.
void CpuOps::append_to_cache(Tensor k, Tensor v, const KvLayer& kv, const Step& step) {
    const KvGeometry& geometry = kv.geometry;
    const AttentionKernels& kernels = *kEveryRow.at(isa_);
    const bool is_plain = kv.type == KvType::f32 || kv.type == KvType::f16;
    run(k.rows, kKeyRun, double(k.count() + v.count()) / (is_plain ? 4e3 : 200), [&](int64_t begin, int64_t end, int) {
        for (int64_t token = begin; token < end;) {
            const SequenceStep& sequence = step.sequences[size_t(step.sequence[size_t(token)])];
            const int64_t at = step.kv_index[size_t(token)], place = at % kPageTokens;
            const int64_t most =
                std::min({end, sequence.first_token + sequence.tokens, token + std::min(kKeyRun, kPageTokens - place)});
            int64_t count = 1;
            while (token + count < most && step.kv_index[size_t(token + count)] == at + count) ++count;
            std::byte* page = page_of(kv, sequence.pages[size_t(kv.group)], at);
            for (int64_t head = 0; head < geometry.kv_heads; ++head) {
                if (is_plain)
                    kernels.put_keys(head_at(k, token, head), k.row_stride, count, kv.type, geometry.key_width, place,
                                     page + key_tile(geometry, kv.type, head));
                for (int64_t i = 0; i < count; ++i) {
                    const float* value = head_at(v, token + i, head);
                    if (is_plain) {
                        kernels.put_value(value, kv.type, geometry.value_width, place + i,
                                          page + value_tile(geometry, kv.type, head));
                    } else {
                        put_key(kv, page, head, place + i, head_at(k, token + i, head));
                        put_value(kv, page, head, place + i, value);
                    }
                }
            }
            token += count;
        }
    });
}

}  // namespace hearth::cpu
