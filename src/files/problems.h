// Collects everything that is wrong with a file, so that one report names it all.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/text_format.h"

namespace hearth {

class Problems {
public:
    void add(std::string problem) {
        if (lines_.size() < kShown) lines_.push_back(std::move(problem));
        ++count_;
    }
    bool empty() const { return count_ == 0; }

    // "PATH: problem", or a heading and a line for each.
    std::unexpected<Error> report(const std::string& path, std::string try_this) const {
        if (count_ == 1) return fail(ErrorKind::bad_file, path + ": " + lines_[0], std::move(try_this));
        std::string text = fmt::format("{} has {} problems:", path, count_);
        for (const std::string& line : lines_) text += "\n  " + line;
        if (count_ > lines_.size()) text += fmt::format("\n  and {} more", count_ - lines_.size());
        return fail(ErrorKind::bad_file, std::move(text), std::move(try_this));
    }

private:
    static constexpr size_t kShown = 20;
    size_t count_ = 0;
    std::vector<std::string> lines_;
};

// A name from a file, safe to print: valid UTF-8, no control characters, at most about 100 bytes.
std::string quoted(std::string_view name);

}  // namespace hearth
