// Markdown for a terminal while it arrives in arbitrary pieces. It only appends: what is written stays, and however the
// text is cut into pieces, the same bytes come out. Held back are words that may still move to the next line, marks
// whose partner may still come, and tables until they end. Every line of the source is a line of its own: poems and
// addresses keep their shape.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/terminal/highlighter.h"
#include "cli/terminal/inline_marks.h"
#include "cli/terminal/line_writer.h"
#include "cli/terminal/table.h"

namespace hearth::cli {

class Markdown {
public:
    explicit Markdown(int columns) : columns_(std::max(columns, 8)), writer_(columns_, out_) {}

    // What can be written now. Control characters and bytes that are no UTF-8 never come out.
    std::string feed(std::string_view piece);
    // The rest; what is unfinished appears as the text it is. Nothing can be fed behind it.
    std::string finish();

private:
    struct Level {  // of a list
        int quotes, column, width;
    };
    struct Fence {
        char mark;
        size_t length;
        int quotes, column;
        LineWriter::Prefix prefix;
        Highlighter highlighter;
    };
    enum class Kind : uint8_t { text, heading, rule, table, fence, blank };
    struct Start {  // of a line: what it is, and how many bytes say so
        Kind kind = Kind::text;
        size_t length = 0;
        int heading = 0, quotes = 0;
        size_t fence = 0;
        LineWriter::Prefix first, next;
        std::vector<Level> levels;
    };

    void advance(bool is_whole);  // with what has arrived of the line
    void end_line();
    std::optional<Start> read_start(bool is_whole) const;
    bool read_code(bool is_whole);
    void begin_text(const Start& start);
    void take_held_row();
    void end_table();
    void blank_line(const LineWriter::Prefix& prefix);
    void limit(LineWriter::Prefix& prefix) const;

    int columns_;
    std::string out_;
    LineWriter writer_;
    std::string bytes_;  // the beginning of a character
    std::string line_;   // of the present line, what is not taken yet
    enum class State : uint8_t { start, text, code, row, skip } state_ = State::start;
    InlineMarks marks_;
    std::vector<Level> levels_;
    bool has_blank_ = true;  // the last line is empty, or there is none
    std::optional<Fence> fence_;
    // A line that begins with | waits: as the header until it is known whether a table follows, or as a row of one.
    std::optional<Start> header_start_, row_start_;
    std::string header_;
    std::optional<Table> table_;
};

}  // namespace hearth::cli
