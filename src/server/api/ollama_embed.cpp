// POST /api/embed and the older /api/embeddings: texts as vectors in Ollama's form.
#include "base/os.h"
#include "engine/vectors.h"
#include "server/api/api.h"
#include "server/api/ollama.h"
#include "server/api/openai.h"
#include "server/embed_service.h"

namespace hearth::server {

namespace {

struct OllamaVectors {
    EmbedJob job;
    std::string name;     // of the model, as the client wrote it
    bool is_old = false;  // /api/embeddings: one text, and its vector as long as it is
    std::optional<int64_t> context_tokens;
    double began = 0, load_seconds = 0;
    std::vector<std::string> warnings;
};

// An empty text, or none at all, only loads the model.
void read_embed_texts(Fields& fields, OllamaVectors& asked) {
    if (asked.is_old) {
        asked.job.field = "prompt";
        if (auto prompt = fields.text("prompt"); prompt && !prompt->empty()) asked.job.texts.emplace_back(*prompt);
        return;
    }
    const Json* input = fields.any("input");
    if (!input || (input->is_string() && input->as_string().empty())) return;
    if (!input->is_string() && !input->is_array())
        return fields.refuse("input", "is neither a text nor a list of texts");
    for (const Json& text : input->is_array() ? input->items() : Json::Array{*input}) {
        if (!text.is_string()) return fields.refuse("input", "holds something that is no text");
        asked.job.texts.emplace_back(text.as_string());
    }
    constexpr size_t kMost = 2048;
    if (asked.job.texts.size() > kMost) fields.refuse("input", "lists more than 2048 texts");
}

ApiResult<std::shared_ptr<OllamaVectors>> read_embed(const HttpRequest& http, const ApiContext& api, bool is_old) {
    auto asked = std::make_shared<OllamaVectors>();
    asked->began = monotonic_seconds();
    asked->is_old = is_old;
    Fields fields = API_TRY(Fields::parse(http.body, api.json_depth));
    const OllamaName name = read_ollama_model(fields, api.service.models());
    asked->name = name.asked;
    asked->job.model = name.served;
    read_embed_texts(fields, *asked);
    asked->job.truncates = fields.boolean("truncate").value_or(true);
    asked->job.normalises = !is_old;
    asked->job.dimensions = fields.integer("dimensions", 0, 1 << 20).value_or(0);
    read_keep_alive(fields);
    read_turn(fields, asked->job.turn);
    // Nothing is sampled; the context is all that can matter.
    ModelRequest sampling;
    read_ollama_options(fields, sampling, asked->context_tokens);
    asked->warnings = API_TRY(api.warnings_of(http, API_TRY(fields.finish())));
    return asked;
}

std::string embed_answer(const OllamaVectors& asked, const TextsRead& read) {
    Json answer = Json::object();
    if (asked.is_old) {
        answer.set("embedding", read.vectors.empty() ? Json::array() : json_of(read.vectors[0]));
    } else {
        Json vectors = Json::array();
        for (const auto& vector : read.vectors) vectors.push(json_of(vector));
        answer.set("model", asked.name);
        answer.set("embeddings", std::move(vectors));
        answer.set("total_duration", nanoseconds(monotonic_seconds() - asked.began));
        answer.set("load_duration", nanoseconds(asked.load_seconds));
        answer.set("prompt_eval_count", read.tokens);
    }
    std::vector<std::string> warnings = asked.warnings;
    warnings.insert(warnings.end(), read.notes.begin(), read.notes.end());
    add_warnings(answer, warnings);
    return answer.dump();
}

// The model is there.
void go_on(const ApiContext& api, const HttpReply& reply, const std::shared_ptr<OllamaVectors>& asked,
           const ServedModel& model) {
    asked->load_seconds = monotonic_seconds() - asked->began;
    if (const auto note = context_note(asked->context_tokens, model)) asked->warnings.push_back(*note);
    const auto sink = [reply, asked](const ApiResult<TextsRead>& result) {
        if (!result) return ollama_error(reply, result.error());
        reply.send(200, "application/json", embed_answer(*asked, *result));
    };
    if (asked->job.texts.empty()) return sink(TextsRead{});
    read_texts(api.service, asked->job, sink, [&](std::function<void()> cancel) { reply.on_gone(std::move(cancel)); });
}

void embed_ollama(const ApiContext& api, Call call, bool is_old) {
    auto read = read_embed(call.request, api, is_old);
    if (!read) return ollama_error(call.reply, read.error());
    const auto asked = std::move(*read);
    asked->job.identity = std::move(call.identity);
    api.service.with_model(asked->job.model, asked->job.identity, [&api, reply = call.reply, asked](auto model) {
        if (!model) return ollama_error(reply, model.error());
        go_on(api, reply, asked, **model);
    });
}

}  // namespace

void add_ollama_embed(Router& router, const ApiContext& api) {
    router.add("POST", "/api/embed", {store::Scope::embed},
               [&api](Call call) { embed_ollama(api, std::move(call), false); });
    router.add("POST", "/api/embeddings", {store::Scope::embed},
               [&api](Call call) { embed_ollama(api, std::move(call), true); });
}

}  // namespace hearth::server
