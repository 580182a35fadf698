#include "store/stored_json.h"

#include <algorithm>

#include "base/text_format.h"

namespace hearth::store {

namespace {
// Texts from outside are at most 200 deep (base/json.h); what we keep wraps them in a few levels more.
constexpr int kMostDepth = 400;

int depth_of(const Json& value) {
    int deepest = 0;
    if (value.is_array())
        for (const Json& item : value.items()) deepest = std::max(deepest, depth_of(item));
    else if (value.is_object())
        for (const auto& [key, member] : value.members()) deepest = std::max(deepest, depth_of(member));
    else
        return 0;
    return deepest + 1;
}

// Of its text, at least: what is far too large is refused before it is written out.
int64_t least_bytes(const Json& value) {
    int64_t bytes = 1;
    if (value.is_string()) bytes += int64_t(value.as_string().size());
    if (value.is_array())
        for (const Json& item : value.items()) bytes += least_bytes(item);
    if (value.is_object())
        for (const auto& [key, member] : value.members()) bytes += int64_t(key.size()) + least_bytes(member);
    return bytes;
}
}  // namespace

Result<std::string> text_to_store(const Json& value, int64_t most_bytes, const std::string& what) {
    if (depth_of(value) > kMostDepth)
        return fail(ErrorKind::bad_request,
                    fmt::format("{} are nested more than {} deep, which cannot be kept", what, kMostDepth));
    const auto too_large = [&] {
        return fail(ErrorKind::bad_request,
                    fmt::format("{} take more than the {} that are kept", what, bytes_text(uint64_t(most_bytes))));
    };
    if (least_bytes(value) > most_bytes) return too_large();
    std::string text = value.dump();
    if (int64_t(text.size()) > most_bytes) return too_large();
    return text;
}

Result<Json> stored_json(const std::string& text, const std::string& what) {
    Result<Json> value = Json::parse(text, kMostDepth);
    if (!value)
        return fail(ErrorKind::bad_file, fmt::format("{} are damaged: {}", what, value.error().what),
                    "restore a backup of the store");
    return value;
}

}  // namespace hearth::store
