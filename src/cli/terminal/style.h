// How text looks, as bits that add up, and where styled text goes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hearth::cli {

using Style = uint16_t;
namespace styles {
inline constexpr Style kPlain = 0, kBold = 1, kItalic = 2, kUnderline = 4, kStrike = 8, kDim = 16, kCode = 32,
                       kHeading = 64, kKeyword = 128, kString = 256, kComment = 512, kNumber = 1024;
}

// The control sequence that switches from any look to this one.
std::string control_sequence(Style style);

class StyledSink {
public:
    virtual ~StyledSink() = default;
    virtual void text(std::string_view text, Style style) = 0;  // whole characters, no line breaks
};

}  // namespace hearth::cli
