// modules.json: what embedding models do with the vectors of a text's tokens, one directory a step.
#pragma once

#include <string>

#include "base/result.h"
#include "huggingface/translation.h"

namespace hearth::huggingface {

// Nothing when there is no modules.json. Problems go to `to.config`; an error is a file that cannot be read at all.
Result<> read_modules(Translation& to, const std::string& directory);

}  // namespace hearth::huggingface
