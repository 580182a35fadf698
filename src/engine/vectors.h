// What is done with the pooled row of a text before anybody sees it.
#pragma once

#include <span>
#include <vector>

#include "base/json.h"

namespace hearth {

bool is_finite(std::span<const float> values);
// To length one; a vector of zeros stays as it is.
void normalise(std::span<float> values);
// Numbers as short as they read back to the same float.
Json json_of(std::span<const float> values);

}  // namespace hearth
