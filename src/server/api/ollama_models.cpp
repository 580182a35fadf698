// What Ollama's clients ask about models: /api/tags, /api/show, /api/ps, /api/version, and refusals of what would
// change them.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>

#include "base/sha256.h"
#include "chat/recommended.h"
#include "engine/loaded_model.h"
#include "engine/model_card.h"
#include "engine/texts.h"
#include "engine/vocabulary.h"
#include "server/api/api.h"
#include "server/api/ollama.h"

namespace hearth::server {

namespace {

using std::chrono::system_clock;

// A model's file as it is now.
struct FileState {
    system_clock::time_point changed;
    std::string digest;  // tells two states of a file apart; of what the system knows about it, not of its bytes
};

FileState state_of(const std::string& path, uint64_t bytes) {
    std::error_code ignored;
    const auto time = std::filesystem::last_write_time(path, ignored);
    FileState state;
    if (!ignored)
        state.changed = std::chrono::time_point_cast<system_clock::duration>(std::chrono::file_clock::to_sys(time));
    Sha256 sum;
    sum.add(fmt::format("{}\n{}\n{}", path, bytes, state.changed.time_since_epoch().count()));
    state.digest = hex_text(sum.finish());
    return state;
}

// The cards of models that are not in memory; a file is opened once, and again when it has changed.
class ModelCards {
public:
    Result<ModelCard> of(const Models::Entry& entry) {
        if (entry.model) return card_of(entry.model->engine().checkpoint());
        const auto changed = state_of(entry.path, 0).changed;
        {
            std::lock_guard lock(mutex_);
            if (const auto known = cards_.find(entry.path); known != cards_.end() && known->second.first == changed)
                return known->second.second;
        }
        ModelCard card = card_of(TRY(open_checkpoint(entry.path)));
        std::lock_guard lock(mutex_);
        cards_.insert_or_assign(entry.path, std::pair(changed, card));
        return card;
    }

private:
    std::mutex mutex_;
    std::map<std::string, std::pair<system_clock::time_point, ModelCard>> cards_;
};

Json details_of(const ModelCard& card) {
    return Json::Object{{"parent_model", ""},
                        {"format", card.format},
                        {"family", card.family},
                        {"families", Json::Array{card.family}},
                        {"parameter_size", parameters_text(card.parameters)},
                        {"quantization_level", card.weight_type}};
}

// Of a list; a model whose file cannot be read any more is listed without what only the file knows.
Json listed(const Models::Entry& entry, ModelCards& cards) {
    const ModelCard card = cards.of(entry).value_or(ModelCard{});
    const FileState state = state_of(entry.path, card.bytes);
    return Json::Object{
        {"name", with_tag(entry.name)}, {"model", with_tag(entry.name)}, {"modified_at", ollama_time(state.changed)},
        {"size", card.bytes},           {"digest", state.digest},        {"details", details_of(card)}};
}

// What the file says, but for its longest lists (the vocabulary) and the template, which stands beside it.
Json model_info(const Checkpoint& checkpoint, const ModelCard& card, bool with_lists) {
    constexpr uint64_t kLong = 256;
    Json info = Json::object();
    for (const Metadata::Entry& entry : checkpoint.metadata().entries()) {
        if (entry.key == "tokenizer.chat_template") continue;
        const bool is_left_out = entry.value.count() > kLong && !with_lists;
        info.set(std::string(entry.key), is_left_out ? Json() : entry.value.to_json());
    }
    if (!info.find("general.parameter_count")) info.set("general.parameter_count", card.parameters);
    return info;
}

// A model as /api/show needs it, in memory or not.
struct Shown {
    std::shared_ptr<const ServedModel> served;
    std::optional<Checkpoint> opened;
    std::unique_ptr<Tokenizer> tokenizer;
    std::unique_ptr<chat::ChatModel> own_chat;

    const Checkpoint& checkpoint() const { return served ? served->engine().checkpoint() : *opened; }
    const chat::ChatModel* chat() const {
        if (!served) return own_chat.get();
        const auto chat = served->chat();
        return chat ? *chat : nullptr;
    }
};

Result<Shown> open_to_show(const Models::Entry& entry) {
    Shown shown{.served = entry.model, .opened = {}, .tokenizer = {}, .own_chat = {}};
    if (shown.served) return shown;
    shown.opened = TRY(open_checkpoint(entry.path));
    if (use_of(*shown.opened) != FileUse::text) return shown;
    shown.tokenizer = TRY(load_tokenizer(*shown.opened));
    if (auto chat = chat::ChatModel::make(shown.opened->metadata(), *shown.tokenizer))
        shown.own_chat = std::move(*chat);
    return shown;
}

Json capabilities_of(const Shown& shown) {
    Json list = Json::array();
    const FileUse use = use_of(shown.checkpoint());
    if (use == FileUse::embeddings) list.push("embedding");
    if (use != FileUse::text) return list;
    list.push("completion");
    const chat::ChatModel* chat = shown.chat();
    if (chat && chat->chat_template().abilities().tools) list.push("tools");
    if (chat && chat->chat_template().can_think()) list.push("thinking");
    return list;
}

// What answers are sampled with where a request says nothing, a line each.
std::string parameters_of(const Shown& shown) {
    const chat::ChatModel* chat = shown.chat();
    if (!chat) return {};
    const SamplerOptions usual =
        chat::recommended_sampling(chat::usual_sampling(), shown.checkpoint().metadata(), chat->sampling(false));
    std::string text;
    const auto line = [&](std::string_view name, auto value) {
        text += fmt::format("{}{:<30} {}", text.empty() ? "" : "\n", name, value);
    };
    line("temperature", usual.temperature);
    line("top_k", usual.top_k);
    line("top_p", usual.top_p);
    line("min_p", usual.min_p);
    line("repeat_penalty", usual.repetition_penalty);
    line("presence_penalty", usual.presence_penalty);
    if (shown.served) line("num_ctx", shown.served->engine().plan().context_tokens);
    return text;
}

ApiResult<std::string> show_model(const HttpRequest& http, const ApiContext& api) {
    Fields fields = API_TRY(Fields::parse(http.body, api.json_depth));
    const OllamaName name = read_ollama_model(fields, api.service.models());
    const bool is_verbose = fields.boolean("verbose").value_or(false);
    fields.ignore({"options", "system", "template"});
    const auto warnings = API_TRY(api.warnings_of(http, API_TRY(fields.finish())));
    const auto entries = api.service.models().list();
    const auto entry = std::ranges::find(entries, name.served, &Models::Entry::name);
    if (entry == entries.end())
        return std::unexpected(ApiError{404, fmt::format("there is no model {}", name.asked), {}, "model"});
    const Shown shown = API_TRY(open_to_show(*entry));
    const Metadata& file = shown.checkpoint().metadata();
    const ModelCard card = card_of(shown.checkpoint());
    const std::string parameters = parameters_of(shown);
    Json answer = Json::object();
    if (const auto license = file.text("general.license")) answer.set("license", *license);
    answer.set("modelfile", fmt::format("FROM {}", with_tag(entry->name)));
    answer.set("parameters", parameters);
    answer.set("template", std::string(file.text("tokenizer.chat_template").value_or("")));
    answer.set("details", details_of(card));
    answer.set("model_info", model_info(shown.checkpoint(), card, is_verbose));
    answer.set("capabilities", capabilities_of(shown));
    answer.set("modified_at", ollama_time(state_of(entry->path, card.bytes).changed));
    add_warnings(answer, warnings);
    return answer.dump();
}

// Those in memory.
Json running_models(const Models& models, ModelCards& cards) {
    Json list = Json::array();
    for (const Models::Entry& entry : models.list()) {
        if (!entry.model) continue;
        Json one = listed(entry, cards);
        one.set("size", entry.model->engine().taken().total());
        one.set("size_vram", 0);
        one.set("context_length", entry.model->engine().plan().context_tokens);
        one.set("expires_at", "9999-12-31T23:59:59Z");  // they stay
        list.push(std::move(one));
    }
    return list;
}

struct NotYet {
    const char *method, *path, *what;
};
constexpr NotYet kNotYet[] = {
    {"POST", "/api/pull", "this server cannot pull models: download one, and start hearth serve with --model FILE"},
    {"POST", "/api/push", "this server cannot push models anywhere"},
    {"POST", "/api/create", "this server cannot create models: hearth quantize and hearth convert write files"},
    {"POST", "/api/copy", "this server cannot copy models: give a file a second name with --model NAME=FILE"},
    {"DELETE", "/api/delete", "this server deletes no models: start it without --model FILE and delete the file"},
    {"POST", "/api/blobs/{name}", "this server takes no files"},
};

}  // namespace

void add_ollama_models(Router& router, const ApiContext& api) {
    const auto cards = std::make_shared<ModelCards>();
    router.tell_errors("/api/", ollama_error);
    const store::Scopes any_use{store::Scope::infer, store::Scope::embed};
    router.add("GET", "/api/version", any_use, [&api](const Call& call) {
        call.reply.send(200, "application/json", Json(Json::Object{{"version", api.version}}).dump());
    });
    router.add("GET", "/api/tags", any_use, [&api, cards](const Call& call) {
        Json list = Json::array();
        for (const Models::Entry& entry : api.service.models().list()) list.push(listed(entry, *cards));
        call.reply.send(200, "application/json", Json(Json::Object{{"models", std::move(list)}}).dump());
    });
    router.add("GET", "/api/ps", any_use, [&api, cards](const Call& call) {
        const Json body = Json::Object{{"models", running_models(api.service.models(), *cards)}};
        call.reply.send(200, "application/json", body.dump());
    });
    router.add("POST", "/api/show", any_use, [&api](const Call& call) {
        auto answer = show_model(call.request, api);
        if (!answer) return ollama_error(call.reply, answer.error());
        call.reply.send(200, "application/json", std::move(*answer));
    });
    // They would change the server: who may only ask is told so first.
    for (const NotYet& one : kNotYet)
        router.add(one.method, one.path, {store::Scope::manage}, [what = one.what](const Call& call) {
            ollama_error(call.reply, {501, what, "not_implemented"});
        });
}

}  // namespace hearth::server
