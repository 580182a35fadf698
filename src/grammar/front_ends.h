// The readers behind Grammar's makers, each from text to rules.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/rules.h"

namespace hearth::grammar {

constexpr int kMostNesting = 200;              // of parentheses
constexpr size_t kMostText = 4 << 20;          // bytes of a grammar or schema
constexpr int32_t kMostRepetitions = 1 << 20;  // in {m,n}

Result<Rules> read_gbnf(std::string_view text);
Result<Rules> read_regex(std::string_view expression);
Result<Rules> read_json_schema(const Json& schema, const JsonOptions& options);

}  // namespace hearth::grammar
