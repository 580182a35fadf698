// Emphasis, code, links inside one line of Markdown, while it arrives. A mark is shown as text unless its partner comes
// within the same line and not too far away: nothing that was written is ever taken back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/terminal/lookahead.h"
#include "cli/terminal/style.h"

namespace hearth::cli {

class InlineMarks {
public:
    explicit InlineMarks(Style base = styles::kPlain) : base_(base) {}

    // Takes from the front of `text` what is decided and gives it to `out`. `is_whole`: the line ends behind `text`;
    // everything is taken then. Returns how many bytes it took.
    size_t take(std::string_view text, bool is_whole, StyledSink& out);

private:
    struct Open {
        char mark;
        size_t length;
        Style style;
    };
    size_t take_one(std::string_view text, bool is_whole, StyledSink& out);  // 0: too early
    size_t take_code(Lookahead line, StyledSink& out);
    size_t take_emphasis(std::string_view text, bool is_whole, StyledSink& out);
    size_t take_link(Lookahead line, StyledSink& out);
    size_t take_address(Lookahead line, StyledSink& out);
    void show(std::string_view text, Style style, StyledSink& out);
    Style style() const { return open_.empty() ? base_ : open_.back().style; }

    Style base_;
    std::vector<Open> open_;
    std::string before_;       // the last few bytes
    bool is_address_ = false;  // inside a bare http://..., where _ and ~ mean nothing
};

}  // namespace hearth::cli
