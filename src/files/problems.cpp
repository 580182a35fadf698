#include "files/problems.h"

#include <fmt/format.h>

#include "base/text_format.h"

namespace hearth {

std::unexpected<Error> Problems::report(const std::string& path, std::string try_this) const {
    if (count_ == 1) return fail(ErrorKind::bad_file, path + ": " + lines_[0], std::move(try_this));
    std::string text = fmt::format("{} has {} problems:", path, count_);
    for (const std::string& line : lines_) text += "\n  " + line;
    if (count_ > lines_.size()) text += fmt::format("\n  and {} more", count_ - lines_.size());
    return fail(ErrorKind::bad_file, std::move(text), std::move(try_this));
}

std::string quoted(std::string_view name) {
    const bool cut = name.size() > 100;
    std::string out = valid_utf8(name.substr(0, 100));
    for (char& c : out)
        if (uint8_t(c) < 0x20 || c == 0x7F) c = '?';
    return "'" + out + (cut ? "...'" : "'");
}

}  // namespace hearth
