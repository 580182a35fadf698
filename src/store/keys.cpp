#include "store/keys.h"

#include <algorithm>
#include <array>

#include "base/os.h"
#include "base/sha256.h"
#include "store/database.h"

namespace hearth::store {

namespace {

constexpr std::string_view kSecretBegin = "hearth-";
constexpr size_t kIdDigits = 8, kRandomDigits = 64;
constexpr size_t kMostNameBytes = 100;
constexpr int64_t kMostKeys = 10000;
constexpr int64_t kMostLimit = int64_t{1} << 50;
constexpr int64_t kUseGrainMs = 60000;

constexpr std::array<std::pair<Scope, std::string_view>, 4> kScopeNames{
    {{Scope::infer, "infer"}, {Scope::embed, "embed"}, {Scope::metrics, "metrics"}, {Scope::manage, "manage"}}};

using Salt = std::array<std::byte, 16>;

// One round of SHA-256 is enough here: slow password hashes defend secrets that people choose and others can guess.
// These are 256 random bits, which nobody finds by trying, however fast each try is.
Sha256::Digest hash_of(std::span<const std::byte> salt, std::string_view secret) {
    Sha256 sum;
    sum.add(salt);
    sum.add(secret);
    return sum.finish();
}

template <size_t Bytes>
Result<std::string> random_hex() {
    std::array<std::byte, Bytes> bytes{};
    TRY(secure_random(bytes));
    return hex_text(bytes);
}

bool is_key_id(std::string_view id) {
    return id.size() == kIdDigits && id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<> check_wanted(const NewKey& wanted) {
    const auto is_shown = [](char c) { return uint8_t(c) >= ' ' && c != 0x7F; };
    if (wanted.name.empty() || wanted.name.size() > kMostNameBytes ||
        !std::all_of(wanted.name.begin(), wanted.name.end(), is_shown))
        return fail(ErrorKind::bad_request,
                    fmt::format("the name of a key is 1 to {} bytes without control characters", kMostNameBytes),
                    "name it after who will use it");
    if (wanted.scopes.is_empty())
        return fail(ErrorKind::bad_request, "a key without scopes would allow nothing",
                    "give some of infer, embed, metrics and manage");
    const KeyLimits& limits = wanted.limits;
    for (const int64_t limit : {limits.requests_per_minute, limits.tokens_per_minute, limits.concurrency})
        if (limit < 0 || limit > kMostLimit)
            return fail(ErrorKind::bad_request, fmt::format("{} is no limit for a key", limit),
                        "give a positive number, or 0 for no limit");
    return {};
}

constexpr std::string_view kKeyColumns =
    "id, name, scopes, requests_per_minute, tokens_per_minute, concurrency, created_ms, expires_ms, last_used_ms, "
    "revoked_ms";

ApiKey read_key(const Statement& row) {
    ApiKey key;
    key.id = row.text(0);
    key.name = row.text(1);
    key.scopes = Scopes::from_bits(row.integer(2));
    key.limits = {row.integer(3), row.integer(4), row.integer(5)};
    key.created_ms = row.integer(6);
    key.expires_ms = row.integer(7);
    key.last_used_ms = row.integer(8);
    key.revoked_ms = row.integer(9);
    return key;
}

Result<std::string> unused_key_id(Transaction& transaction) {
    Statement count = TRY(transaction.prepare("SELECT count(*) FROM keys"));
    if (TRY(count.next()) && count.integer(0) >= kMostKeys)
        return fail(ErrorKind::bad_request, fmt::format("there are {} keys already", kMostKeys));
    while (true) {
        std::string id = TRY(random_hex<kIdDigits / 2>());
        Statement taken = TRY(transaction.prepare("SELECT 1 FROM keys WHERE id = ?", {id}));
        if (!TRY(taken.next())) return id;
    }
}

}  // namespace

Result<Scopes> Scopes::parse(std::string_view text) {
    Scopes scopes;
    for (size_t at = 0; !text.empty() && at <= text.size();) {
        const std::string_view name = text.substr(at, text.find(',', at) - at);
        const auto found = std::find_if(kScopeNames.begin(), kScopeNames.end(),
                                        [&](const auto& entry) { return entry.second == name; });
        if (found == kScopeNames.end())
            return fail(ErrorKind::bad_request, fmt::format("\"{}\" is no scope of a key", name.substr(0, 40)),
                        "scopes are infer, embed, metrics and manage, with commas between them");
        scopes.bits_ |= uint8_t(found->first);
        at += name.size() + 1;
    }
    return scopes;
}

Scopes Scopes::from_bits(int64_t bits) {
    Scopes scopes;
    for (const auto& [scope, name] : kScopeNames)
        if ((bits & int64_t(scope)) != 0) scopes.bits_ |= uint8_t(scope);
    return scopes;
}

std::string Scopes::text() const {
    std::string text;
    for (const auto& [scope, name] : kScopeNames)
        if (has(scope)) text += (text.empty() ? "" : ",") + std::string(name);
    return text;
}

Result<AddedKey> Keys::add(const NewKey& wanted, int64_t now_ms) {
    TRY(check_wanted(wanted));
    if (wanted.expires_ms != 0 && wanted.expires_ms <= now_ms)
        return fail(ErrorKind::bad_request, "the key would have expired already", "give a time in the future");
    Salt salt{};
    TRY(secure_random(salt));
    const std::string random = TRY(random_hex<kRandomDigits / 2>());
    Transaction transaction = TRY(database_->write());
    AddedKey added;
    static_cast<NewKey&>(added.key) = wanted;
    added.key.id = TRY(unused_key_id(transaction));
    added.key.created_ms = now_ms;
    added.secret = std::string(kSecretBegin) + added.key.id + random;
    const Sha256::Digest hash = hash_of(salt, added.secret);
    const KeyLimits& limits = wanted.limits;
    TRY(transaction.run("INSERT INTO keys VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)",
                        {added.key.id, wanted.name, std::span<const std::byte>(salt), std::span<const std::byte>(hash),
                         wanted.scopes.bits(), limits.requests_per_minute, limits.tokens_per_minute, limits.concurrency,
                         now_ms, wanted.expires_ms}));
    TRY(transaction.commit());
    return added;
}

Result<std::vector<ApiKey>> Keys::list() {
    Transaction transaction = TRY(database_->read());
    Statement rows = TRY(transaction.prepare(fmt::format("SELECT {} FROM keys ORDER BY created_ms, id", kKeyColumns)));
    std::vector<ApiKey> list;
    while (TRY(rows.next())) list.push_back(read_key(rows));
    return list;
}

Result<bool> Keys::has_any() {
    Transaction transaction = TRY(database_->read());
    Statement row = TRY(transaction.prepare("SELECT 1 FROM keys LIMIT 1"));
    return row.next();
}

Result<> Keys::revoke(std::string_view id, int64_t now_ms) {
    Transaction transaction = TRY(database_->write());
    TRY(transaction.run("UPDATE keys SET revoked_ms = ? WHERE id = ? AND revoked_ms = 0", {now_ms, id}));
    if (transaction.changed_rows() == 0) {
        Statement known = TRY(transaction.prepare("SELECT 1 FROM keys WHERE id = ?", {id}));
        if (!TRY(known.next()))
            return fail(ErrorKind::not_found,
                        is_key_id(id) ? fmt::format("there is no key {}", id) : "there is no key of that id",
                        "an id is the 8 characters behind \"hearth-\" in the key; list them to see which there are");
    }
    return transaction.commit();
}

Result<KeyLookup> Keys::find_by_secret(std::string_view secret, int64_t now_ms) {
    const KeyLookup unknown;
    if (secret.size() != kSecretBegin.size() + kIdDigits + kRandomDigits || !secret.starts_with(kSecretBegin))
        return unknown;
    const std::string_view id = secret.substr(kSecretBegin.size(), kIdDigits);
    if (!is_key_id(id)) return unknown;
    Transaction transaction = TRY(database_->read());
    Statement row =
        TRY(transaction.prepare(fmt::format("SELECT {}, salt, hash FROM keys WHERE id = ?", kKeyColumns), {id}));
    // How long this takes may tell that an id exists; ids are no secrets.
    if (!TRY(row.next()) || !equal_in_constant_time(hash_of(row.bytes(10), secret), row.bytes(11))) return unknown;
    KeyLookup found{KeyState::valid, read_key(row)};
    if (found.key.revoked_ms != 0)
        found.state = KeyState::revoked;
    else if (found.key.expires_ms != 0 && found.key.expires_ms <= now_ms)
        found.state = KeyState::expired;
    return found;
}

Result<> Keys::note_use(const ApiKey& key, int64_t now_ms) {
    if (now_ms - key.last_used_ms < kUseGrainMs) return {};
    Transaction transaction = TRY(database_->write());
    TRY(transaction.run("UPDATE keys SET last_used_ms = ? WHERE id = ? AND last_used_ms < ?",
                        {now_ms, key.id, now_ms}));
    return transaction.commit();
}

}  // namespace hearth::store
