// Templates of our own, for files that bring none, or one that cannot be read.
#pragma once

#include <string_view>

#include "text/tokenizer.h"

namespace hearth::chat {

struct OwnTemplate {
    std::string_view name, source;  // name: "" when the vocabulary tells of no form we know
};
// By the marks that the vocabulary has.
OwnTemplate own_template(const Tokenizer& tokenizer);

}  // namespace hearth::chat
