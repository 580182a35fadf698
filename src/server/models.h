// The models that are served, by the names that clients use. Each has an engine and a chat form of its own.
#pragma once

#include <ctime>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "chat/chat.h"
#include "chat/form_request.h"
#include "engine/engine.h"

namespace hearth::server {

struct ModelSpec {
    std::string name;
    std::string path;
    std::function<Result<std::unique_ptr<Engine>>()> open;
};

// A model in memory. Whoever holds it may use it, from any thread.
class ServedModel {
public:
    static Result<std::shared_ptr<const ServedModel>> open(const ModelSpec& spec);

    const std::string& name() const { return name_; }
    Engine& engine() const { return *engine_; }
    // Fails for models without a chat form, and says why.
    Result<const chat::ChatModel*> chat() const;
    const std::string& note() const { return note_; }  // what a person should know about its template
    // The form as this model's grammar; those used last are kept.
    Result<std::shared_ptr<grammar::Constraint>> form(const chat::FormRequest& form) const;

private:
    std::string name_, note_;
    std::unique_ptr<Engine> engine_;
    std::unique_ptr<chat::ChatModel> chat_;
    Error why_no_chat_;
    mutable std::mutex mutex_;
    mutable std::deque<std::pair<std::string, std::shared_ptr<grammar::Constraint>>> forms_;  // the last used first
};

class Models {
public:
    // Names must differ.
    static Result<std::unique_ptr<Models>> make(std::vector<ModelSpec> specs);

    struct Entry {
        std::string name, path;
        std::shared_ptr<const ServedModel> model;  // null: not loaded yet
        std::time_t created = 0;                   // when the server began to serve it
    };
    std::vector<Entry> list() const;
    bool has(const std::string& name) const { return places_.contains(name); }

    // The model of that name, loaded if it is not yet: that may take long, others who want the same one wait with the
    // caller. An empty name means the only model there is.
    //
    // Every use of a model comes through here, and the pointer is held as long as it is used: this is the place to keep
    // to a memory budget, to unload what nobody has used for a while and to swap one model for another.
    Result<std::shared_ptr<const ServedModel>> get(const std::string& name);

private:
    struct Place {
        ModelSpec spec;
        std::time_t created = 0;
        std::mutex loading;
        std::shared_ptr<const ServedModel> model;  // written with both mutexes held
    };
    mutable std::mutex mutex_;
    std::map<std::string, std::unique_ptr<Place>> places_;
    std::vector<std::string> order_;
};

}  // namespace hearth::server
