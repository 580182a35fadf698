// Collects everything that is wrong with a file, so that one report names it all.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hearth {

inline constexpr const char* kDownloadAgain = "download it again";

class Problems {
public:
    void add(std::string problem) {
        if (lines_.size() < kShown) lines_.push_back(std::move(problem));
        ++count_;
    }
    bool empty() const { return count_ == 0; }

    // "PATH: problem", or a heading and a line for each.
    std::unexpected<Error> report(const std::string& path, std::string try_this) const;

private:
    static constexpr size_t kShown = 20;
    size_t count_ = 0;
    std::vector<std::string> lines_;
};

// A name from a file, safe to print: valid UTF-8, no control characters, at most about 100 bytes.
std::string quoted(std::string_view name);

}  // namespace hearth
