// The tables of hearth's one file, as steps from each version of their form to the next.
#pragma once

#include <span>
#include <string_view>

namespace hearth::store {

// Steps that a release has brought to people are never changed; a new form is a new step at the end.
std::span<const std::string_view> schema();

}  // namespace hearth::store
