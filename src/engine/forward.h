// One pass of a ragged batch through the model: fills the Step, walks the layers, hands out the rows that were asked
// for.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "cache/cache.h"
#include "models/model.h"
#include "ops/backend.h"

namespace hearth {

// What one sequence contributes to a pass.
struct ForwardPart {
    SequenceId sequence = 0;
    std::span<const int32_t> tokens;
    int64_t wanted = 0;  // rows of the last `wanted` of them ...
    RowKind kind = RowKind::logits;
};

class Forward {
public:
    // Called once per wanted token, in the order of parts and tokens. The row is only valid during the call.
    using RowSink = std::function<void(int64_t part, int64_t token, std::span<const float> row)>;

    // `ops`: the backend's own, or something wrapped around them.
    Forward(const Model& model, Cache& cache, Backend& backend, Ops* ops = nullptr);

    // Commits the tokens to the cache. False: `stop` was seen between two layers and nothing was committed; the
    // sequences of the step must then be closed, since their recurrent state may be half written.
    Result<bool> run(std::span<const ForwardPart> parts, const RowSink& sink, const std::atomic<bool>* stop = nullptr);

private:
    Result<Step> make_step(std::span<const ForwardPart> parts);
    Result<> hand_out_rows(Tensor x, const Step& step, std::span<const ForwardPart> parts, const RowSink& sink);
    Result<Tensor> rows(Tensor x, RowKind kind);

    const Model& model_;
    Cache& cache_;
    Backend& backend_;
    Ops& ops_;
    int64_t layers_that_keep_;  // from this layer on nothing is kept of a token: only wanted ones need go further
    std::vector<float> row_values_;
    uint64_t serial_ = 0;
};

}  // namespace hearth
