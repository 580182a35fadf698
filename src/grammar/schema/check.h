// Whether a value that a schema lists itself (enum, const) satisfies everything else that applies to it.
#pragma once

#include "grammar/schema/facts.h"

namespace hearth::grammar {

// Formats are not looked at: a listed value is meant.
Result<bool> satisfies(const SchemaDocument& document, const Json& value, const Demand& demand, int depth = 0);
// Code points of a text of the schema; JSON was checked to be UTF-8 when it was read.
std::vector<uint32_t> codes_of(std::string_view text);

}  // namespace hearth::grammar
