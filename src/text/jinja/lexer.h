// A template's source in pieces: text, and the words inside of {{ }} and {% %}. Decides which blanks around tags vanish
// (blocks take the newline behind them and the indent before them, `-` takes all blanks, `+` none).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace hearth::jinja {

struct Token {
    enum class Kind : uint8_t {
        text,
        begin_output,     // {{
        end_output,       // }}
        begin_statement,  // {%
        end_statement,    // %}
        name,
        text_literal,
        number,
        sign,  // an operator or a bracket
        end,
    } kind = Kind::end;
    std::string text;  // as it counts: a literal without quotes and escapes
    size_t place = 0;
};

Outcome<std::vector<Token>> tokens_of(std::string_view source);

}  // namespace hearth::jinja
