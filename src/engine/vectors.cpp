#include "engine/vectors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace hearth {

bool is_finite(std::span<const float> values) {
    return std::ranges::all_of(values, [](float value) { return std::isfinite(value); });
}

void normalise(std::span<float> values) {
    double squares = 0;
    for (const float value : values) squares += double(value) * double(value);
    const double factor = squares > 0 ? 1 / std::sqrt(squares) : 1;
    for (float& value : values) value = float(double(value) * factor);
}

Json json_of(std::span<const float> values) {
    Json list = Json::array();
    for (const float value : values) list.push(Json::Number{fmt::format("{}", value)});
    return list;
}

}  // namespace hearth
