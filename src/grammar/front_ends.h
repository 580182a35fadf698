// The readers behind Grammar's makers, each from text to expressions, so that they can be put together: the arguments
// of a call are a schema, what stands around them is not.
//
//   Rules rules;
//   const ExprId arguments = TRY(read_json_schema(schema, options, rules));
//   const ExprId call = rules.sequence({rules.bytes("{\"arguments\": "), arguments, rules.bytes("}")});
//   Grammar::from_rules(rules, call);
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/rules.h"

namespace hearth::grammar {

constexpr int kMostNesting = 200;              // of parentheses
constexpr int kMostQuantifiers = 16;           // one behind the other, of one part
constexpr size_t kMostText = 4 << 20;          // bytes of a grammar or schema
constexpr int32_t kMostRepetitions = 1 << 20;  // in {m,n}

// Each adds to the rules and returns what it has read.
Result<ExprId> read_gbnf(std::string_view text, Rules& rules);
Result<ExprId> read_regex(std::string_view expression, Rules& rules);
Result<ExprId> read_json_schema(const Json& schema, const JsonOptions& options, Rules& rules);

// Free text with insertions: what stands behind a trigger is bound, all else is not. For tool calls among prose.
struct Insertion {
    std::string trigger;          // text that begins it; empty: only the token does
    TokenTerminal token = {};     // the token that begins it; none: only the text does
    ExprId body = Rules::kEmpty;  // what follows, its end included; then the text is free again
};
struct FreeText {
    int32_t least = 0, most = Expr::kUnbounded;  // insertions
    bool ends_after_last = false;                // nothing may follow the last of `most`
};
Result<ExprId> free_text(const std::vector<Insertion>& insertions, const FreeText& options, Rules& rules);

}  // namespace hearth::grammar
