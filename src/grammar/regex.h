// Regular expressions as grammars and schemas have them: what can be decided by a finite automaton. What cannot
// (references back, looking around, word borders) is refused by name.
#pragma once

#include <string_view>

#include "grammar/char_graph.h"
#include "grammar/rules.h"

namespace hearth::grammar {

enum class RegexDialect {
    rust,  // . is all but \n, \d and the like are ASCII
    ecma,  // ECMA-262 as JSON Schema uses it
};

// The expression with its anchors as codes (kTextBegin, kTextEnd). What is wrong is said without naming the
// expression: the caller knows where it stands.
Result<ExprId> read_expression(std::string_view text, RegexDialect dialect, Spelling spelling, Rules& rules);
// What it matches: the whole text, or a part of it. The anchors are gone.
Result<ExprId> resolve_anchors(ExprId expression, bool is_whole, Spelling spelling, Rules& rules);
// The same as a deterministic graph.
Result<CharGraph> expression_graph(std::string_view text, RegexDialect dialect, bool is_whole);

}  // namespace hearth::grammar
