// The tokenizer of a checkpoint: reads the keys that describe it. (text/ knows no file format, files/ knows no
// tokenizer.)
#pragma once

#include <memory>

#include "files/checkpoint.h"
#include "text/tokenizer.h"

namespace hearth {

Result<std::unique_ptr<Tokenizer>> load_tokenizer(const Checkpoint& checkpoint,
                                                  TokenizerCompat compat = TokenizerCompat::published);

}  // namespace hearth
