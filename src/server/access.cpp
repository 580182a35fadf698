#include "server/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <span>

#include "base/sha256.h"
#include "server/key_ring.h"

namespace hearth::server {

namespace {

using store::Scope;
using store::Scopes;

const Scopes kAllScopes{Scope::infer, Scope::embed, Scope::metrics, Scope::manage};

// "127.0.0.1:51234" -> "127.0.0.1". Of IPv6, what one house has: its first 64 bits are the client.
std::string address_of(const std::string& peer) {
    std::string address = peer.substr(0, peer.rfind(':'));
    if (!address.starts_with('[') || address.find('.') != std::string::npos) return address;  // the old ones, mapped
    size_t end = 0;
    for (int group = 0; group < 4 && end != std::string::npos; ++group) end = address.find(':', end + 1);
    const size_t gap = address.find("::");
    return address.substr(0, std::min(end, gap));
}

bool is_of_this_machine(const std::string& peer) {
    return peer == "unix" || peer.starts_with("127.") || peer.starts_with("[::1]");
}

class OpenAccess final : public Access {
public:
    ApiResult<Identity> admit(const HttpRequest& request) const override {
        const bool is_near = is_of_this_machine(request.peer);
        return Identity{.id = is_near ? "this machine" : "from " + address_of(request.peer),
                        .name = {},
                        .owner = {},
                        .scopes = is_near ? kAllScopes : Scopes{Scope::infer, Scope::embed, Scope::metrics},
                        .limits = {},
                        .record = {}};
    }
};

class KeyFileAccess final : public Access {
public:
    explicit KeyFileAccess(KeyRing keys) : keys_(std::move(keys)) {}

    ApiResult<Identity> admit(const HttpRequest& request) const override {
        const std::string sent = key_of(request);
        if (sent.empty()) return std::unexpected(no_key_error());
        const auto found = keys_.find(sent);
        if (!found) return std::unexpected(unknown_key_error());
        const std::string name = fmt::format("key {}", *found + 1);
        // A key's place in the file may change, and what was kept for it must not become another's.
        Sha256 hash;
        hash.add("owner of what hearth keeps\n" + sent);
        const Sha256::Digest digest = hash.finish();
        return Identity{.id = "file " + name,
                        .name = name,
                        .owner = hex_text(std::span(digest).first(16)),
                        .scopes = kAllScopes,
                        .limits = {},
                        .record = {}};
    }

private:
    const KeyRing keys_;
};

}  // namespace

std::string key_of(const HttpRequest& request) {
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

ApiError no_key_error() {
    return {401, "this server wants a key; send it as Authorization: Bearer KEY or x-api-key: KEY", "invalid_api_key"};
}

ApiError unknown_key_error() {
    return {401, "this key is not known here", "invalid_api_key"};
}

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
    KeyRing ring;
    for (const std::string& key : TRY(read_keys(path))) ring.add(key);
    return std::make_unique<KeyFileAccess>(std::move(ring));
}

}  // namespace hearth::server
