#include "base/rng.h"

#include <cmath>

namespace hearth {

float Rng::normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform())), angle = 6.283185307179586 * uniform();
    return float(radius * std::cos(angle));
}

}  // namespace hearth
