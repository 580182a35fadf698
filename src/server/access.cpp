#include "server/access.h"

#include <fmt/format.h>

#include <fstream>
#include <span>

#include "base/sha256.h"

namespace hearth::server {

namespace {

class OpenAccess final : public Access {
public:
    ApiResult<Identity> admit(const HttpRequest&) const override { return Identity{}; }
};

// How long it takes tells nothing about the key, but for the length of what was sent.
bool is_equal_in_constant_time(std::string_view sent, std::string_view key) {
    volatile uint8_t difference = sent.size() == key.size() ? 0 : 1;
    for (size_t i = 0; i < sent.size(); ++i)
        difference = uint8_t(difference | (uint8_t(sent[i]) ^ uint8_t(key[i % key.size()])));
    return difference == 0;
}

class KeyFileAccess final : public Access {
public:
    explicit KeyFileAccess(std::vector<std::string> keys) : keys_(std::move(keys)) {}

    ApiResult<Identity> admit(const HttpRequest& request) const override {
        const std::string sent = key_of(request);
        if (sent.empty())
            return std::unexpected(ApiError{401,
                                            "this server wants a key; send it as Authorization: Bearer KEY or "
                                            "x-api-key: KEY",
                                            "invalid_api_key"});
        int found = -1;
        for (size_t i = 0; i < keys_.size(); ++i)
            if (is_equal_in_constant_time(sent, keys_[i])) found = int(i);
        if (found < 0) return std::unexpected(ApiError{401, "this key is not known here", "invalid_api_key"});
        // A key's place in the file may change, and what was kept for it must not become another's.
        Sha256 hash;
        hash.add("owner of what hearth keeps\n" + keys_[size_t(found)]);
        const Sha256::Digest digest = hash.finish();
        return Identity{.name = fmt::format("key {}", found + 1), .owner = hex_text(std::span(digest).first(16))};
    }

private:
    static std::string key_of(const HttpRequest& request) {
        if (const std::string* header = request.header("Authorization")) {
            const std::string_view text = *header;
            const size_t blank = text.find(' ');
            if (blank != std::string_view::npos && is_same_word(text.substr(0, blank), "Bearer"))
                return std::string(without_blanks(text.substr(blank)));
            return {};
        }
        const std::string* header = request.header("x-api-key");
        return header ? *header : std::string();
    }

    std::vector<std::string> keys_;
};

}  // namespace

std::unique_ptr<Access> open_access() {
    return std::make_unique<OpenAccess>();
}

Result<std::vector<std::string>> read_keys(const std::string& path) {
    std::ifstream file(path);
    if (!file) return fail(ErrorKind::not_found, "cannot read the keys of " + path, "check --api-key-file");
    std::vector<std::string> keys;
    for (std::string line; std::getline(file, line);) {
        if (line.ends_with('\r')) line.pop_back();
        const std::string_view key = without_blanks(line);
        if (key.empty() || key.starts_with('#')) continue;
        if (key.size() < 8)
            return fail(ErrorKind::bad_file,
                        fmt::format("key {} of {} is shorter than 8 characters", keys.size() + 1, path),
                        "use long random ones: openssl rand -hex 24");
        if (key.find_first_of(" \t") != std::string_view::npos)
            return fail(ErrorKind::bad_file, fmt::format("key {} of {} has blanks in it", keys.size() + 1, path),
                        "write one key a line");
        keys.emplace_back(key);
    }
    if (keys.empty()) return fail(ErrorKind::bad_file, path + " holds no key", "write one key a line");
    return keys;
}

Result<std::unique_ptr<Access>> key_file_access(const std::string& path) {
    return std::make_unique<KeyFileAccess>(TRY(read_keys(path)));
}

}  // namespace hearth::server
