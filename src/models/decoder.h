// What nearly all published decoders have around and inside their layers: the table of embeddings and the output
// matrix, the counts of heads, the projections to queries, keys and values. What a layer does with them stays in the
// family's file.
#pragma once

#include <string>
#include <vector>

#include "models/model.h"
#include "models/rope.h"
#include "models/source.h"

namespace hearth {

// block_count, context_length, embedding_length, the name, and the vocabulary as the table of embeddings tells it.
ModelInfo read_info(Source& file);
// What the tensors came to; last, when all are loaded.
void count_weights(const Source& file, ModelInfo& info);

// Embedding, last norm and output matrix. Tied models have no output matrix: the embedding serves twice.
struct Ends {
    Weight embedding, output;
    Tensor norm;
};
Ends load_ends(Source& file, const ModelInfo& info, const std::string& norm = "output_norm.weight");
inline Tensor logits(Ops& ops, const Ends& w, Tensor x, float eps) {
    return ops.linear(ops.rms_norm(x, w.norm, eps), w.output ? w.output : w.embedding);
}

// Grouped-query attention: query head h uses key and value head h / (count / kv_count).
struct Heads {
    int64_t count = 0, kv_count = 0, width = 0;

    int64_t query_width() const { return count * width; }
    int64_t kv_width() const { return kv_count * width; }
    KvGeometry geometry(int64_t window = 0) const { return {kv_count, width, width, window}; }
};
// attention.{head_count, head_count_kv, key_length}; without the last, embedding_length is divided among the heads.
Heads read_heads(Source& file, int64_t hidden);

// Hybrids list attention.head_count_kv, with 0 for layers that do not attend: the heads of the others but for their
// kv_count, and that list.
Heads read_hybrid_heads(Source& file, int64_t hidden);
std::vector<int64_t> read_kv_heads(Source& file, int64_t layers, int64_t heads);

// A number that some files write once and others once per layer; all entries must agree.
int64_t uniform_entry(Source& file, std::string_view key, int64_t low, int64_t high);
int64_t uniform_entry_or(Source& file, std::string_view key, int64_t otherwise, int64_t low, int64_t high);

// Three matrices, or one whose rows are those of the three in order; biases where a file has them.
struct Qkv {
    Weight query, key, value, all;
    Tensor query_bias, key_bias, value_bias;
};
Qkv load_qkv(Source& file, const std::string& blk, const Heads& heads, int64_t hidden);

// For families whose files must have them: without, a model talks nonsense in good grammar.
void require_qkv_biases(Source& file, const std::string& blk);

struct QueryKeyValue {
    Tensor query, key, value;  // [tokens, heads, width]
};
QueryKeyValue project(Ops& ops, const Qkv& w, Tensor x, const Heads& heads);

// A bias that need not be there.
Tensor optional_bias(Source& file, const std::string& name, int64_t width);
inline Tensor with_bias(Ops& ops, Tensor x, const Tensor& bias) {
    return bias ? ops.add(x, bias) : x;
}

// rope.dimension_count: how many values of a head are rotated; all, unless the file says less.
int64_t read_rotated(Source& file, int64_t head_width);
// Divisors of the rotation speeds, one per pair; empty when the file has none.
std::vector<float> load_divisors(Source& file, const std::string& name, int64_t pairs);

}  // namespace hearth
