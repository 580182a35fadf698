// Are a model's weights numbers? One NaN in a matrix makes every answer nonsense without any error; a broken conversion
// or a bad disk leaves such files behind. Reads everything once, so it is asked for, not done at every start.
#pragma once

#include <functional>

#include "files/checkpoint.h"

namespace hearth {

// Fails with the tensors that hold NaN or infinity: how many, and where the first one is. `progress` is told the share
// that is done; it returns false to give up.
Result<> check_numbers(const Checkpoint& checkpoint, const std::function<bool(double)>& progress = {});

}  // namespace hearth
