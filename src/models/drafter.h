// A drafter guesses the tokens behind one that the trunk has chosen, reading the trunk's own hidden rows; the trunk
// then checks all guesses in one pass. It is a transformer of a layer or a few: the engine walks it like a model, with
// one row more going in.
//
// A round, after the trunk has seen positions 0 .. n-1 and token x has been chosen for n:
//   1. every token of the prompt has gone through the drafter once, each with the trunk's hidden row of the token
//   before
//      it (the first with zeros): that filled the drafter's own cache;
//   2. x goes in at position n with the trunk's row of n-1; its best logit is guess 1. Guess k goes in at n+k with the
//      drafter's own hidden row of the step before;
//      (A drafter that reads the trunk's keys has no cache to fill: step 1 falls away, and all its guesses go in at n,
//      seeing positions 0 .. n-1: in its step the query has kv index n, and past + tokens is n too.)
//   3. the trunk runs [x, guess 1, guess 2 ..] and keeps what it agrees with. The drafter's cache is cut back to n and
//      refilled with the accepted tokens and their true rows.
#pragma once

#include <memory>
#include <vector>

#include "models/model.h"

namespace hearth {

class Drafter {
public:
    virtual ~Drafter() = default;
    virtual std::vector<LayerNeeds> needs() const = 0;  // an entry for each layer
    // For each layer the one of the trunk whose keys and values it reads, and never writes; empty: none does.
    virtual std::vector<int64_t> trunk_layers() const { return {}; }

    // The step's tokens joined with `before`, a row for each: the hidden row of the token before it.
    virtual Tensor embed(Ops& ops, Tensor before, const Step& step) const = 0;
    virtual void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const = 0;
    virtual Tensor hidden(Ops& ops, Tensor x) const = 0;  // rows of the last layer -> what the next guess starts from
    virtual Tensor head(Ops& ops, Tensor x) const = 0;    // rows of the last layer -> logits
};

bool has_drafter(const Checkpoint& checkpoint);
// The drafter in a model's own file, or in one that holds nothing else. It shares the trunk's tables and must not
// outlive its backend.
Result<std::unique_ptr<Drafter>> load_drafter(const Checkpoint& checkpoint, Backend& backend, const Model& trunk);

}  // namespace hearth
