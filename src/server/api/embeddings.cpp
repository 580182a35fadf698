// POST /v1/embeddings: texts as vectors, in OpenAI's form.
#include <fmt/format.h>

#include <bit>

#include "base/base64.h"
#include "engine/vectors.h"
#include "server/api/api.h"
#include "server/api/openai.h"
#include "server/embed_service.h"

namespace hearth::server {

namespace {

constexpr size_t kMostInputs = 2048;  // OpenAI's limit

struct AskedVectors {
    EmbedJob job;
    bool as_base64 = false;
    std::vector<std::string> warnings;
};

bool read_ids(Fields& fields, const Json& list, std::vector<int32_t>& ids) {
    for (const Json& id : list.items()) {
        if (!id.is_integer() || id.as_int(-1) < 0 || id.as_int() > INT32_MAX) {
            fields.refuse("input", "holds something that is neither a text nor a token id");
            return false;
        }
        ids.push_back(int32_t(id.as_int()));
    }
    if (ids.empty()) fields.refuse("input", "holds an empty list");
    return !ids.empty();
}

bool read_input(Fields& fields, const Json& json, EmbedJob& job) {
    if (json.is_string()) {
        if (json.as_string().empty()) fields.refuse("input", "holds an empty text");
        job.texts.emplace_back(json.as_string());
        return true;
    }
    if (json.is_array()) return read_ids(fields, json, job.texts.emplace_back().emplace<1>());
    fields.refuse("input", "is neither a text, nor a list of texts, nor a list of token ids, nor a list of such lists");
    return false;
}

void read_inputs(Fields& fields, EmbedJob& job) {
    const Json* input = fields.any("input");
    if (!input) return fields.refuse("input", "is missing");
    const bool is_list = input->is_array() && !input->items().empty() && !input->items()[0].is_number();
    if (!is_list) {
        read_input(fields, *input, job);
        return;
    }
    if (input->items().size() > kMostInputs)
        return fields.refuse("input",
                             fmt::format("lists {} texts, {} are the most", input->items().size(), kMostInputs));
    for (const Json& one : input->items())
        if (!read_input(fields, one, job)) return;
}

ApiResult<AskedVectors> read_embeddings(const HttpRequest& http, const ApiContext& api) {
    Fields fields = API_TRY(Fields::parse(http.body, api.json_depth));
    AskedVectors asked;
    EmbedJob& job = asked.job;
    job.model = fields.text("model").value_or("");
    read_inputs(fields, job);
    asked.as_base64 = fields.one_of("encoding_format", {"float", "base64"}) == "base64";
    job.dimensions = fields.integer("dimensions", 1, 1 << 20).value_or(0);
    if (const auto role = fields.one_of("input_type", {"query", "passage", "document"}))
        job.role = *role == "query" ? "query" : "passage";
    read_turn(fields, job.turn);
    fields.ignore({"user"});
    asked.warnings = API_TRY(api.warnings_of(http, API_TRY(fields.finish())));
    return asked;
}

// Their bytes as they lie in memory, lowest first.
Json base64_of(const std::vector<float>& values) {
    static_assert(std::endian::native == std::endian::little);
    return base64(std::as_bytes(std::span(values)));
}

std::string embeddings_answer(const TextsRead& read, bool as_base64, std::vector<std::string> warnings) {
    Json data = Json::array();
    for (size_t i = 0; i < read.vectors.size(); ++i)
        data.push(Json::Object{{"object", "embedding"},
                               {"index", int64_t(i)},
                               {"embedding", as_base64 ? base64_of(read.vectors[i]) : json_of(read.vectors[i])}});
    Json answer = Json::Object{{"object", "list"},
                               {"data", std::move(data)},
                               {"model", read.model},
                               {"usage", Json::Object{{"prompt_tokens", read.tokens}, {"total_tokens", read.tokens}}}};
    warnings.insert(warnings.end(), read.notes.begin(), read.notes.end());
    add_warnings(answer, warnings);
    return answer.dump();
}

}  // namespace

void add_embeddings(Router& router, const ApiContext& api) {
    router.add("POST", "/v1/embeddings", {store::Scope::embed}, [&api](Call call) {
        auto asked = read_embeddings(call.request, api);
        if (!asked) return openai_error(call.reply, asked.error());
        asked->job.identity = std::move(call.identity);
        const auto sink = [reply = call.reply, as_base64 = asked->as_base64,
                           warnings = std::move(asked->warnings)](const ApiResult<TextsRead>& read) {
            if (!read) return openai_error(reply, read.error());
            reply.send(200, "application/json", embeddings_answer(*read, as_base64, warnings));
        };
        read_texts(api.service, asked->job, sink,
                   [&](std::function<void()> cancel) { call.reply.on_gone(std::move(cancel)); });
    });
}

}  // namespace hearth::server
