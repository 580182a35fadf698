// Breaks styled text into lines of a terminal while it arrives. Only appends, never goes back: a word is written once
// it is clear on which line it stands, which is when it ends.
#pragma once

#include <string>
#include <vector>

#include "cli/terminal/style.h"

namespace hearth::cli {

class LineWriter : public StyledSink {
public:
    struct Piece {
        std::string text;
        Style style = styles::kPlain;
    };
    using Prefix = std::vector<Piece>;

    LineWriter(int columns, std::string& out) : columns_(columns), out_(out) {}

    void begin(Prefix first, Prefix next);  // what stands before the text, in its first line and in those after it
    void text(std::string_view text, Style style) override;
    void verbatim(std::string_view text, Style style);  // breaks nothing: the terminal does if it must
    void end();                                         // of the line; it has a line break then
    void flush();                                       // the last word, without a line break

private:
    struct Glyph {
        uint32_t code;
        Style style;
        int width = 0;
    };
    void put(Glyph glyph);
    void write(Glyph glyph);
    void write_prefix(const Prefix& prefix);
    void set_style(Style style);
    void flush_word();
    void next_line();
    int room() const { return columns_ - indent_; }

    int columns_;
    std::string& out_;
    Prefix first_, next_;
    bool is_begun_ = false;
    int column_ = 0, indent_ = 0;
    Style style_ = styles::kPlain;
    std::vector<Glyph> word_, spaces_;
    int word_width_ = 0;
    bool is_broken_ = false;  // the word is longer than a line and goes on where it is
    uint32_t before_ = 0;     // the last character that came
};

}  // namespace hearth::cli
