// POST /v1/rerank, /v2/rerank and /rerank: documents in the order in which they answer a query, in the form that Jina
// and Cohere share.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "server/api/api.h"
#include "server/api/openai.h"
#include "server/embed_service.h"

namespace hearth::server {

namespace {

constexpr size_t kMostDocuments = 10000;

struct AskedRanking {
    RerankJob job;
    size_t most = SIZE_MAX;
    bool returns_documents = false;
    std::vector<std::string> warnings;
};

void read_documents(Fields& fields, RerankJob& job) {
    const Json* list = fields.list("documents", kMostDocuments);
    if (!list && !fields.has("documents")) fields.refuse("documents", "is missing");
    if (!list) return;
    if (list->items().empty()) return fields.refuse("documents", "is empty");
    for (const Json& item : list->items()) {
        const Json* text = item.is_object() ? item.find("text") : &item;
        if (!text || !text->is_string())
            return fields.refuse(fmt::format("documents[{}]", job.documents.size()),
                                 "is neither a text nor {\"text\": \"...\"}");
        job.documents.push_back(text->as_string());
    }
}

ApiResult<AskedRanking> read_rerank(const HttpRequest& http, const ApiContext& api) {
    Fields fields = API_TRY(Fields::parse(http.body, api.json_depth));
    AskedRanking asked;
    asked.job.model = fields.text("model").value_or("");
    auto query = fields.text("query");
    if (!fields.has("query")) fields.refuse("query", "is missing");
    if (query && query->empty()) fields.refuse("query", "is empty");
    asked.job.query = query.value_or("");
    read_documents(fields, asked.job);
    // The model reads the query once more with every document.
    constexpr size_t kMostRead = size_t{64} << 20;
    if (asked.job.query.size() > kMostRead / std::max<size_t>(asked.job.documents.size(), 1))
        fields.refuse("query", "is too long to be read with so many documents");
    if (const auto most = fields.integer("top_n", 1, INT64_MAX)) asked.most = size_t(*most);
    asked.returns_documents = fields.boolean("return_documents").value_or(false);
    read_turn(fields, asked.job.turn);
    fields.ignore({"user"});
    asked.warnings = API_TRY(api.warnings_of(http, API_TRY(fields.finish())));
    return asked;
}

std::string rerank_answer(const TextsRead& read, const AskedRanking& asked, const std::string& id) {
    std::vector<size_t> order(read.scores.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(order, std::greater(), [&](size_t i) { return read.scores[i]; });
    order.resize(std::min(order.size(), asked.most));
    Json results = Json::array();
    for (const size_t i : order) {
        Json result = Json::Object{{"index", int64_t(i)},
                                   {"relevance_score", Json::Number{fmt::format("{}", float(read.scores[i]))}}};
        if (asked.returns_documents) result.set("document", Json::Object{{"text", asked.job.documents[i]}});
        results.push(std::move(result));
    }
    Json answer = Json::Object{
        {"id", "rerank-" + id},
        {"model", read.model},
        {"results", std::move(results)},
        {"usage", Json::Object{{"prompt_tokens", read.tokens}, {"total_tokens", read.tokens}}},
        {"meta", Json::Object{{"tokens", Json::Object{{"input_tokens", read.tokens}}}}}};  // Cohere's place for it
    std::vector<std::string> warnings = asked.warnings;
    warnings.insert(warnings.end(), read.notes.begin(), read.notes.end());
    add_warnings(answer, warnings);
    return answer.dump();
}

}  // namespace

void add_rerank(Router& router, const ApiContext& api) {
    for (const char* path : {"/v1/rerank", "/v2/rerank", "/rerank"})
        router.add("POST", path, {store::Scope::embed}, [&api](Call call) {
            auto read = read_rerank(call.request, api);
            if (!read) return openai_error(call.reply, read.error());
            const auto asked = std::make_shared<AskedRanking>(std::move(*read));
            asked->job.identity = std::move(call.identity);
            const auto sink = [reply = call.reply, asked, id = call.request.id](const ApiResult<TextsRead>& result) {
                if (!result) return openai_error(reply, result.error());
                reply.send(200, "application/json", rerank_answer(*result, *asked, id));
            };
            read_texts(api.service, asked->job, sink,
                       [&](std::function<void()> cancel) { call.reply.on_gone(std::move(cancel)); });
        });
}

}  // namespace hearth::server
