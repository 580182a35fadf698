// GET /v1/models and /v1/models/NAME. Clients of Anthropic's interface ask at the same place and get its form.
#include <fmt/format.h>

#include "server/api/anthropic.h"
#include "server/api/api.h"
#include "server/api/openai.h"

namespace hearth::server {

namespace {

Json described(const Models::Entry& entry) {
    Json model = Json::Object{
        {"id", entry.name}, {"object", "model"}, {"created", int64_t(entry.created)}, {"owned_by", "hearth"}};
    if (entry.model) model.set("max_model_len", entry.model->engine().plan().context_tokens);  // vLLM's name
    model.set("loaded", entry.model != nullptr);
    return model;
}

}  // namespace

void add_openai_models(Router& router, const ApiContext& api) {
    const store::Scopes any_use{store::Scope::infer, store::Scope::embed};
    router.add("GET", "/v1/models", any_use, [&api](Call call) {
        if (is_anthropic(call.request)) return anthropic_model_list(call, api);
        Json list = Json::array();
        for (const Models::Entry& entry : api.service.models().list()) list.push(described(entry));
        const Json body = Json::Object{{"object", "list"}, {"data", std::move(list)}};
        call.reply.send(200, "application/json", body.dump());
    });
    router.add("GET", "/v1/models/{name}", any_use, [&api](Call call) {
        if (is_anthropic(call.request)) return anthropic_model(call, api);
        for (const Models::Entry& entry : api.service.models().list())
            if (entry.name == call.name) return call.reply.send(200, "application/json", described(entry).dump());
        openai_error(call.reply, {404, fmt::format("there is no model {}", call.name), "model_not_found", "model"});
    });
}

}  // namespace hearth::server
