#include "server/models.h"

#include <fmt/format.h>

namespace hearth::server {

Result<std::shared_ptr<const ServedModel>> ServedModel::open(const ModelSpec& spec) {
    auto model = std::make_shared<ServedModel>();
    model->name_ = spec.name;
    model->engine_ = TRY(spec.open());
    auto chat = chat::ChatModel::make(model->engine_->checkpoint().metadata(), model->engine_->tokenizer());
    if (chat) {
        model->chat_ = std::move(*chat);
        model->note_ = model->chat_->note();
    } else {
        model->why_no_chat_ = chat.error();
    }
    return model;
}

Result<const chat::ChatModel*> ServedModel::chat() const {
    if (chat_) return chat_.get();
    return fail(ErrorKind::unsupported, why_no_chat_.what, "use /v1/completions to continue a text");
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

Result<std::unique_ptr<Models>> Models::make(std::vector<ModelSpec> specs) {
    auto models = std::make_unique<Models>();
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
    return models;
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

Result<std::shared_ptr<const ServedModel>> Models::get(const std::string& asked) {
    const auto found = places_.find(asked.empty() && order_.size() == 1 ? order_[0] : asked);
    if (found == places_.end()) {
        const std::string known = fmt::format("this server has {}", fmt::join(order_, ", "));
        if (asked.empty()) return fail(ErrorKind::bad_request, "the request names no model", known);
        return fail(ErrorKind::not_found, fmt::format("there is no model {}", asked), known);
    }
    Place& place = *found->second;
    std::lock_guard loading(place.loading);
    if (place.model) return place.model;
    auto model = TRY(ServedModel::open(place.spec));
    std::lock_guard lock(mutex_);
    place.model = model;
    return model;
}

}  // namespace hearth::server
