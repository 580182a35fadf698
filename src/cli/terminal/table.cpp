#include "cli/terminal/table.h"

#include <algorithm>

#include "cli/terminal/inline_marks.h"
#include "cli/terminal/width.h"

namespace hearth::cli {

namespace {
constexpr size_t kMaxColumns = 64;
constexpr int kNarrowest = 5;  // a column that does not fit is not made narrower than this

std::string_view trimmed(std::string_view text) {
    const size_t from = text.find_first_not_of(" \t");
    return from == std::string_view::npos ? "" : text.substr(from, text.find_last_not_of(" \t") + 1 - from);
}

// The lines of a cell, styled, each at most `columns` wide.
std::vector<std::string> lines_of(std::string_view markdown, int columns, Style base) {
    std::string text;
    LineWriter writer(columns, text);
    while (true) {  // <br> is the only way to write a line break here
        size_t at = markdown.find("<br"), end = at;
        if (at != std::string_view::npos) end = markdown.find('>', at);
        if (end == std::string_view::npos || end - at > 6) at = end = std::string_view::npos;
        writer.begin({}, {});
        InlineMarks(base).take(trimmed(markdown.substr(0, at)), true, writer);
        writer.end();
        if (at == std::string_view::npos) break;
        markdown.remove_prefix(end + 1);
    }
    std::vector<std::string> lines;
    for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
        lines.push_back(text.substr(at, end - at));
    return lines;
}

int widest(const std::vector<std::string>& lines) {
    int width = 0;
    for (const std::string& line : lines) width = std::max(width, text_width(line));
    return width;
}

void write_prefix(const LineWriter::Prefix& prefix, std::string& out) {
    for (const LineWriter::Piece& piece : prefix) {
        if (piece.style != styles::kPlain) out += control_sequence(piece.style);
        out += piece.text;
        if (piece.style != styles::kPlain) out += "\x1b[0m";
    }
}
}  // namespace

Table::Row Table::cells(std::string_view line) {
    line = trimmed(line);
    if (line.starts_with('|')) line.remove_prefix(1);
    Row row;
    std::string cell;
    bool is_closed = false;
    for (size_t i = 0; i < line.size(); ++i) {
        is_closed = line[i] == '|' && row.size() + 1 < kMaxColumns;
        if (line[i] == '\\' && i + 1 < line.size()) {
            if (line[i + 1] != '|') cell += '\\';
            cell += line[++i];
        } else if (is_closed) {
            row.push_back(std::string(trimmed(cell)));
            cell.clear();
        } else {
            cell += line[i];
        }
    }
    if (!is_closed || row.empty()) row.push_back(std::string(trimmed(cell)));
    return row;
}

bool Table::is_delimiter(std::string_view line) {
    if (line.find('-') == std::string_view::npos) return false;
    for (const std::string& cell : cells(line)) {
        std::string_view dashes = cell;
        if (dashes.starts_with(':')) dashes.remove_prefix(1);
        if (dashes.ends_with(':')) dashes.remove_suffix(1);
        if (dashes.empty() || dashes.find_first_not_of('-') != std::string_view::npos) return false;
    }
    return true;
}

Table::Table(std::string_view header, std::string_view delimiter) {
    rows_.push_back(cells(header));
    for (const std::string& cell : cells(delimiter))
        aligns_.push_back(!cell.ends_with(':') ? Align::left : cell.starts_with(':') ? Align::centre : Align::right);
}

std::vector<int> Table::widths(int room) const {
    std::vector<int> widths;
    for (const Row& row : rows_) {
        widths.resize(std::max(widths.size(), row.size()), 1);
        for (size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], widest(lines_of(row[i], 1000, styles::kPlain)));
    }
    room -= 3 * (int(widths.size()) - 1);
    int sum = 0;
    for (const int width : widths) sum += width;
    // The widest gives way first.
    for (; sum > room; --sum) {
        auto most = std::max_element(widths.begin(), widths.end());
        if (*most <= kNarrowest) return {};
        --*most;
    }
    return widths;
}

void Table::write_row(const Row& row, const std::vector<int>& widths, const LineWriter::Prefix& prefix, bool is_header,
                      std::string& out) const {
    std::vector<std::vector<std::string>> lines;
    size_t height = 1;
    for (size_t i = 0; i < widths.size(); ++i) {
        lines.push_back(lines_of(i < row.size() ? row[i] : "", widths[i], is_header ? styles::kBold : styles::kPlain));
        height = std::max(height, lines.back().size());
    }
    for (size_t at = 0; at < height; ++at) {
        write_prefix(prefix, out);
        for (size_t i = 0; i < widths.size(); ++i) {
            const std::string text = at < lines[i].size() ? lines[i][at] : "";
            const int free = std::max(0, widths[i] - text_width(text));
            const Align align = i < aligns_.size() ? aligns_[i] : Align::left;
            const int before = align == Align::left ? 0 : align == Align::right ? free : free / 2;
            if (i > 0) out += control_sequence(styles::kDim) + " │ \x1b[0m";
            out.append(size_t(before), ' ');
            out += text;
            if (i + 1 < widths.size()) out.append(size_t(free - before), ' ');
        }
        out += '\n';
    }
}

// Too many columns for the terminal: every row becomes a small list.
void Table::write_records(int columns, const LineWriter::Prefix& prefix, std::string& out) const {
    LineWriter writer(columns, out);
    for (size_t row = rows_.size() > 1 ? 1 : 0; row < rows_.size(); ++row) {
        if (row > 1) {
            write_prefix(prefix, out);
            out += '\n';
        }
        for (size_t i = 0; i < rows_[row].size(); ++i) {
            LineWriter::Prefix next = prefix;
            next.push_back({"  "});
            writer.begin(prefix, next);
            if (row > 0 && i < rows_[0].size() && !rows_[0][i].empty()) {
                InlineMarks(styles::kBold).take(rows_[0][i], true, writer);
                writer.text(": ", styles::kBold);
            }
            InlineMarks().take(rows_[row][i], true, writer);
            writer.end();
        }
    }
}

void Table::write(int columns, const LineWriter::Prefix& prefix, std::string& out) const {
    int room = columns;
    for (const LineWriter::Piece& piece : prefix) room -= text_width(piece.text);
    const std::vector<int> widths = this->widths(room);
    if (widths.empty()) return write_records(columns, prefix, out);
    for (size_t row = 0; row < rows_.size(); ++row) {
        write_row(rows_[row], widths, prefix, row == 0, out);
        if (row > 0) continue;
        write_prefix(prefix, out);
        out += control_sequence(styles::kDim);
        for (size_t i = 0; i < widths.size(); ++i) {
            if (i > 0) out += "─┼─";
            for (int cell = 0; cell < widths[i]; ++cell) out += "─";
        }
        out += "\x1b[0m\n";
    }
}

}  // namespace hearth::cli
