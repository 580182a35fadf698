// hearth keys: who may ask this machine's server.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/os.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/keeper.h"
#include "cli/options.h"
#include "store/audit.h"
#include "store/store.h"

namespace hearth::cli {

namespace {

using store::ApiKey;
using store::KeyLimits;

struct KeyOptions {
    std::string name, scopes = "infer,embed", expires, id;
    KeyLimits limits;
    bool json = false;
};

std::string by_whom() {
    return fmt::format("command line, user {}", getuid());
}

// "30d" -> milliseconds
Result<int64_t> span_of(std::string_view text) {
    constexpr std::pair<char, int64_t> kUnits[] = {
        {'m', 60'000}, {'h', 3'600'000}, {'d', 86'400'000}, {'w', 604'800'000}, {'y', int64_t{365} * 86'400'000}};
    int64_t count = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), count);
    if (read.ec == std::errc() && read.ptr + 1 == text.data() + text.size() && count > 0)
        for (const auto& [unit, milliseconds] : kUnits)
            if (*read.ptr == unit && count <= int64_t{100} * 365 * 86'400'000 / milliseconds)
                return count * milliseconds;
    return fail(ErrorKind::bad_request, fmt::format("--expires {} is no time", one_line(text.substr(0, 40))),
                "write 90m, 12h, 30d, 8w or 1y, at most 100y");
}

std::string limits_text(const KeyLimits& limits) {
    std::string text;
    const auto add = [&](int64_t limit, const char* of) {
        if (limit > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", limit, of);
    };
    add(limits.requests_per_minute, "requests/min");
    add(limits.tokens_per_minute, "tokens/min");
    add(limits.concurrency, "at once");
    return text.empty() ? "no limits" : text;
}

std::string state_of(const ApiKey& key, int64_t now) {
    if (key.revoked_ms != 0) return "revoked";
    if (key.expires_ms == 0) return "valid";
    return key.expires_ms <= now ? "expired" : "valid until " + store::utc_text(key.expires_ms).substr(0, 10);
}

Json described(const ApiKey& key) {
    Json scopes = Json::array();
    const std::string text = key.scopes.text();
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find(',', at), text.size());
        scopes.push(text.substr(at, end - at));
        at = end + 1;
    }
    const auto limit = [](int64_t number) { return number > 0 ? Json(number) : Json(); };
    const auto time = [](int64_t unix_ms) { return unix_ms > 0 ? Json(store::utc_text(unix_ms)) : Json(); };
    return Json::Object{{"id", key.id},
                        {"name", key.name},
                        {"scopes", std::move(scopes)},
                        {"requests_per_minute", limit(key.limits.requests_per_minute)},
                        {"tokens_per_minute", limit(key.limits.tokens_per_minute)},
                        {"concurrent", limit(key.limits.concurrency)},
                        {"created", time(key.created_ms)},
                        {"expires", time(key.expires_ms)},
                        {"last_used", time(key.last_used_ms)},
                        {"revoked", time(key.revoked_ms)}};
}

Result<> add_key(const KeyOptions& options) {
    store::NewKey wanted{.name = options.name, .scopes = TRY(store::Scopes::parse(options.scopes))};
    wanted.limits = options.limits;
    const int64_t now = unix_milliseconds();
    if (!options.expires.empty()) wanted.expires_ms = now + TRY(span_of(options.expires));
    auto log = TRY(store::AuditLog::open(data_directory()));
    auto store = TRY(store::Store::open(data_directory()));
    const store::AddedKey added = TRY(store.keys().add(wanted, now));
    // A key that nobody can know, or that no log knows, must not lie around.
    auto told = log.append(by_whom(), "keys.add", described(added.key), now);
    if (told) told = write_out(added.secret + "\n");
    if (!told) {
        TRY(store.keys().revoke(added.key.id, unix_milliseconds()));
        return told;
    }
    notice(fmt::format("hearth: key {} for {} may {}, {}, {}; it is shown this once, only its hash is kept",
                       added.key.id, one_line(added.key.name), added.key.scopes.text(), limits_text(added.key.limits),
                       state_of(added.key, now)));
    return {};
}

Result<> list_keys(const KeyOptions& options) {
    auto store = TRY(store::Store::open(data_directory()));
    const std::vector<ApiKey> keys = TRY(store.keys().list());
    if (options.json) {
        Json list = Json::array();
        for (const ApiKey& key : keys) list.push(described(key));
        return write_out(list.dump() + "\n");
    }
    if (keys.empty()) notice("hearth: there are no keys: everybody who reaches the server may use it");
    const int64_t now = unix_milliseconds();
    std::string lines;
    for (const ApiKey& key : keys)
        lines += fmt::format("{}  {:<24}  {:<20}  {}  {}  {}\n", key.id, one_line(key.name), state_of(key, now),
                             key.scopes.text(), limits_text(key.limits),
                             key.last_used_ms == 0 ? "never used" : "used " + time_ago(key.last_used_ms, now));
    return write_out(lines);
}

Result<> revoke_key(const KeyOptions& options) {
    auto log = TRY(store::AuditLog::open(data_directory()));
    auto store = TRY(store::Store::open(data_directory()));
    const int64_t now = unix_milliseconds();
    TRY(store.keys().revoke(options.id, now));
    notice(fmt::format("hearth: key {} is revoked; a running server knows within a second or two", options.id));
    return log.append(by_whom(), "keys.revoke", Json::Object{{"id", options.id}}, now);
}

}  // namespace

void add_keys(Command& program) {
    Command keys = program.add_command("keys", "Decide who may ask `hearth serve`");
    keys.needs_command();
    auto options = std::make_shared<KeyOptions>();
    constexpr int64_t kMost = int64_t{1} << 50;
    Command add = keys.add_command("add", "Make a key; its secret goes to standard output, once");
    add.add("NAME", options->name, "Who will use it").required();
    add.add("--scope", options->scopes, "What it may do: some of infer, embed, metrics, manage, with commas")
        .show_default();
    add.add("--requests-per-minute", options->limits.requests_per_minute, "0: any number")
        .show_default()
        .between(0, kMost);
    add.add("--tokens-per-minute", options->limits.tokens_per_minute, "Of prompts and answers; 0: any number")
        .show_default()
        .between(0, kMost);
    add.add("--concurrent", options->limits.concurrency, "Requests at the same time; 0: any number")
        .show_default()
        .between(0, kMost);
    add.add("--expires", options->expires, "From now: 90m, 12h, 30d, 8w, 1y (default: never)");
    add.runs([options] { return add_key(*options); });
    Command list = keys.add_command("list", "Show all keys, revoked ones too");
    list.add_flag("--json", options->json, "As JSON");
    list.runs([options] { return list_keys(*options); });
    Command revoke = keys.add_command("revoke", "Make a key worthless, for ever");
    revoke.add("ID", options->id, "The 8 characters that `hearth keys list` shows").required();
    revoke.runs([options] { return revoke_key(*options); });
}

}  // namespace hearth::cli
