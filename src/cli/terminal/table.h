// A table of Markdown: rows are collected, columns are as wide as they must be and as narrow as the terminal wants.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/terminal/line_writer.h"

namespace hearth::cli {

class Table {
public:
    static bool is_delimiter(std::string_view line);  // | --- | :-: |

    Table(std::string_view header, std::string_view delimiter);
    void add_row(std::string_view line) { rows_.push_back(cells(line)); }
    size_t size() const { return rows_.size(); }
    // `prefix` stands before every line.
    void write(int columns, const LineWriter::Prefix& prefix, std::string& out) const;

private:
    enum class Align : uint8_t { left, centre, right };
    using Row = std::vector<std::string>;  // Markdown

    static Row cells(std::string_view line);
    std::vector<int> widths(int room) const;  // empty: it does not fit at all
    void write_row(const Row& row, const std::vector<int>& widths, const LineWriter::Prefix& prefix, bool is_header,
                   std::string& out) const;
    void write_records(int columns, const LineWriter::Prefix& prefix, std::string& out) const;

    std::vector<Align> aligns_;
    std::vector<Row> rows_;  // the first is the header
};

}  // namespace hearth::cli
