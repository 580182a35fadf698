// The promises that keep strangers out, as a list over the whole server: each is proved for every endpoint there is, so
// that a new one cannot forget it.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/os.h"
#include "server/ember_server.h"
#include "server/key_ring.h"
#include "server/request_cases.h"
#include "store/store.h"
#include "support/shared_data.h"

namespace hearth::test {
namespace {

namespace fs = std::filesystem;
using server::Endpoint;
using store::Scope, store::Scopes;

const Scope kScopes[] = {Scope::infer, Scope::embed, Scope::metrics, Scope::manage};

// Which keys each endpoint opens to. A new endpoint wants a line here, and a thought about it.
const std::map<std::string, std::string> kScopesOf = {
    {"POST /v1/chat/completions", "infer"},
    {"POST /v1/completions", "infer"},
    {"POST /v1/responses", "infer"},
    {"GET /v1/responses/{name}", "infer"},
    {"DELETE /v1/responses/{name}", "infer"},
    {"POST /v1/responses/{name}", "infer"},
    {"POST /v1/messages", "infer"},
    {"POST /v1/messages/count_tokens", "infer"},
    {"POST /api/chat", "infer"},
    {"POST /api/generate", "infer"},
    {"POST /v1/embeddings", "embed"},
    {"POST /v1/rerank", "embed"},
    {"POST /v2/rerank", "embed"},
    {"POST /rerank", "embed"},
    {"POST /api/embed", "embed"},
    {"POST /api/embeddings", "embed"},
    {"GET /v1/models", "infer,embed"},
    {"GET /v1/models/{name}", "infer,embed"},
    {"GET /api/version", "infer,embed"},
    {"GET /api/tags", "infer,embed"},
    {"GET /api/ps", "infer,embed"},
    {"POST /api/show", "infer,embed"},
    {"POST /tokenize", "infer,embed"},
    {"POST /detokenize", "infer,embed"},
    {"POST /apply-template", "infer,embed"},
    {"GET /metrics", "metrics"},
    {"GET /v1/hearth/status", "metrics"},
    // Answered with 501.
    {"POST /api/pull", "manage"},
    {"POST /api/push", "manage"},
    {"POST /api/create", "manage"},
    {"POST /api/copy", "manage"},
    {"DELETE /api/delete", "manage"},
    {"POST /api/blobs/{name}", "manage"},
};

std::string bearer(const std::string& secret) {
    return "Authorization: Bearer " + secret + "\r\n";
}

class Security : public EmberServer {
protected:
    static void SetUpTestSuite() {
        folder_ = temporary_directory() + "/security";
        server_ = start_ember_server([](server::ServerOptions& options) {
            auto access = server::StoreAccess::open({.folder = folder_, .others = {}, .look_again_seconds = 0});
            ASSERT_TRUE(access) << access.error().line();
            options.access = std::move(*access);
            options.loads_at_start = false;
            auto opened = store::Store::open(folder_);
            ASSERT_TRUE(opened) << opened.error().line();
            for (const Scope scope : kScopes)
                secrets_[scope] = opened->keys().add({.name = "one", .scopes = {scope}}, unix_milliseconds())->secret;
            options.store = std::make_shared<store::Store>(std::move(*opened));
        });
        ASSERT_TRUE(server_);
    }
    static void TearDownTestSuite() { server_.reset(); }

    // What it says to somebody who sends these headers, with a body that no endpoint takes for a question.
    static HttpAnswer ask(const Endpoint& endpoint, const std::string& headers, const std::string& host = "localhost") {
        std::string path = endpoint.path;
        if (const size_t name = path.find('{'); name != std::string::npos)
            path.replace(name, std::string::npos, "none");
        HttpClient client(port());
        client.send(endpoint.method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + headers +
                    "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n[]");
        return client.receive();
    }
    static std::string name_of(const Endpoint& endpoint) { return endpoint.method + " " + endpoint.path; }
    static std::string all_scopes(const Endpoint& endpoint) {
        for (const Scope scope : kScopes)
            if (endpoint.scopes.has(scope)) return bearer(secrets_[scope]);
        return "";
    }

    static inline std::string folder_;
    static inline std::map<Scope, std::string> secrets_;
};

TEST_F(Security, EveryEndpointHasTheScopesOfTheListAndNoOthersAreThere) {
    std::set<std::string> found;
    for (const Endpoint& endpoint : server_->endpoints()) {
        const auto listed = kScopesOf.find(name_of(endpoint));
        ASSERT_NE(listed, kScopesOf.end()) << name_of(endpoint) << " is not in the list: whose keys may use it?";
        EXPECT_EQ(endpoint.scopes.text(), listed->second) << name_of(endpoint);
        EXPECT_FALSE(endpoint.scopes.is_empty()) << name_of(endpoint);
        EXPECT_TRUE(found.insert(name_of(endpoint)).second) << name_of(endpoint) << " is there twice";
    }
    for (const auto& [name, scopes] : kScopesOf) EXPECT_TRUE(found.contains(name)) << name << " is gone";
}

TEST_F(Security, AKeyOpensWhatItsScopeSaysAndNothingElse) {
    for (const Endpoint& endpoint : server_->endpoints())
        for (const Scope scope : kScopes) {
            const HttpAnswer answer = ask(endpoint, bearer(secrets_[scope]));
            const std::string what = name_of(endpoint) + " with " + Scopes{scope}.text() + ": " + answer.body;
            EXPECT_GT(answer.status, 0) << what;
            EXPECT_NE(answer.status, 401) << what;
            EXPECT_EQ(answer.status == 403, !endpoint.scopes.has(scope)) << what;
        }
}

// What manages models is refused in the words of the dialect, and to who may do it it says that it cannot.
TEST_F(Security, ManagingModelsOfOllamasKindWantsAKeyThatManages) {
    int managing = 0;
    for (const Endpoint& endpoint : server_->endpoints()) {
        if (!endpoint.path.starts_with("/api/") || kScopesOf.at(name_of(endpoint)) != "manage") continue;
        ++managing;
        for (const Scope scope : {Scope::infer, Scope::embed, Scope::metrics}) {
            const HttpAnswer answer = ask(endpoint, bearer(secrets_[scope]));
            EXPECT_EQ(answer.status, 403) << name_of(endpoint);
            EXPECT_NE(text_at(answer.json(), "error").find("needs manage"), std::string::npos) << answer.body;
        }
        EXPECT_EQ(ask(endpoint, bearer(secrets_[Scope::manage])).status, 501) << name_of(endpoint);
    }
    EXPECT_EQ(managing, 6);
}

TEST_F(Security, NoEndpointAnswersWithoutAKeyOrWithAWrongOne) {
    std::string wrong = secrets_[Scope::infer];
    wrong.back() = wrong.back() == '0' ? '1' : '0';
    for (const Endpoint& endpoint : server_->endpoints())
        for (const std::string& headers : {std::string(), bearer(wrong), bearer(""), "x-api-key: " + wrong + "\r\n",
                                           "Authorization: Basic " + secrets_[Scope::infer] + "\r\n"})
            EXPECT_EQ(ask(endpoint, headers).status, 401) << name_of(endpoint) << " " << headers;
    // Also where there is nothing, so that nobody can find out what there is.
    EXPECT_EQ(http_get(port(), "/nothing").status, 401);
}

TEST_F(Security, NoEndpointListensToANameThatIsNotItsOwn) {
    for (const Endpoint& endpoint : server_->endpoints())
        for (const char* host : {"evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example",
                                 "10.0.0.1", "[::2]"}) {
            const HttpAnswer answer = ask(endpoint, all_scopes(endpoint), host);
            EXPECT_EQ(answer.status, 403) << name_of(endpoint) << " " << host;
        }
}

TEST_F(Security, NoEndpointListensToAPageOfAnotherServer) {
    for (const Endpoint& endpoint : server_->endpoints())
        for (const char* origin : {"https://evil.example", "http://localhost.evil.example", "null", "file://"}) {
            HttpAnswer answer = ask(endpoint, all_scopes(endpoint) + "Origin: " + std::string(origin) + "\r\n");
            EXPECT_EQ(answer.status, 403) << name_of(endpoint) << " " << origin;
            for (const auto& [name, value] : answer.headers)
                EXPECT_FALSE(name.starts_with("Access-Control-")) << name_of(endpoint) << " " << origin;
            const Endpoint question{"OPTIONS", endpoint.path, {}};
            answer =
                ask(question, "Access-Control-Request-Method: " + endpoint.method + "\r\nOrigin: " + origin + "\r\n");
            EXPECT_EQ(answer.status, 403) << name_of(endpoint) << " " << origin;
            EXPECT_EQ(answer.header("Access-Control-Allow-Origin"), "") << name_of(endpoint);
        }
    const Endpoint models{"GET", "/v1/models", {}};
    const HttpAnswer plain = ask(models, bearer(secrets_[Scope::infer]));
    EXPECT_EQ(plain.status, 200);
    EXPECT_EQ(plain.header("Access-Control-Allow-Origin"), "");
}

// Names that would leave any folder they are put behind, as they are and encoded.
std::vector<std::string> travelling_names(const std::string& canary) {
    std::string up, encoded, doubly;
    for (int i = 0; i < 12; ++i) up += "../", encoded += "..%2f", doubly += "%252e%252e%252f";
    return {canary,
            up + canary.substr(1),
            encoded + canary.substr(1),
            doubly + canary.substr(1),
            "ember/" + up + canary.substr(1),
            "%2f" + canary.substr(1),
            "file://" + canary,
            "..\\..\\" + canary.substr(1),
            "ember%00" + canary,
            "ember=" + canary,
            "hearth.db",
            "../hearth.db",
            "%2e%2e",
            "."};
}

TEST_F(Security, NoNameInAPathOrABodyReachesAFile) {
    const std::string canary = temporary_directory() + "/canary.gguf";
    std::ofstream(canary) << "the canary sings";
    const auto contents = [&] {
        std::string text;
        for (const auto& entry : fs::directory_iterator(folder_)) text += entry.path().filename().string() + " ";
        return text + read_text(canary);
    };
    const std::string before = contents(), key = bearer(secrets_[Scope::infer]);
    const auto expect_nothing = [&](const HttpAnswer& answer, const std::string& what) {
        EXPECT_TRUE(answer.status == 400 || answer.status == 404) << what << ": " << answer.status << answer.body;
        EXPECT_EQ(answer.body.find("sings"), std::string::npos) << what;
        EXPECT_EQ(answer.body.find("SQLite"), std::string::npos) << what;
    };
    for (const std::string& name : travelling_names(canary)) {
        for (const Endpoint& endpoint : server_->endpoints()) {
            const size_t place = endpoint.path.find('{');
            if (place == std::string::npos || endpoint.path.starts_with("/api/blobs")) continue;  // 501
            for (const std::string ending : {"", "/input_items", "/cancel"}) {
                HttpClient client(port());
                const std::string path = endpoint.path.substr(0, place) + name + ending;
                client.send(endpoint.method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n" + key +
                            "Content-Length: 0\r\n\r\n");
                expect_nothing(client.receive(), endpoint.method + " " + path);
            }
        }
        // Every dialect calls it "model"; what else names something kept goes along.
        for (const Endpoint& endpoint : server_->endpoints()) {
            if (endpoint.method != "POST" || endpoint.path.find('{') != std::string::npos) continue;
            if (kScopesOf.at(name_of(endpoint)) == "manage") continue;  // 501
            const Json body = Json::Object{{"model", name},
                                           {"name", name},
                                           {"messages", Json::Array{Json::Object{{"role", "user"}, {"content", "a"}}}},
                                           {"prompt", "a"},
                                           {"input", "a"},
                                           {"query", "a"},
                                           {"content", "a"},
                                           {"documents", Json::Array{Json("a")}},
                                           {"tokens", Json::Array{Json(1)}},
                                           {"max_tokens", 1}};
            expect_nothing(http_post(port(), endpoint.path, body.dump(), all_scopes(endpoint)),
                           endpoint.path + " of model " + name);
        }
        const Json next = Json::Object{{"model", "small"}, {"input", "a"}, {"previous_response_id", name}};
        expect_nothing(http_post(port(), "/v1/responses", next.dump(), key), "previous_response_id " + name);
    }
    EXPECT_EQ(contents(), before);
}

// Two that read a request differently are how one request is hidden in another: what cannot be read in one way only is
// the last that this connection hears an answer to.
TEST_F(Security, NothingBehindAnAmbiguousRequestIsTakenForARequest) {
    int refused = 0;
    for (const RequestCase& one : request_cases()) {
        if (one.status == 200) continue;
        HttpClient client(port());
        client.send(one.bytes + "\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
        const HttpAnswer answer = client.receive();
        EXPECT_GE(answer.status, 400) << one.name;
        EXPECT_EQ(client.receive(0.5).status, 0) << one.name << ": something behind it was answered";
        EXPECT_TRUE(client.is_closed_within(5)) << one.name;
        ++refused;
    }
    EXPECT_GT(refused, 30);
}

TEST(SecurityOfTheStart, NobodyElsewhereIsLetInWithoutAKey) {
    for (const std::string host : {"0.0.0.0", "::", "127.0.0.1", "::1"}) {
        server::ServerOptions options;
        options.http.hosts = {host};
        options.models = {ember("ember", 128, 1)};
        options.loads_at_start = false;
        const bool is_loopback = host == "127.0.0.1" || host == "::1";
        const auto started = server::Server::start(std::move(options));
        if (!started && started.error().line().find("cannot listen") != std::string::npos) continue;  // no IPv6 here
        EXPECT_EQ(started.has_value(), is_loopback) << host;
        if (started) continue;
        EXPECT_NE(started.error().line().find("lets other machines in"), std::string::npos) << started.error().line();
        EXPECT_NE(started.error().line().find("--insecure"), std::string::npos) << started.error().line();
    }
}

int compared = 0;
bool counting_compare(std::span<const std::byte> a, std::span<const std::byte> b) {
    EXPECT_EQ(a.size(), 32u);  // hashes: not even the length of a secret shows
    EXPECT_EQ(b.size(), 32u);
    ++compared;
    return equal_in_constant_time(a, b);
}

TEST(SecurityOfKeys, EveryKeyIsComparedWholeAndInConstantTime) {
    EXPECT_EQ(server::KeyRing().compare(), &equal_in_constant_time);
    server::KeyRing ring(&counting_compare);
    for (const char* secret : {"one-secret", "another-secret", "a-third"}) ring.add(secret);
    for (const auto& [sent, found] : std::initializer_list<std::pair<const char*, std::optional<size_t>>>{
             {"one-secret", 0}, {"a-third", 2}, {"a-thirD", std::nullopt}, {"", std::nullopt}}) {
        compared = 0;
        EXPECT_EQ(ring.find(sent), found) << sent;
        EXPECT_EQ(compared, 3) << sent;
    }
}

// An early exit would be a million times faster where the first byte differs.
TEST(SecurityOfKeys, AComparisonTakesAsLongWhereverTheDifferenceIs) {
    const std::vector<std::byte> secret(2 << 20, std::byte{7});
    const auto seconds_with_difference_at = [&](size_t place) {
        std::vector<std::byte> sent = secret;
        sent[place] = std::byte{8};
        double least = 1e9;
        for (int round = 0; round < 15; ++round) {
            const double begin = monotonic_seconds();
            EXPECT_FALSE(equal_in_constant_time(secret, sent));
            least = std::min(least, monotonic_seconds() - begin);
        }
        return least;
    };
    const double at_begin = seconds_with_difference_at(0), at_end = seconds_with_difference_at(secret.size() - 1);
    EXPECT_GT(at_begin, at_end / 4);
    EXPECT_LT(at_begin, at_end * 4);
}

}  // namespace
}  // namespace hearth::test
