// Models that do not exist: the real shape, metadata and vocabulary of a catalogue entry, filled with random weights of
// any mix. They load as slowly, need as much memory and run as fast as the real ones; what they say is gibberish.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "files/checkpoint.h"
#include "files/metadata.h"
#include "library/catalogue.h"
#include "library/fills.h"
#include "tensor/dtype.h"

namespace hearth {

struct SynthOptions {
    uint64_t seed = 1;
    int64_t layers = 0;               // keep only so many layers, every kind among them; 0: all
    bool has_drafting_layer = false;  // add the layer that predicts one token further
};

struct SynthTensor {
    std::string name;
    std::vector<int64_t> shape;  // outermost first
    DType type = DType::f32;
    Fill fill;

    int64_t elements() const;
    int64_t bytes() const { return row_bytes(type, elements()); }
};

struct SynthPlan {
    std::string name;  // of the catalogue entry
    std::string type;  // of the mix
    Metadata metadata;
    std::vector<SynthTensor> tensors;
    uint64_t seed = 1;
    int64_t layers = 0, parameters = 0;
    int64_t tensor_bytes = 0;  // of all tensors, each padded to the file's alignment
    int64_t bytes = 0;         // of the file
};

// Nothing is filled yet: a plan costs milliseconds and a few MiB (the vocabulary).
Result<SynthPlan> plan_synth(const CatalogueEntry& entry, std::string_view type, const SynthOptions& options = {});

// Called after each piece (about a MiB); false cancels, and nothing is left on disk.
using SynthProgress = std::function<bool(int64_t done_bytes, int64_t total_bytes)>;

// Writes to `path`.part first and renames at the end. Refuses when the disk has not enough room. The same plan gives
// the same bytes.
Result<> write_synth(const SynthPlan& plan, const std::string& path, const SynthProgress& progress = {});

// Where the nameless copy of a plan goes: into memory (a RAM file system) when it fits into 40 % of what is free, for
// the engine keeps a second, rearranged copy of most weights; otherwise below `scratch_directory` on the disk, where
// the system may drop its pages when others need the memory. Fails with both numbers when neither has room.
struct SynthPlace {
    std::string directory;
    bool is_in_memory = false;
};
Result<SynthPlace> choose_synth_place(const SynthPlan& plan, const std::string& scratch_directory);

// The plan as an opened model whose file has no name any more: everything is gone with the last use of the checkpoint.
// What a killed process left behind is removed by the next call.
Result<Checkpoint> open_synth(const SynthPlan& plan, const SynthPlace& place, const SynthProgress& progress = {});

}  // namespace hearth
