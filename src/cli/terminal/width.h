// How many cells of a terminal a text takes. Sequences of emoji (skin tones, joined families) count as the sum of their
// characters: terminals that join them show less, those that do not never show more.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace hearth::cli {

namespace width_tables {
struct Range {
    uint32_t first, last;
};
extern const std::span<const Range> kZero, kWide;
}  // namespace width_tables

int char_width(uint32_t code);  // 0, 1 or 2
// The same behind another character: the selector U+FE0F turns a sign of one cell into an emoji of two, where known.
int char_width_after(uint32_t before, uint32_t code);
int text_width(std::string_view text);  // valid UTF-8; control sequences (ESC [ ... letter) take nothing

}  // namespace hearth::cli
