// Models on their way into another form: a Hugging Face directory as one GGUF file, and any model with smaller weights
// that are made while it is loaded.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "files/checkpoint.h"
#include "library/quantise_file.h"

namespace hearth {

struct Conversion {
    Checkpoint source;
    QuantisePlan plan;               // points into `source`; write it with write_quantised
    std::vector<std::string> notes;  // what of the directory does not go into the file
};

// `type`: a mix or a weight type; "": the types the directory has. A GGUF file is refused: `quantize` is for those.
Result<Conversion> plan_conversion(const std::string& directory, const std::string& type);

// The same model with the types of a mix; weights are quantised when they are asked for, on `threads` threads. What has
// the right type already stays where it is.
Result<Checkpoint> quantised_view(Checkpoint source, const std::string& type, int threads);

}  // namespace hearth
