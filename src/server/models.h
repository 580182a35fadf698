// The models that are served, by the names that clients use. Each has an engine and a chat form of its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "chat/chat.h"
#include "chat/form_request.h"
#include "engine/engine.h"
#include "engine/texts.h"

namespace hearth::server {

using LoadProgress = std::function<bool(double share)>;  // 0 .. 1; false gives it up

struct ModelSpec {
    std::string name;
    std::string path;
    std::function<Result<std::unique_ptr<Engine>>(const LoadProgress& progress)> open;
};

// A model in memory. Whoever holds it may use it, from any thread.
class ServedModel {
public:
    static Result<std::shared_ptr<const ServedModel>> open(const ModelSpec& spec, const LoadProgress& progress);

    const std::string& name() const { return name_; }
    Engine& engine() const { return *engine_; }
    FileUse use() const { return use_; }
    const TextReader& texts() const { return *texts_; }  // how texts are read for vectors and scores
    // Fails for models without a chat form and for those that were not made for answers, and says why.
    Result<const chat::ChatModel*> chat() const;
    const std::string& note() const { return note_; }  // what a person should know about its template
    // The form as this model's grammar; those used last are kept.
    Result<std::shared_ptr<grammar::Constraint>> form(const chat::FormRequest& form) const;

private:
    std::string name_, note_;
    std::unique_ptr<Engine> engine_;
    FileUse use_ = FileUse::text;
    std::optional<TextReader> texts_;
    std::unique_ptr<chat::ChatModel> chat_;
    Error why_no_chat_;
    mutable std::mutex mutex_;
    mutable std::deque<std::pair<std::string, std::shared_ptr<grammar::Constraint>>> forms_;  // the last used first
};

// How many models may be in memory together. Nothing is given up that somebody uses.
struct ModelLimits {
    int64_t memory_bytes = 0;  // of all together, as planned at load; 0: whatever the machine has
    int64_t most = 0;          // models; 0: no limit
    double idle_seconds = 0;   // a model that nobody has used for so long is unloaded; 0: never
    double patience = 60;      // seconds that a request waits for others to leave room
};

// A model came into memory or left it.
struct ModelNews {
    bool is_loaded = false;
    std::string model;
    std::string by;      // whose wish it was
    std::string why;     // of one that left
    double seconds = 0;  // that it took
};

class Models {
public:
    using Tell = std::function<void(const ModelNews&)>;  // on the thread that did it, when it is done

    // Names must differ.
    static Result<std::unique_ptr<Models>> make(std::vector<ModelSpec> specs, ModelLimits limits = {}, Tell tell = {});
    ~Models();

    struct Entry {
        std::string name, path;
        std::shared_ptr<const ServedModel> model;  // null: not loaded yet
        std::time_t created = 0;                   // when the server began to serve it
    };
    std::vector<Entry> list() const;
    bool has(const std::string& name) const { return places_.contains(name); }
    // Of the model that a request means: an empty name means the only model there is.
    std::string full_name(const std::string& asked) const {
        return asked.empty() && order_.size() == 1 ? order_[0] : asked;
    }

    // The model of that name, loaded if it is not yet: that may take long, others who want the same one wait with the
    // caller. `by`: whose wish it is.
    //
    // Every use of a model comes through here, and the pointer is held as long as it is used. Where the limits leave no
    // room, the model that has been idle for longest makes it; while all are in use, the caller waits.
    Result<std::shared_ptr<const ServedModel>> get(const std::string& name, const std::string& by = kServer);
    // The same without waiting; nothing: it has to be loaded.
    std::optional<Result<std::shared_ptr<const ServedModel>>> at_once(const std::string& name);
    // Unloads it now, or, while somebody uses it, not: false. A model that is not loaded counts as unloaded.
    bool unload(const std::string& name, const std::string& by = kServer);

    double loading_share(const std::string& name) const;  // how much of it has been read; 0: it does not load
    void give_up_loading();                               // now and for ever

    static constexpr const char* kServer = "the server";

private:
    struct Place {
        ModelSpec spec;
        std::time_t created = 0;
        std::shared_ptr<const ServedModel> model;
        bool is_leaving = false;        // its memory is being given back
        std::atomic<double> share = 0;  // of it that has been read
        double last_use = 0;            // when somebody last asked for it, or was seen using it
    };
    using Lock = std::unique_lock<std::mutex>;
    using Loaded = std::shared_ptr<const ServedModel>;
    Loaded use(Place& place);  // null: it is not in memory
    Result<Loaded> load(Place& place, const std::string& by, Lock& lock);
    Result<> make_room(const Place& place, const std::string& by, double until, Lock& lock);
    bool give_up_idlest(const Place& for_whom, const std::string& by, Lock& lock);
    void unload(Place& place, const std::string& by, const std::string& why, Lock& lock);
    int64_t bytes_in_use() const;
    void watch();

    ModelLimits limits_;
    Tell tell_;
    std::atomic<bool> is_giving_up_ = false;
    std::mutex loading_;        // one at a time, so that their memory adds up; taken before mutex_
    mutable std::mutex mutex_;  // of everything below
    std::condition_variable stops_;
    bool is_stopping_ = false;
    std::map<std::string, std::unique_ptr<Place>> places_;
    std::vector<std::string> order_;
    std::thread watcher_;
};

}  // namespace hearth::server
