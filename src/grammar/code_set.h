// A set of code points as sorted, disjoint ranges.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::grammar {

constexpr uint32_t kLastCode = 0x10FFFF;

struct CodeRange {
    uint32_t low, high;  // both inside
    bool operator==(const CodeRange&) const = default;
    auto operator<=>(const CodeRange&) const = default;
};

class CodeSet {
public:
    CodeSet() = default;
    CodeSet(uint32_t low, uint32_t high) : ranges_{{low, high}} {}
    static CodeSet all() { return {0, kLastCode}; }

    void add(uint32_t low, uint32_t high);
    void add(const CodeSet& other);
    CodeSet complement() const;  // within 0 ... kLastCode
    CodeSet intersection(const CodeSet& other) const;
    CodeSet without(const CodeSet& other) const { return intersection(other.complement()); }
    bool contains(uint32_t code) const;
    bool is_empty() const { return ranges_.empty(); }
    const std::vector<CodeRange>& ranges() const { return ranges_; }
    bool operator==(const CodeSet&) const = default;
    auto operator<=>(const CodeSet&) const = default;

private:
    std::vector<CodeRange> ranges_;
};

// UTF-8 of one code point, surrogates included; and back: false where `text` is no strict UTF-8.
void append_utf8(std::string& out, uint32_t code);
bool read_codes(std::string_view text, std::vector<uint32_t>& out);

}  // namespace hearth::grammar
