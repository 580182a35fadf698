// Keys of the store, looked up while the server runs: others add and revoke them meanwhile.
#include <fmt/format.h>

#include <atomic>
#include <filesystem>
#include <limits>
#include <map>
#include <mutex>

#include "server/access.h"
#include "server/key_ring.h"
#include "server/workers.h"
#include "store/store.h"

namespace hearth::server {

namespace {

// The id is no secret, the digest is compared in constant time: how long a look into these takes tells nothing.
struct Remembered {
    Sha256::Digest digest;
    store::KeyLookup lookup;
    double until = 0;
};

constexpr size_t kMostRemembered = 1024;

ApiError store_error(const Error& error) {
    return {500, "the keys cannot be read: " + error.line(), "key_store_failed"};
}

// The same for ever: ids are not given again.
std::string owner_of(const store::ApiKey& key) {
    return "key " + key.id;
}

class KeysOfStore final : public StoreAccess {
public:
    explicit KeysOfStore(StoreAccessOptions options)
        : folder_(std::move(options.folder)),
          look_again_seconds_(options.look_again_seconds),
          clock_(std::move(options.clock)),
          has_others_(options.others != nullptr),
          others_(has_others_ ? std::move(options.others) : open_access()) {}

    double now() const { return clock_(); }

    ApiResult<Identity> admit(const HttpRequest& request) const override {
        const std::string sent = key_of(request);
        const double now = clock_();
        if (auto found = look(now); !found) return std::unexpected(store_error(found.error()));
        if (!has_any_) return others_->admit(request);
        const auto lookup = find(sent, now);
        if (!lookup) return std::unexpected(store_error(lookup.error()));
        const store::ApiKey& key = lookup->key;
        switch (lookup->state) {
            case store::KeyState::valid:
                return Identity{.id = "key " + key.id,
                                .name = key.name,
                                .owner = owner_of(key),
                                .scopes = key.scopes,
                                .limits = key.limits,
                                .record = {}};
            case store::KeyState::revoked:
                return std::unexpected(ApiError{401, "this key was revoked; ask for another one", "revoked_api_key"});
            case store::KeyState::expired:
                return std::unexpected(ApiError{401, "this key has expired; ask for another one", "expired_api_key"});
            case store::KeyState::unknown:
                break;
        }
        if (has_others_) return others_->admit(request);
        return std::unexpected(sent.empty() ? no_key_error() : unknown_key_error());
    }

    bool wants_keys() const override { return has_others_ || has_any_; }

    Result<std::vector<std::string>> gone_owners() const override {
        std::lock_guard lock(mutex_);
        std::vector<std::string> owners;
        if (!store_) return owners;
        for (const store::ApiKey& key : TRY(store_->keys().list()))
            if (key.revoked_ms != 0) owners.push_back(owner_of(key));
        return owners;
    }

    // Opens the store once it is there, and sees whether it has a key. That one was there is not forgotten: a file that
    // is moved away opens the door to nobody.
    Result<> look(double now) const {
        std::lock_guard lock(mutex_);
        if (has_any_ || now < look_again_) return {};
        std::error_code error;
        if (!store_) {
            const bool is_there =
                !folder_.empty() && std::filesystem::exists(std::filesystem::path(folder_) / "hearth.db", error);
            if (error)
                return fail(ErrorKind::bad_file, fmt::format("cannot look into {}: {}", folder_, error.message()),
                            "give yourself the right to, or let HEARTH_HOME name another folder");
            if (is_there) store_.emplace(TRY(store::Store::open(folder_)));
        }
        if (store_) has_any_ = TRY(store_->keys().has_any());
        look_again_ = now + look_again_seconds_;
        return {};
    }

private:
    Result<store::KeyLookup> find(const std::string& sent, double now) const {
        if (sent.empty()) return store::KeyLookup{};
        const Sha256::Digest digest = digest_of(sent);
        std::lock_guard lock(mutex_);
        const auto known = remembered_.find(id_in(sent));
        if (known != remembered_.end() && now < known->second.until &&
            equal_in_constant_time(digest, known->second.digest))
            return known->second.lookup;
        store::KeyLookup found = TRY(store_->keys().find_by_secret(sent, unix_milliseconds()));
        if (found.state == store::KeyState::unknown) return found;
        if (found.state == store::KeyState::valid) note_use(found.key);
        if (remembered_.size() >= kMostRemembered) remembered_.clear();
        remembered_[found.key.id] = {digest, found, now + look_again_seconds_};
        return found;
    }

    // Writing waits while others write, for seconds; nobody's request does. That it cannot be noted must keep nobody
    // out, either: the disk may be full.
    void note_use(const store::ApiKey& key) const {
        // Not before: a server has no threads until it is confined.
        if (!noter_) noter_ = std::make_unique<Workers>(1);
        noter_->post([this, key, now_ms = unix_milliseconds()] {
            if (!notes_)
                if (auto opened = store::Store::open(folder_)) notes_.emplace(std::move(*opened));
            if (notes_) (void)notes_->keys().note_use(key, now_ms);
        });
    }

    static std::string id_in(std::string_view sent) {
        constexpr std::string_view kBegin = "hearth-";
        return sent.starts_with(kBegin) ? std::string(sent.substr(kBegin.size(), 8)) : std::string();
    }

    const std::string folder_;
    const double look_again_seconds_;
    const std::function<double()> clock_;
    const bool has_others_;
    const std::unique_ptr<Access> others_;  // or the open door
    mutable std::mutex mutex_;
    mutable std::optional<store::Store> store_;
    mutable std::atomic<bool> has_any_ = false;
    mutable double look_again_ = -std::numeric_limits<double>::infinity();
    mutable std::map<std::string, Remembered> remembered_;  // by the id of the key
    mutable std::optional<store::Store> notes_;  // of the thread that notes who came: a connection of its own
    mutable std::unique_ptr<Workers> noter_;     // that thread
};

}  // namespace

Result<std::unique_ptr<StoreAccess>> StoreAccess::open(StoreAccessOptions options) {
    auto access = std::make_unique<KeysOfStore>(std::move(options));
    TRY(access->look(access->now()));
    return std::unique_ptr<StoreAccess>(std::move(access));
}

}  // namespace hearth::server
