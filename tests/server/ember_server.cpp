#include "server/ember_server.h"

#include "support/shared_data.h"

namespace hearth::test {

server::ModelSpec ember(const std::string& name, int64_t context_tokens, int64_t sequences) {
    const std::string path = data_path("../../data/ember.gguf");
    return {.name = name, .path = path, .open = [=](const server::LoadProgress&) {
                EngineOptions options;
                options.context_tokens = context_tokens;
                options.sequences = options.snapshots = sequences;
                options.threads = 2;
                return Engine::open(path, options);
            }};
}

std::unique_ptr<server::Server> start_ember_server(const std::function<void(server::ServerOptions&)>& change) {
    server::ServerOptions options;
    options.http.hosts = {"127.0.0.1"};
    options.http.limits.tick = 0.02;
    options.models = {ember("ember", 1024, 4), ember("small", 96, 1)};
    options.version = "test";
    if (change) change(options);
    auto started = server::Server::start(std::move(options));
    EXPECT_TRUE(started) << (started ? "" : started.error().line());
    return started ? std::move(*started) : nullptr;
}

std::unique_ptr<server::Server> EmberServer::server_;

void EmberServer::SetUpTestSuite() {
    server_ = start_ember_server();
}
void EmberServer::TearDownTestSuite() {
    server_.reset();
}

HttpAnswer EmberServer::post(const std::string& path, const Json& body, const std::string& headers) {
    return http_post(port(), path, body.dump(), headers);
}

Json parsed(std::string_view text) {
    auto json = Json::parse(text);
    EXPECT_TRUE(json) << text;
    return json ? std::move(*json) : Json();
}

const Json& at(const Json& json) {
    return json;
}

std::string text_at(const Json& json) {
    return json.is_string() ? json.as_string() : std::string();
}

}  // namespace hearth::test
