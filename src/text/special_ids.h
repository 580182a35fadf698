// Which tokens have a role of their own, from what the file says, from defaults of the kind, and by well-known names.
#pragma once

#include <cstdint>
#include <vector>

#include "text/token_table.h"
#include "text/vocabulary.h"

namespace hearth {

struct SpecialIds {  // -1: there is none
    int32_t bos = -1, eos = -1, eot = -1, eom = -1, unknown = -1, separator = -1, padding = -1, mask = -1;
    int32_t fim_pre = -1, fim_suf = -1, fim_mid = -1, fim_pad = -1, fim_rep = -1, fim_sep = -1;
};

// `ids` come with the defaults of the kind. Ids outside the vocabulary are dropped; roles the file leaves open are
// found by token name, and tokens found so become control tokens. Returns the sorted ids that end a generation.
std::vector<int32_t> assign_special_ids(const VocabularySource& source, TokenizerCompat compat, TokenTable& tokens,
                                        SpecialIds& ids);

}  // namespace hearth
