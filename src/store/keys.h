// Keys of the API: who may ask, for what, and how much. A secret is shown once; only its hash is kept.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hearth::store {

class Database;

enum class Scope : uint8_t { infer = 1, embed = 2, metrics = 4, manage = 8 };

class Scopes {
public:
    Scopes() = default;
    Scopes(std::initializer_list<Scope> scopes) {
        for (const Scope scope : scopes) bits_ |= uint8_t(scope);
    }
    static Result<Scopes> parse(std::string_view text);  // "infer,embed"
    static Scopes from_bits(int64_t bits);               // unknown ones are left out: they allow nothing here

    bool has(Scope scope) const { return (bits_ & uint8_t(scope)) != 0; }
    bool is_empty() const { return bits_ == 0; }
    int64_t bits() const { return bits_; }
    bool shares(Scopes other) const { return (bits_ & other.bits_) != 0; }
    std::string text() const;
    friend bool operator==(Scopes, Scopes) = default;

private:
    uint8_t bits_ = 0;
};

struct KeyLimits {  // 0: none
    int64_t requests_per_minute = 0;
    int64_t tokens_per_minute = 0;
    int64_t concurrency = 0;
};

struct NewKey {
    std::string name;  // for people
    Scopes scopes{Scope::infer, Scope::embed};
    KeyLimits limits;
    int64_t expires_ms = 0;  // since 1970; 0: never
};

struct ApiKey : NewKey {
    std::string id;
    int64_t created_ms = 0;
    int64_t last_used_ms = 0;  // to the minute; 0: never
    int64_t revoked_ms = 0;    // 0: it is not
};

struct AddedKey {
    ApiKey key;
    std::string secret;  // "hearth-", then the key's id and 256 random bits in hexadecimal digits
};

enum class KeyState { valid, unknown, revoked, expired };

struct KeyLookup {
    KeyState state = KeyState::unknown;
    ApiKey key;  // of no meaning when unknown
};

class Keys {
public:
    explicit Keys(Database& database) : database_(&database) {}

    Result<AddedKey> add(const NewKey& wanted, int64_t now_ms);
    Result<std::vector<ApiKey>> list();  // oldest first, revoked ones too
    Result<bool> has_any();              // revoked and expired ones count
    Result<> revoke(std::string_view id, int64_t now_ms);

    // Whose secret this is. An Error says that the store failed, not that the secret is wrong. Sees at once what other
    // processes add and revoke.
    Result<KeyLookup> find_by_secret(std::string_view secret, int64_t now_ms);
    // Notes that the key was used; writes once a minute at most.
    Result<> note_use(const ApiKey& key, int64_t now_ms);

private:
    Database* database_;
};

}  // namespace hearth::store
