#include "cli/terminal/markdown.h"

#include <utility>

#include "cli/terminal/width.h"
#include "text/unicode.h"

namespace hearth::cli {

namespace {
constexpr size_t kStartWindow = 1000;  // bytes that may be needed to see what a line is
constexpr size_t kRowWindow = 16384;   // the longest row of a table
constexpr size_t kRowsHeld = 200;      // a longer table is written in parts
constexpr size_t kMaxDepth = 16;       // of lists and of quotes

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
}  // namespace

// Prefixes take at most half of the line.
void Markdown::limit(LineWriter::Prefix& prefix) const {
    const auto width = [&] {
        int sum = 0;
        for (const LineWriter::Piece& piece : prefix) sum += text_width(piece.text);
        return sum;
    };
    while (!prefix.empty() && width() > columns_ / 2) prefix.erase(prefix.begin());
}

std::optional<Markdown::Start> Markdown::read_start(bool is_whole) const {
    Lookahead line(line_, is_whole, kStartWindow);
    Start start;
    start.levels = levels_;
    size_t at = 0;
    int column = 0;
    const auto skip_spaces = [&] {
        for (; line[at] == ' '; ++at) ++column;
    };
    const auto leave = [&] {  // the lists that this column does not belong to
        std::vector<Level>& levels = start.levels;
        while (!levels.empty() && (levels.back().quotes > start.quotes ||
                                   (levels.back().quotes == start.quotes && column < levels.back().column + 2)))
            levels.pop_back();
    };
    skip_spaces();
    LineWriter::Prefix bars;
    while (line[at] == '>' && size_t(start.quotes) < kMaxDepth) {
        if (start.quotes == 0) leave();
        ++start.quotes;
        ++at;
        column = 0;
        bars.push_back({"│ ", styles::kDim});
        if (line[at] == ' ') ++at;
        skip_spaces();
    }
    if (line[at] == '\n') {
        start.kind = Kind::blank;
        start.length = at;
        start.first = start.next = bars;
        if (start.quotes == 0) start.levels = levels_;
        if (line.is_early()) return std::nullopt;
        return start;
    }
    leave();
    const size_t old_levels = start.levels.size();
    LineWriter::Prefix markers;
    while (start.levels.size() < kMaxDepth) {
        size_t length = 0;
        if (line[at] == '-' || line[at] == '*' || line[at] == '+') {
            length = 1;
        } else {
            while (length < 9 && is_digit(line[at + length])) ++length;
            length = length > 0 && (line[at + length] == '.' || line[at + length] == ')') ? length + 1 : 0;
        }
        if (length == 0 || line[at + length] != ' ') break;
        size_t end = at + length;
        const bool is_bullet = length == 1;
        std::string marker = is_bullet ? (start.levels.size() % 2 == 0 ? "•" : "◦") : std::string(line.text(at, end));
        ++end;
        if (is_bullet && line[end] == '[' && (line[end + 1] == ' ' || line[end + 1] == 'x' || line[end + 1] == 'X') &&
            line[end + 2] == ']' && line[end + 3] == ' ') {
            marker = line[end + 1] == ' ' ? "☐" : "☑";
            end += 4;
        }
        marker += ' ';
        start.levels.push_back({start.quotes, column, text_width(marker)});
        markers.push_back({marker, styles::kBold});
        column += int(end - at);
        at = end;
        skip_spaces();
    }
    // Source code without a fence keeps its indentation, when it is in no list.
    if (start.levels.empty() && markers.empty() && column >= 4)
        bars.push_back({std::string(size_t(std::min(column, columns_)), ' ')});

    bool has_bars = bars.empty();
    for (size_t i = 0; i < start.levels.size(); ++i) {
        if (!has_bars && start.levels[i].quotes > 0) {
            has_bars = true;
            for (const auto& bar : bars) start.first.push_back(bar), start.next.push_back(bar);
        }
        const std::string indent(size_t(start.levels[i].width), ' ');
        start.next.push_back({indent});
        start.first.push_back(i < old_levels ? LineWriter::Piece{indent} : markers[i - old_levels]);
    }
    if (!has_bars)
        for (const auto& bar : bars) start.first.push_back(bar), start.next.push_back(bar);
    limit(start.first);
    limit(start.next);

    start.length = at;
    const char c = line[at];
    if (c == '#') {
        const size_t run = line.run(at);
        size_t end = at + run;
        if (run <= 6 && (line[end] == ' ' || line[end] == '\n')) {
            while (line[end] == ' ') ++end;
            start.kind = Kind::heading;
            start.heading = int(run);
            start.length = end;
        }
    } else if (c == '|') {
        start.kind = Kind::table;
    } else if ((c == '`' || c == '~') && line.run(at) >= 3) {
        const size_t run = line.run(at);
        size_t end = at + run;
        while (line[end] != '\n' && line[end] != '`') ++end;
        if (line[end] == '\n' && !line.is_past_window()) {
            start.kind = Kind::fence;
            start.fence = run;
        }
    } else if ((c == '-' || c == '*' || c == '_') && markers.empty()) {
        const size_t run = line.run(at);
        size_t end = at + run;
        if (run >= 3) {
            while (line[end] == ' ') ++end;
            if (line[end] == '\n') start.kind = Kind::rule;
        }
    }
    if (line.is_early()) return std::nullopt;
    return start;
}

void Markdown::blank_line(const LineWriter::Prefix& prefix) {
    if (has_blank_ && prefix.empty()) return;
    writer_.begin(prefix, prefix);
    writer_.end();
    has_blank_ = true;
}

void Markdown::end_table() {
    if (!table_) return;
    table_->write(columns_, header_start_->first, out_);
    table_.reset();
    header_start_.reset();
    has_blank_ = false;
}

// The line that waited was no header: text.
void Markdown::take_held_row() {
    if (!header_start_ || table_) return;
    const Start start = std::move(*header_start_);
    header_start_.reset();
    begin_text(start);
    marks_.take(header_, true, writer_);
    writer_.end();
    state_ = State::start;
}

void Markdown::begin_text(const Start& start) {
    levels_ = start.levels;
    writer_.begin(start.first, start.next);
    Style base = styles::kPlain;
    if (start.kind == Kind::heading) base = styles::kHeading | (start.heading <= 1 ? styles::kUnderline : 0);
    marks_ = InlineMarks(base);
    has_blank_ = false;
    state_ = State::text;
}

// In a fence: whether the line is taken, or is outside of it.
bool Markdown::read_code(bool is_whole) {
    Lookahead line(line_, is_whole, kStartWindow);
    size_t at = 0;
    int quotes = 0;
    while (quotes < fence_->quotes) {
        while (line[at] == ' ') ++at;
        if (line[at] != '>') break;
        ++at, ++quotes;
        if (line[at] == ' ' && (quotes == fence_->quotes || line[at + 1] == '>')) ++at;
    }
    const size_t indent_from = at;
    size_t end = at;
    while (line[end] == ' ') {
        if (int(at - indent_from) < fence_->column) ++at;
        ++end;
    }
    const size_t run = line[end] == fence_->mark ? line.run(end) : 0;
    bool closes = run >= fence_->length;
    for (size_t rest = end + run; closes && line[rest] != '\n'; ++rest) closes = line[rest] == ' ';
    if (line.is_early()) return true;
    if (quotes < fence_->quotes) {
        fence_.reset();
        return false;
    }
    writer_.begin(fence_->prefix, fence_->prefix);
    if (closes) {
        writer_.verbatim(std::string(fence_->length, fence_->mark), styles::kDim);
        writer_.end();
        fence_.reset();
        state_ = State::skip;
        line_.clear();
        return true;
    }
    line_.erase(0, at);
    state_ = State::code;
    return true;
}

namespace {
class Verbatim : public StyledSink {
public:
    explicit Verbatim(LineWriter& writer) : writer_(writer) {}
    void text(std::string_view text, Style style) override { writer_.verbatim(text, style); }

private:
    LineWriter& writer_;
};
}  // namespace

void Markdown::advance(bool is_whole) {
    if (state_ == State::start && fence_ && read_code(is_whole) && state_ == State::start) return;
    if (state_ == State::start) {
        auto start = read_start(is_whole);
        if (!start) return;
        if (start->kind != Kind::table) {
            end_table();
            take_held_row();
        }
        line_.erase(0, start->length);
        switch (start->kind) {
            case Kind::blank:
                levels_ = start->levels;
                blank_line(start->first);
                state_ = State::skip;
                break;
            case Kind::rule: {
                begin_text(*start);
                int width = columns_;
                for (const auto& piece : start->first) width -= text_width(piece.text);
                std::string rule;
                for (int i = 0; i < width; ++i) rule += "─";
                writer_.verbatim(rule, styles::kDim);
                writer_.end();
                state_ = State::skip;
                break;
            }
            case Kind::table:
                row_start_ = std::move(*start);
                state_ = State::row;
                break;
            case Kind::fence: {
                begin_text(*start);
                std::string_view language = std::string_view(line_).substr(start->fence);
                while (language.starts_with(' ')) language.remove_prefix(1);
                writer_.verbatim(line_, styles::kDim);
                writer_.end();
                int column = 0;
                for (const Level& level : levels_)
                    if (level.quotes == start->quotes) column += level.width;
                fence_.emplace(Fence{line_[0], start->fence, start->quotes, column, start->next,
                                     Highlighter(language.substr(0, language.find_first_of(" {:,")))});
                state_ = State::skip;
                break;
            }
            case Kind::heading:
            case Kind::text:
                begin_text(*start);
                break;
        }
    }
    switch (state_) {
        case State::text:
            line_.erase(0, marks_.take(line_, is_whole, writer_));
            break;
        case State::code: {
            Verbatim sink(writer_);
            line_.erase(0, fence_->highlighter.take(line_, is_whole, sink));
            break;
        }
        case State::row:
            // No table is this wide: text after all.
            if (line_.size() > kRowWindow) {
                end_table();
                take_held_row();
                begin_text(*row_start_);
                line_.erase(0, marks_.take(line_, is_whole, writer_));
            }
            break;
        case State::skip:
            line_.clear();
            break;
        case State::start:
            break;
    }
}

void Markdown::end_line() {
    advance(true);
    switch (state_) {
        case State::text:
        case State::code:
            writer_.end();
            break;
        case State::row:
            if (table_) {
                table_->add_row(line_);
                if (table_->size() >= kRowsHeld) end_table();
            } else if (header_start_ && Table::is_delimiter(line_)) {
                table_.emplace(header_, line_);
            } else {
                take_held_row();
                header_start_ = std::move(row_start_);
                header_ = line_;
            }
            break;
        case State::start:
        case State::skip:
            break;
    }
    line_.clear();
    state_ = State::start;
}

std::string Markdown::feed(std::string_view piece) {
    bytes_ += piece;
    size_t at = 0;
    while (at < bytes_.size()) {
        const unicode::Sequence read = unicode::strict_sequence(bytes_, at);
        if (!read.valid && read.incomplete) break;
        const std::string_view text =
            read.valid ? std::string_view(bytes_).substr(at, read.length) : unicode::kReplacementText;
        const uint32_t code = unicode::decode(reinterpret_cast<const uint8_t*>(text.data())).code;
        at += read.length;
        if (code == '\n')
            end_line();
        else if (code == '\t')
            line_ += "    ";
        else if (code == '\r')
            continue;  // a part of a line break
        else if (code < 0x20 || (code >= 0x7F && code < 0xA0))
            line_ += ' ';
        else
            line_ += text;
    }
    bytes_.erase(0, at);
    if (!line_.empty()) advance(false);
    return std::exchange(out_, {});
}

std::string Markdown::finish() {
    if (!bytes_.empty()) line_ += unicode::kReplacementText;
    bytes_.clear();
    if (state_ != State::start || line_.find_first_not_of(' ') != std::string::npos) end_line();
    end_table();
    take_held_row();
    return std::exchange(out_, {});
}

}  // namespace hearth::cli
