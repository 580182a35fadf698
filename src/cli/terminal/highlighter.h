// Light colours for source code while it arrives: keywords, strings, comments, numbers of the common languages. It
// knows no grammar; a language that is not in its table stays plain.
#pragma once

#include <string>
#include <string_view>

#include "cli/terminal/style.h"

namespace hearth::cli {

struct Language;

class Highlighter {
public:
    explicit Highlighter(std::string_view language);

    // As InlineMarks::take: what is decided goes to `out`; a line break comes behind `text` if it `is_whole`.
    size_t take(std::string_view text, bool is_whole, StyledSink& out);

private:
    size_t take_one(std::string_view text, bool is_whole, StyledSink& out);
    const Language* language_;
    std::string until_;  // what ends the string or comment that is open; a line break: the end of the line
    Style style_ = styles::kPlain;
};

}  // namespace hearth::cli
