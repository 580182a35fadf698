// Cuts special tokens out of text before anything else looks at it. The rule of the model world is global: all
// specials, longest first, each taking every occurrence that is still free, from left to right. One scan finds the
// places; only where candidates overlap is the rule carried out literally.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "text/input_span.h"
#include "text/string_table.h"

namespace hearth {

struct Special {
    std::string_view text;
    uint32_t id = 0;
    bool hidden = false;  // control and unknown tokens: only recognised where specials are parsed
    bool strips_left = false, strips_right = false;  // swallows white space before / behind it
};

struct Fragment {
    uint32_t begin = 0, end = 0;
    uint32_t token = kText;  // kText: ordinary text
    static constexpr uint32_t kText = ~0u;
};

// Whether any byte of begin .. end lies in one of the spans (ascending).
bool touches_input(size_t begin, size_t end, std::span<const InputSpan> input);

class SpecialSplitter {
public:
    SpecialSplitter() = default;
    explicit SpecialSplitter(std::vector<Special> specials);

    // The fragments of `text` (shorter than 4 GB) in order. With `hidden_too` all specials count, else the visible
    // ones. A special that would touch one of the spans of `input` (ascending) does not count there, unless it is
    // nothing but white space.
    void split(std::string_view text, bool hidden_too, std::vector<Fragment>& out,
               std::span<const InputSpan> input = {}) const;

private:
    void resolve(std::string_view text, Fragment cluster, std::vector<uint32_t>& ranks, std::vector<Fragment>& out,
                 std::span<const InputSpan> input) const;
    bool is_barred(size_t at, uint32_t rank, std::span<const InputSpan> input) const;

    std::vector<Special> specials_;  // longest first
    Trie trie_;                      // value: index into specials_
    bool any_strips_ = false;
    std::vector<uint64_t> begins_[2];  // bit set over the first two bytes: all specials / visible ones
};

}  // namespace hearth
