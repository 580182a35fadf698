#include "server/models.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "base/os.h"

namespace hearth::server {

namespace {
constexpr double kSaveSeconds = 5;  // that others may wait so that what a model has read is written to the disk
}

Result<std::shared_ptr<const ServedModel>> ServedModel::open(const ModelSpec& spec, const LoadProgress& progress) {
    auto model = std::make_shared<ServedModel>();
    model->name_ = spec.name;
    model->engine_ = TRY(spec.open(progress));
    const Checkpoint& file = model->engine_->checkpoint();
    model->use_ = use_of(file);
    model->texts_ = TextReader::of(file, model->engine_->tokenizer());
    if (model->use_ != FileUse::text) {
        model->why_no_chat_ = {ErrorKind::unsupported,
                               fmt::format("{} is {}: it was not made for answers", spec.name, name_of(model->use_)),
                               model->use_ == FileUse::scores ? "use /v1/rerank" : "use /v1/embeddings"};
        return model;
    }
    auto chat = chat::ChatModel::make(file.metadata(), model->engine_->tokenizer());
    if (chat) {
        model->chat_ = std::move(*chat);
        model->note_ = model->chat_->note();
    } else {
        model->why_no_chat_ = chat.error();
        model->why_no_chat_.try_this = "use /v1/completions to continue a text";
    }
    return model;
}

Result<const chat::ChatModel*> ServedModel::chat() const {
    if (chat_) return chat_.get();
    return fail(ErrorKind::unsupported, why_no_chat_.what, why_no_chat_.try_this);
}

Result<std::shared_ptr<grammar::Constraint>> ServedModel::form(const chat::FormRequest& form) const {
    if (form.kind == chat::FormRequest::Kind::any) return nullptr;
    std::string key = form.key();
    {
        std::lock_guard lock(mutex_);
        for (auto one = forms_.begin(); one != forms_.end(); ++one)
            if (one->first == key) {
                auto found = *one;
                forms_.erase(one);
                forms_.push_front(found);
                return found.second;
            }
    }
    auto made = TRY(TRY(chat())->form(TRY(chat::grammar_of(form))));
    constexpr size_t kMostKept = 32;
    std::lock_guard lock(mutex_);
    forms_.emplace_front(std::move(key), made);
    if (forms_.size() > kMostKept) forms_.pop_back();
    return made;
}

Result<std::unique_ptr<Models>> Models::make(std::vector<ModelSpec> specs, ModelLimits limits, Tell tell) {
    auto models = std::make_unique<Models>();
    models->limits_ = limits;
    models->tell_ = std::move(tell);
    for (ModelSpec& spec : specs) {
        if (models->places_.contains(spec.name))
            return fail(ErrorKind::bad_request, fmt::format("two models have the name {}", spec.name),
                        "give one another name: --model NAME=PATH");
        auto place = std::make_unique<Place>();
        models->order_.push_back(spec.name);
        place->created = std::time(nullptr);
        place->spec = std::move(spec);
        models->places_.emplace(models->order_.back(), std::move(place));
    }
    if (limits.idle_seconds > 0) models->watcher_ = std::thread([&all = *models] { all.watch(); });
    return models;
}

Models::~Models() {
    {
        std::lock_guard lock(mutex_);
        is_stopping_ = true;
    }
    stops_.notify_all();
    if (watcher_.joinable()) watcher_.join();
}

std::vector<Models::Entry> Models::list() const {
    std::lock_guard lock(mutex_);
    std::vector<Entry> entries;
    for (const std::string& name : order_) {
        const Place& place = *places_.at(name);
        entries.push_back({name, place.spec.path, place.model, place.created});
    }
    return entries;
}

Models::Loaded Models::use(Place& place) {
    if (place.model) place.last_use = monotonic_seconds();
    return place.model;
}

std::optional<Result<std::shared_ptr<const ServedModel>>> Models::at_once(const std::string& asked) {
    const auto found = places_.find(full_name(asked));
    if (found == places_.end()) {
        const std::string known = fmt::format("this server has {}", fmt::join(order_, ", "));
        if (asked.empty()) return fail(ErrorKind::bad_request, "the request names no model", known);
        return fail(ErrorKind::not_found, fmt::format("there is no model {}", asked), known);
    }
    std::lock_guard lock(mutex_);
    if (auto model = use(*found->second)) return model;
    return std::nullopt;
}

Result<std::shared_ptr<const ServedModel>> Models::get(const std::string& asked, const std::string& by) {
    if (auto there = at_once(asked)) return std::move(*there);
    Place& place = *places_.at(full_name(asked));
    const double until = monotonic_seconds() + limits_.patience;
    std::lock_guard loading(loading_);
    Lock lock(mutex_);
    // What another one gives back just now is neither free nor counted.
    stops_.wait(lock,
                [&] { return std::ranges::none_of(places_, [](const auto& one) { return one.second->is_leaving; }); });
    if (auto model = use(place)) return model;
    TRY(make_room(place, by, until, lock));
    auto model = load(place, by, lock);
    place.share = 0;
    return model;
}

Result<Models::Loaded> Models::load(Place& place, const std::string& by, Lock& lock) {
    while (true) {
        lock.unlock();
        const double began = monotonic_seconds();
        auto model = ServedModel::open(place.spec, [&](double share) {
            place.share = share;
            return !is_giving_up_;
        });
        if (model && tell_) tell_({true, place.spec.name, by, {}, monotonic_seconds() - began});
        lock.lock();
        if (model) {
            place.model = std::move(*model);
            auto held = use(place);
            // Now it is known what it takes.
            while (limits_.memory_bytes > 0 && bytes_in_use() > limits_.memory_bytes &&
                   give_up_idlest(place, by, lock)) {
            }
            return held;
        }
        // The plan knows better than the size of the file what a model takes.
        if (model.error().kind != ErrorKind::out_of_memory || !give_up_idlest(place, by, lock))
            return std::unexpected(std::move(model).error());
    }
}

// What the model will take is not known before it is planned; its file is the larger part of it.
Result<> Models::make_room(const Place& place, const std::string& by, double until, Lock& lock) {
    std::error_code unknown;
    const auto size = std::filesystem::file_size(place.spec.path, unknown);
    const int64_t bytes = unknown ? 0 : int64_t(size);
    while (true) {
        int64_t count = 0;
        for (const auto& [name, other] : places_) count += other->model != nullptr;
        const bool fits = (limits_.most == 0 || count < limits_.most) &&
                          (limits_.memory_bytes == 0 || count == 0 || bytes_in_use() + bytes <= limits_.memory_bytes);
        if (is_giving_up_) return fail(ErrorKind::cancelled, "the model is not loaded: the server stops");
        if (fits) return {};
        if (give_up_idlest(place, by, lock)) continue;
        if (monotonic_seconds() > until)
            return fail(ErrorKind::out_of_memory,
                        fmt::format("{} does not fit beside the models that are in use", place.spec.name),
                        "ask again later, or start the server with more --max-memory or --max-models");
        stops_.wait_for(lock, std::chrono::milliseconds(50));
    }
}

// False: all are in use. Whoever uses a model holds its pointer, and gets it here only.
bool Models::give_up_idlest(const Place& for_whom, const std::string& by, Lock& lock) {
    Place* idlest = nullptr;
    for (const auto& [name, place] : places_)
        if (place->model && place->model.use_count() == 1 && (!idlest || place->last_use < idlest->last_use))
            idlest = place.get();
    if (!idlest) return false;
    unload(*idlest, by, fmt::format("to make room for {}", for_whom.spec.name), lock);
    return true;
}

void Models::unload(Place& place, const std::string& by, const std::string& why, Lock& lock) {
    auto model = std::exchange(place.model, nullptr);
    place.is_leaving = true;
    lock.unlock();
    const double began = monotonic_seconds();
    model->engine().save_kept(kSaveSeconds);
    model = nullptr;  // takes its time: the engine's thread ends
    if (tell_) tell_({false, place.spec.name, by, why, monotonic_seconds() - began});
    lock.lock();
    place.is_leaving = false;
    stops_.notify_all();
}

bool Models::unload(const std::string& name, const std::string& by) {
    const auto found = places_.find(name);
    if (found == places_.end()) return true;
    Lock lock(mutex_);
    Place& place = *found->second;
    if (!place.model) return true;
    if (place.model.use_count() > 1) return false;
    unload(place, by, "it was asked for", lock);
    return true;
}

double Models::loading_share(const std::string& name) const {
    const auto found = places_.find(name);
    return found == places_.end() ? 0 : found->second->share.load();
}

void Models::give_up_loading() {
    is_giving_up_ = true;
    stops_.notify_all();
}

int64_t Models::bytes_in_use() const {
    int64_t bytes = 0;
    for (const auto& [name, place] : places_)
        if (place->model) bytes += place->model->engine().plan().total();
    return bytes;
}

void Models::watch() {
    Lock lock(mutex_);
    const auto pause = std::chrono::duration<double>(std::clamp(limits_.idle_seconds / 4, 0.01, 1.0));
    while (!stops_.wait_for(lock, pause, [&] { return is_stopping_; }))
        for (const std::string& name : order_) {
            Place& place = *places_.at(name);
            const double now = monotonic_seconds();
            if (!place.model) continue;
            if (place.model.use_count() > 1)
                place.last_use = now;
            else if (now - place.last_use >= limits_.idle_seconds)
                unload(place, kServer, "nobody used it", lock);
        }
}

}  // namespace hearth::server
