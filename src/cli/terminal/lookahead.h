// Text of a line that may still grow, seen by somebody who must decide the same whatever has arrived so far: who looks
// behind what is there learns that it is too early, unless the line is whole or the window of the decision is used up.
#pragma once

#include <algorithm>
#include <string_view>

namespace hearth::cli {

class Lookahead {
public:
    Lookahead(std::string_view text, bool is_whole, size_t window)
        : text_(text.substr(0, window)),
          is_cut_(text.size() >= window),
          is_final_(is_cut_ || (is_whole && text.size() < window)) {}

    // A line break stands for the end.
    char operator[](size_t at) {
        if (at < text_.size()) return text_[at];
        is_early_ = is_early_ || !is_final_;
        is_past_window_ = is_past_window_ || is_cut_;
        return '\n';
    }
    size_t run(size_t at) {  // of equal characters
        const char mark = (*this)[at];
        size_t end = at;
        while (mark != '\n' && (*this)[end] == mark) ++end;
        return end - at;
    }
    bool has(size_t at, std::string_view word) {
        for (size_t i = 0; i < word.size(); ++i)
            if ((*this)[at + i] != word[i]) return false;
        return true;
    }
    std::string_view text(size_t from, size_t to) const { return text_.substr(from, to - from); }
    bool is_early() const { return is_early_; }              // no decision yet
    bool is_past_window() const { return is_past_window_; }  // what was looked for did not come near enough

private:
    std::string_view text_;
    bool is_cut_, is_final_, is_early_ = false, is_past_window_ = false;
};

}  // namespace hearth::cli
