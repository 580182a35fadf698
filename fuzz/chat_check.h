// What a fuzzer gives is a byte for the family, then a reply: bytes of text, and 0xFE with a byte behind it for a mark.
#pragma once

#include <string_view>

namespace hearth {

// Reads the reply whole and in pieces, as text and as tokens; aborts when a promise is broken.
void check_chat(std::string_view input);

}  // namespace hearth
