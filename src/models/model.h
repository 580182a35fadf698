// What the engine knows of a model: its size, what each layer keeps between steps, and three calls. The engine owns the
// loop over the layers, so that layers may live on different devices.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "files/checkpoint.h"
#include "ops/backend.h"
#include "ops/ops.h"

namespace hearth {

struct ModelInfo {
    std::string architecture;
    std::string name;  // general.name of the file
    int64_t layers = 0, hidden = 0, vocabulary = 0;
    int64_t context_tokens = 0;       // what the model was made for
    std::string chosen_by_context;    // what the context it was loaded for decided about it; empty: nothing
    int64_t parameters = 0;           // elements of the tensors that were loaded
    double bytes_per_token = 0;       // of stored weights that one decoded token reads
    double operations_per_token = 0;  // multiplications and additions of the layers' matrix products
    bool is_causal = true;            // false: every token sees the whole text, which is then read in one pass
    bool generates = true;            // false: no output matrix, the model gives embeddings or scores only
    int64_t scores = 0;               // values of the classification head; 0: it has none
    bool has_softmax_scores = false;  // the scores are meant as shares of one
};

// What a layer keeps of a sequence between steps: keys and values, or recurrent state, or nothing.
struct LayerNeeds {
    std::optional<KvGeometry> kv;
    std::vector<int64_t> state_floats;  // one entry per recurrent quantity
    int64_t shares_kv_of = -1;          // an earlier layer with a `kv`, whose keys and values this one reads instead
};

// What a layer gets beside x.
struct LayerState {
    const KvLayer* kv = nullptr;
    std::span<const StateBuffer> recurrent;
    Tensor side_input;
};

// What can be read of a token after the last layer.
enum class RowKind : uint8_t {
    logits,
    hidden,  // the final norm's output: what embeddings are pooled from
    scores,  // the classification head's, of a token that stands for its text
};

class Model {
public:
    virtual ~Model() = default;
    const ModelInfo& info() const { return info_; }
    virtual std::vector<LayerNeeds> needs() const = 0;

    virtual Tensor embed(Ops& ops, const Step& step) const = 0;
    // What all layers read beside x, made once per step of the embeddings before they change; empty: nothing. It goes
    // where x goes.
    virtual Tensor side_input(Ops&, Tensor /*embeddings*/, const Step&) const { return {}; }
    virtual void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const = 0;
    virtual Tensor head(Ops& ops, Tensor x) const = 0;  // rows of the last layer -> logits
    // Likewise -> hidden rows and scores. Empty tensors: the family has none.
    virtual Tensor hidden(Ops&, Tensor) const { return {}; }
    virtual Tensor classify(Ops&, Tensor) const { return {}; }

protected:
    ModelInfo info_;
};

// Builds the model a checkpoint describes. Everything that is missing or of the wrong shape is named in one report.
// `progress` is told the share of the file that is done; it returns false to give up. `context_tokens`: the context a
// sequence will have, on which the rotation of some families depends; 0: not known yet.
Result<std::unique_ptr<Model>> load_model(const Checkpoint& checkpoint, Backend& backend,
                                          const std::function<bool(double)>& progress = {}, int64_t context_tokens = 0);
// Architecture names this build knows, for messages.
std::string known_architectures();

}  // namespace hearth
