// What the bytes of a kept text depend on beside its tokens, as one line: two engines with the same one compute the
// same bits, so what one wrote the other may read.
#pragma once

#include <string>

#include "base/result.h"
#include "engine/loaded_model.h"

namespace hearth {

// Fails where the program may not read its own file.
Result<std::string> fingerprint(const LoadedModel& loaded);

}  // namespace hearth
