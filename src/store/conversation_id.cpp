#include "store/conversation_id.h"

#include <algorithm>
#include <array>

#include "base/os.h"

namespace hearth::store {

namespace {
// Crockford's: without i, l, o (look like digits) and u. In the order of ASCII, so texts sort as numbers.
constexpr std::string_view kDigits = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr int64_t kStartMs = 1767225600000;  // 2026-01-01
constexpr size_t kMostCharacters = 32;
}  // namespace

Result<std::string> new_conversation_id(int64_t now_ms) {
    constexpr int64_t kSeconds = int64_t{1} << 30;
    int64_t seconds = std::clamp<int64_t>((now_ms - kStartMs) / 1000, 0, kSeconds - 1);
    std::string id(8, '0');
    for (size_t place = 6; place-- > 0; seconds /= 32) id[place] = kDigits[size_t(seconds % 32)];
    std::array<std::byte, 2> chance{};
    TRY(secure_random(chance));
    id[6] = kDigits[size_t(chance[0]) % 32];
    id[7] = kDigits[size_t(chance[1]) % 32];
    return id;
}

std::string conversation_id_from(std::string_view typed) {
    if (typed.size() > kMostCharacters) return {};
    std::string id;
    for (char c : typed) {
        if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
        if (c == 'o') c = '0';
        if (c == 'i' || c == 'l') c = '1';
        if (kDigits.find(c) == std::string_view::npos) return {};
        id += c;
    }
    return id;
}

}  // namespace hearth::store
