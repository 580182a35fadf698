// The calls of a reply as a grammar: free text in which a call, once its mark has come, can only become a call of one
// of the tools with arguments that satisfy its schema - or a reply that consists of calls alone.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "chat/channels.h"
#include "grammar/grammar.h"

namespace hearth::chat {

struct CallRules {
    bool is_required = false;  // nothing but calls, at least one
    bool parallel = true;      // several, in one reply
    std::string only;          // of this tool alone; empty: any
};

struct CallForm {
    std::shared_ptr<const grammar::Grammar> grammar;  // null: calls of this syntax are not bound
    // The grammar speaks of the whole reply, thoughts included. Otherwise of what follows them.
    bool covers_thoughts = false;
    std::vector<std::string> notes;  // what is not enforced, and why
};

// `tools`: what Tools::read() accepts.
Result<CallForm> call_form(const Lexicon& lexicon, const Json& tools, const CallRules& rules);

}  // namespace hearth::chat
