// How a real model's shape is written down: one table row per model, one function per family that turns a row into
// tensors and metadata. The rows come from the published configurations; every family's file holds its own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "library/catalogue.h"
#include "library/fills.h"
#include "tensor/dtype.h"

namespace hearth {

// A metadata value before it gets its prefix. Integers are unsigned 32-bit alone and signed 32-bit in lists, as loaders
// expect.
using ShapeValue =
    std::variant<bool, int64_t, double, std::string, std::vector<bool>, std::vector<int32_t>, std::vector<std::string>>;
using ShapeKeys = std::vector<std::pair<std::string, ShapeValue>>;

class ModelBuilder;

// Zero or empty means: the model has no such part. Letters of `kinds`: see the family's file.
struct Shape {
    std::string name;  // "qwen3.5:0.8b"
    std::string architecture, vocabulary;
    Purpose purpose = Purpose::text;
    std::string kinds;  // one letter per layer
    int64_t width = 0, feed_forward = 0;
    int64_t heads = 0, kv_heads = 0, head_width = 0;
    int64_t context = 0;
    double eps = 1e-6, rope_base = 0;
    std::string eps_key = "attention.layer_norm_rms_epsilon";
    std::string last_norm = "output_norm";  // empty: none behind the last layer
    bool is_tied = false;                   // the embedding also makes the logits
    int64_t experts = 0, experts_used = 0, expert_width = 0, shared_width = 0;
    int64_t dense_layers = 0;                  // before the first with experts
    int64_t value_heads = 0;                   // Gated DeltaNet
    int64_t mamba_heads = 0, mamba_width = 0;  // Mamba-2: heads and their width
    int64_t kv_heads_full = 0, window = 0;     // sliding-window families
    int64_t layers_with_own_kv = 0, per_layer_width = 0;
    bool has_wide_tail = false;
    int64_t rotated = 0;     // rotated values per head, 0: all
    double rope_factor = 0;  // Llama 3's divisors
    ShapeKeys more_keys;
    int64_t full_layers = 0;      // layers of the whole model; `kinds` may be cut shorter
    int64_t drafting_layers = 0;  // layers behind the last that predict one token further
    std::string drafts_for;       // the model that a drafter reads from, and that model's width
    int64_t trunk_width = 0;
    void (*build)(ModelBuilder&, const Shape&) = nullptr;
    bool can_draft = false;  // the family has a drafting layer to add
    bool starts_anywhere =
        false;  // any stretch of `kinds` is a model; the other families need the pattern from its start

    int64_t layers() const { return int64_t(kinds.size()); }
};

std::string repeated(std::string_view pattern, int64_t times);
std::string pattern_of_length(std::string_view pattern, int64_t length);

struct BuiltTensor {
    std::string name;
    std::vector<int64_t> shape;  // outermost first
    Fill fill;
    std::optional<DType> only;  // a type that does not depend on the mix

    int64_t elements() const;
};

// Collects what a family's function says. Matrices are given as (inputs, outputs) and kept as {outputs, inputs}.
class ModelBuilder {
public:
    // Tensors and keys of one block get `block` in front of their name: "blk.7." or "".
    explicit ModelBuilder(const Shape& shape);

    void key(std::string_view name, ShapeValue value);
    void matrix(const std::string& block, std::string_view name, int64_t inputs, int64_t outputs, double gain = 1.0);
    // gain: what the matrix does to the size of a vector's elements.
    void expert_matrix(const std::string& block, std::string_view name, int64_t inputs, int64_t outputs,
                       int64_t experts, double gain = 1.0, std::optional<DType> only = {});
    void small(const std::string& name, std::vector<int64_t> shape, Fill fill);
    void norm(const std::string& block, std::string_view name, int64_t width, double mean = 1.0);
    // Parts that several families share.
    void gated_feed_forward(const std::string& block, int64_t width, int64_t inner, double gain = 1.0,
                            std::string_view suffix = "");
    void bias(const std::string& block, std::string_view name, int64_t width);
    void router(const std::string& block, const Shape& shape);
    void gated_experts(const std::string& block, const Shape& shape, double gain = 1.0, std::optional<DType> only = {});

    // Embedding, output and their norm, the keys every architecture has; then the family's own part.
    static ModelBuilder built(const Shape& shape);

    const std::vector<std::pair<std::string, ShapeValue>>& keys() const { return keys_; }
    const std::vector<BuiltTensor>& tensors() const { return tensors_; }

private:
    std::string prefix_;
    ShapeKeys keys_;  // a key given twice keeps its place and takes the later value
    std::vector<BuiltTensor> tensors_;
};

// A few neighbouring layers that hold every kind of layer, as near to the real proportions as possible. Empty: not
// possible.
std::string fewer_layers(const Shape& shape, int64_t layers);
int64_t fewest_layers(const Shape& shape);

// One list of rows per family file.
std::vector<Shape> qwen35_shapes();
std::vector<Shape> gemma4_shapes();
std::vector<Shape> gemma3_shapes();
std::vector<Shape> nemotron_shapes();
std::vector<Shape> decoder_shapes();
std::vector<Shape> mistral4_shapes();
std::vector<Shape> lfm2_shapes();
std::vector<Shape> encoder_shapes();

}  // namespace hearth
