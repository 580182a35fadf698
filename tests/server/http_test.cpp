// The listening side over real sockets, with handlers that know no model: limits, patience, rude clients.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <thread>

#include "server/client.h"
#include "server/http/http_server.h"
#include "server/request_cases.h"
#include "support/shared_data.h"

namespace hearth::server {
namespace {

using test::get_request, test::post_request;
using test::HttpAnswer;
using test::HttpClient;

void sleep_ms(int count) {
    std::this_thread::sleep_for(std::chrono::milliseconds(count));
}

bool becomes_true(const std::function<bool()>& claim, double seconds = 5) {
    for (int i = 0; i < int(seconds * 200); ++i) {
        if (claim()) return true;
        sleep_ms(5);
    }
    return claim();
}

double seconds_of(const std::function<void()>& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

class Http : public testing::Test {
protected:
    // /echo answers, /wait keeps its reply until the test lets it go, /queue the whole request, /drop forgets it.
    void start(HttpOptions options = {}) {
        if (options.hosts.empty()) options.hosts = {"127.0.0.1"};
        options.limits.tick = 0.02;
        if (options.limits.body_bytes > size_t{1} << 20) options.limits.body_bytes = 1 << 20;
        options.handle = [this](HttpRequest request, HttpReply reply) { handle(std::move(request), reply); };
        options.instant = [](const HttpRequest& request) -> std::optional<InstantAnswer> {
            if (request.path != "/livez") return std::nullopt;
            return InstantAnswer{200, "text/plain", "ok\n"};
        };
        auto started = HttpServer::start(std::move(options));
        ASSERT_TRUE(started) << started.error().line();
        server = std::move(*started);
    }

    void handle(HttpRequest request, const HttpReply& reply) {
        ++requests;
        if (request.path == "/drop") return;
        if (request.path == "/queue") {
            reply.on_gone([this] { ++gone; });
            std::lock_guard lock(mutex);
            queue.push_back(std::move(request));
            waiting.push_back(reply);
            return;
        }
        if (request.path == "/wait") {
            reply.on_gone([this] { ++gone; });
            std::lock_guard lock(mutex);
            waiting.push_back(reply);
            return;
        }
        reply.send(200, "text/plain",
                   request.method + " " + request.path + (request.body.empty() ? "" : " ") + request.body);
    }
    HttpReply waiting_reply() {
        EXPECT_TRUE(becomes_true([&] {
            std::lock_guard lock(mutex);
            return !waiting.empty();
        }));
        std::lock_guard lock(mutex);
        HttpReply reply = waiting.back();
        waiting.pop_back();
        return reply;
    }

    std::mutex mutex;
    std::vector<HttpReply> waiting;
    std::vector<HttpRequest> queue;
    std::atomic<int> requests = 0, gone = 0;
    std::unique_ptr<HttpServer> server;
};

TEST_F(Http, EveryRequestOfTheListGetsItsAnswer) {
    start();
    for (const test::RequestCase& one : test::request_cases()) {
        SCOPED_TRACE(one.name);
        HttpClient client(server->port());
        ASSERT_TRUE(client.send(one.bytes));
        const HttpAnswer answer = client.receive(5);
        EXPECT_EQ(answer.status, one.status) << answer.body;
        EXPECT_NE(answer.body.find(one.message), std::string::npos) << answer.body;
        EXPECT_FALSE(answer.header("X-Request-Id").empty());
        if (one.status == 200) continue;
        EXPECT_TRUE(answer.json().find("error")) << answer.body;
        EXPECT_EQ(answer.header("Connection"), "close");
        EXPECT_TRUE(client.is_closed_within(5));
    }
}

TEST_F(Http, RequestsOnOneConnectionAreAnsweredInOrder) {
    start();
    HttpClient client(server->port());
    ASSERT_TRUE(client.send(get_request("/a") + post_request("/b", "body") + get_request("/c")));
    EXPECT_EQ(client.receive().body, "GET /a");
    EXPECT_EQ(client.receive().body, "POST /b body");
    EXPECT_EQ(client.receive().body, "GET /c");
    // The one behind a slow one waits.
    ASSERT_TRUE(client.send(get_request("/wait") + get_request("/d")));
    const HttpReply reply = waiting_reply();
    sleep_ms(50);
    EXPECT_EQ(requests, 4);
    reply.send(200, "text/plain", "late");
    EXPECT_EQ(client.receive().body, "late");
    EXPECT_EQ(client.receive().body, "GET /d");
    // Nothing of a refused request is taken for another one.
    ASSERT_TRUE(
        client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: "
                    "chunked\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    EXPECT_EQ(client.receive().status, 400);
    EXPECT_TRUE(client.is_closed_within(5));
    EXPECT_EQ(requests, 5);
}

TEST_F(Http, RequestsMayComeByteByByte) {
    start();
    HttpClient client(server->port());
    const std::string bytes = post_request("/echo", "slowly");
    for (const char c : bytes) {
        ASSERT_TRUE(client.send(std::string(1, c)));
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    EXPECT_EQ(client.receive().body, "POST /echo slowly");
}

TEST_F(Http, WhoAsksFirstIsToldToGoOn) {
    start();
    HttpClient client(server->port());
    ASSERT_TRUE(
        client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"));
    EXPECT_EQ(client.receive().status, 100);
    ASSERT_TRUE(client.send("body"));
    EXPECT_EQ(client.receive().body, "POST /echo body");
    ASSERT_TRUE(client.send(
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"));
    EXPECT_EQ(client.receive().status, 413);
}

TEST_F(Http, StreamsArriveInPiecesAndStayAlive) {
    HttpOptions options;
    options.limits.heartbeat = 0.1;
    start(std::move(options));
    HttpClient client(server->port());
    client.send(get_request("/wait"));
    HttpReply reply = waiting_reply();
    reply.begin_stream("text/event-stream");
    EXPECT_TRUE(reply.write("data: one\n\n"));
    const std::string first = client.receive_until("data: one\n\n", 5);
    EXPECT_NE(first.find("Transfer-Encoding: chunked"), std::string::npos) << first;
    EXPECT_NE(first.find("Content-Type: text/event-stream"), std::string::npos);
    EXPECT_FALSE(client.receive_until(": still here\n\n", 5).empty());
    EXPECT_FALSE(client.receive_until(": still here\n\n", 5).empty());
    EXPECT_TRUE(reply.write("data: two\n\n"));
    reply.finish();
    EXPECT_FALSE(client.receive_until("data: two\n\n\r\n0\r\n\r\n", 5).empty());
    client.send(get_request("/echo"));  // the connection goes on
    EXPECT_EQ(client.receive().body, "GET /echo");
    // The old version knows no chunks: its stream ends with the connection.
    HttpClient old(server->port());
    old.send("GET /wait HTTP/1.0\r\n\r\n");
    reply = waiting_reply();
    reply.begin_stream("application/x-ndjson");
    reply.write("{}\n");
    reply.finish();
    const HttpAnswer answer = old.receive();
    EXPECT_EQ(answer.body, "{}\n");
    EXPECT_TRUE(answer.is_whole);
}

TEST_F(Http, WhoLeavesIsNoticedAtOnce) {
    start();
    for (const bool is_rude : {false, true}) {
        gone = 0;
        HttpClient client(server->port());
        client.send(get_request("/wait"));
        const HttpReply reply = waiting_reply();
        is_rude ? client.reset() : client.close();
        EXPECT_LT(seconds_of([&] { EXPECT_TRUE(becomes_true([&] { return gone == 1; }, 1)); }), 0.1);
        EXPECT_TRUE(reply.is_gone());
        EXPECT_FALSE(reply.write("x"));
        int told_again = 0;
        reply.on_gone([&] { ++told_again; });
        EXPECT_EQ(told_again, 1);  // who asks late is told at once
    }
    // And who had his answer does not count as one who left.
    gone = 0;
    HttpClient client(server->port());
    client.send(get_request("/wait"));
    waiting_reply().send(200, "text/plain", "x");
    EXPECT_EQ(client.receive().body, "x");
    client.close();
    sleep_ms(50);
    EXPECT_EQ(gone, 0);
}

TEST_F(Http, WhoDoesNotReadIsGivenUp) {
    HttpOptions options;
    options.limits.unsent_bytes = 200'000;
    start(std::move(options));
    HttpClient client(server->port());
    client.send(get_request("/wait"));
    const HttpReply reply = waiting_reply();
    reply.begin_stream("text/event-stream");
    const std::string event = "data: " + std::string(10'000, 'x') + "\n\n";
    size_t written = 0;
    // What the system's own buffers take comes on top of the limit.
    while (written < size_t{64} << 20 && reply.write(event)) {
        written += event.size();
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    EXPECT_LT(written, size_t{64} << 20);
    EXPECT_TRUE(becomes_true([&] { return gone == 1; }, 1));  // at once, long before the time for a write is over
    EXPECT_TRUE(client.is_closed_within(5));
}

TEST_F(Http, AReplyThatNobodyGivesIsAnError) {
    start();
    EXPECT_EQ(test::http_get(server->port(), "/drop").status, 500);
    HttpClient client(server->port());
    client.send(get_request("/wait"));
    {
        const HttpReply reply = waiting_reply();
        reply.begin_stream("text/event-stream");
        reply.write("data: one\n\n");
    }
    const HttpAnswer answer = client.receive(5);
    EXPECT_EQ(answer.body, "data: one\n\n");
    EXPECT_FALSE(answer.is_whole);  // it was broken off, and does not look finished
}

TEST_F(Http, PatienceEnds) {
    HttpOptions options;
    options.limits.idle = 0.3;
    options.limits.head = 0.3;
    options.limits.body = 0.3;
    options.limits.write = 0.3;
    start(std::move(options));
    HttpClient idle(server->port());
    HttpClient half_head(server->port());
    half_head.send("GET /echo HTTP/1.1\r\nHos");
    HttpClient half_body(server->port());
    half_body.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf");
    // A byte now and then does not buy more time.
    HttpClient trickle(server->port());
    trickle.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n");
    std::thread drops([&] {
        for (int i = 0; i < 60 && trickle.send("x"); ++i) sleep_ms(50);
    });
    HttpClient deaf(server->port());
    deaf.send(get_request("/wait"));
    waiting_reply().send(200, "text/plain", std::string(32 << 20, 'x'));

    EXPECT_TRUE(idle.is_closed_within(3));
    EXPECT_EQ(half_head.receive(3).status, 408);
    EXPECT_TRUE(half_head.is_closed_within(3));
    EXPECT_EQ(half_body.receive(3).status, 408);
    EXPECT_EQ(trickle.receive(3).status, 408);
    drops.join();
    EXPECT_TRUE(becomes_true([&] { return gone == 0; }));  // its answer was whole, if not heard
    EXPECT_EQ(test::http_get(server->port(), "/echo").status, 200);
    EXPECT_FALSE(deaf.receive(3).is_whole);
}

TEST_F(Http, HalfRequestsAndRudeEndsHurtNobody) {
    start();
    const std::string bytes = post_request("/echo", "body");
    for (size_t cut = 0; cut < bytes.size(); cut += 7) {
        HttpClient client(server->port());
        client.send(bytes.substr(0, cut));
        cut % 2 ? client.close() : client.reset();
    }
    EXPECT_EQ(test::http_get(server->port(), "/echo").status, 200);
    EXPECT_EQ(requests, 1);
}

TEST_F(Http, TwoHundredConnectionsAreServed) {
    start();
    std::vector<HttpClient> clients;
    for (int i = 0; i < 200; ++i) clients.emplace_back(server->port());
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(clients[size_t(i)].send(get_request("/" + std::to_string(i))));
    for (int i = 199; i >= 0; --i) EXPECT_EQ(clients[size_t(i)].receive().body, "GET /" + std::to_string(i));
}

TEST_F(Http, ConnectionsAreBounded) {
    HttpOptions options;
    options.limits.connections = 3;
    start(std::move(options));
    std::vector<HttpClient> clients;
    std::vector<HttpReply> waiting_replies;
    for (int i = 0; i < 3; ++i) {
        clients.emplace_back(server->port());
        clients.back().send(get_request("/wait"));
        waiting_replies.push_back(waiting_reply());
    }
    // All of them are at work: nobody makes room, and who watches the server still hears that it lives.
    const HttpAnswer refused = test::http_get(server->port(), "/echo");
    EXPECT_EQ(refused.status, 503);
    EXPECT_NE(refused.body.find("3 connections are open"), std::string::npos) << refused.body;
    EXPECT_EQ(test::http_get(server->port(), "/livez").status, 200);
    waiting_replies.pop_back();
    clients.pop_back();
    EXPECT_TRUE(becomes_true([&] { return test::http_get(server->port(), "/echo").status == 200; }));
    waiting_replies.clear();
}

TEST_F(Http, WhoSaysNothingKeepsNobodyOut) {
    HttpOptions options;
    options.limits.connections = 3;
    start(std::move(options));
    HttpClient silent(server->port()), begun(server->port()), kept(server->port());
    ASSERT_TRUE(begun.send("GET /echo HT"));
    ASSERT_TRUE(kept.send(get_request("/echo")));
    EXPECT_EQ(kept.receive().status, 200);
    EXPECT_EQ(test::http_get(server->port(), "/echo").status, 200);
    EXPECT_TRUE(silent.is_closed_within(5));  // the one that had been silent for longest
    ASSERT_TRUE(begun.send("TP/1.1\r\nHost: localhost\r\n\r\n"));
    EXPECT_EQ(begun.receive(5).body, "GET /echo");
    // However many come and say nothing.
    std::vector<HttpClient> crowd;
    for (int i = 0; i < 50; ++i) crowd.emplace_back(server->port());
    EXPECT_EQ(test::http_get(server->port(), "/livez").status, 200);
    EXPECT_EQ(test::http_get(server->port(), "/echo").status, 200);
}

TEST_F(Http, ABodyThatStallsIsNotWaitedForLong) {
    HttpOptions options;
    options.limits.body = 0.4;
    options.limits.body_rate = 1000;  // what is there already would pay for minutes
    start(std::move(options));
    HttpClient client(server->port());
    const std::string bytes = post_request("/echo", std::string(600'000, 'x'));
    ASSERT_TRUE(client.send(bytes.substr(0, 500'000)));
    EXPECT_EQ(client.receive(5).status, 408);
    // Who is slow, but not slower than that, is waited for.
    HttpClient slow(server->port());
    const std::string few = post_request("/echo", std::string(800, 'x'));
    const size_t head = few.size() - 800;
    ASSERT_TRUE(slow.send(few.substr(0, head)));
    for (size_t at = head; at < few.size(); at += 80) {
        sleep_ms(60);
        ASSERT_TRUE(slow.send(few.substr(at, 80)));
    }
    EXPECT_EQ(slow.receive(5).status, 200);
}

TEST_F(Http, BodiesOfThoseWhoLeftCountUntilNobodyHasThem) {
    HttpOptions options;
    options.limits.all_bodies_bytes = 1'500'000;
    start(std::move(options));
    const std::string body(1'000'000, 'x');
    HttpReply unanswered;
    {
        HttpClient client(server->port());
        ASSERT_TRUE(client.send(post_request("/queue", body)));
        unanswered = waiting_reply();
    }
    EXPECT_TRUE(becomes_true([&] { return gone == 1; }));
    EXPECT_EQ(test::http_post(server->port(), "/echo", body).status, 503);
    {
        std::lock_guard lock(mutex);
        queue.clear();
    }
    EXPECT_TRUE(becomes_true([&] { return test::http_post(server->port(), "/echo", body).status == 200; }));
}

TEST_F(Http, WhoLeavesIsNoticedBehindManyBytesAheadToo) {
    start();
    HttpClient client(server->port());
    ASSERT_TRUE(client.send(get_request("/wait") + std::string(200'000, '\n')));
    const HttpReply reply = waiting_reply();
    sleep_ms(50);
    EXPECT_EQ(gone, 0);
    client.close();
    EXPECT_TRUE(becomes_true([&] { return gone == 1; }));
    // Who stays has the answer; what was too much is taken for no request.
    HttpClient other(server->port());
    std::string many = get_request("/wait");
    for (int i = 0; i < 3000; ++i) many += get_request("/more");
    ASSERT_TRUE(other.send(many));
    const HttpReply last = waiting_reply();
    sleep_ms(100);
    last.send(200, "text/plain", "done");
    EXPECT_EQ(other.receive().body, "done");
    EXPECT_TRUE(other.is_closed_within(5));
    EXPECT_EQ(requests, 2);
}

TEST_F(Http, RefusalsAreToldAsThePathWantsThem) {
    HttpOptions options;
    options.limits.body_bytes = 1000;
    std::atomic<size_t> body_of_record = 0;
    options.record = [&](const HttpRequest& request) {
        body_of_record += request.body.size();
        return nullptr;
    };
    options.refuse = [](const HttpReply& reply, const std::string& path, const Refusal& refusal) {
        reply.send(refusal.status, "text/plain", path + ": " + refusal.message);
    };
    start(std::move(options));
    EXPECT_EQ(test::http_post(server->port(), "/a/b", std::string(2000, 'x')).body,
              "/a/b: the body has 2000 bytes, at most 1000 are taken");
    HttpClient chunked(server->port());
    ASSERT_TRUE(
        chunked.send("POST /c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nZ"
                     "\r\n"));
    EXPECT_EQ(chunked.receive().body, "/c: the size of a chunk is no hexadecimal number");
    HttpClient broken(server->port());
    ASSERT_TRUE(broken.send("nonsense\r\n\r\n"));
    EXPECT_EQ(broken.receive().status, 400);
    EXPECT_EQ(body_of_record, 0u);  // what was refused is not carried along
}

// A name with several addresses, of which one is taken, would be served by two programs.
TEST_F(Http, EveryAddressOfANameIsListenedOn) {
    start({.hosts = {"localhost"}});
    if (server->addresses().size() < 2) GTEST_SKIP() << "localhost has one address here";
    server.reset();
    start({.hosts = {"::1"}});
    HttpOptions options{.hosts = {"localhost"}, .port = server->port()};
    const auto refused = HttpServer::start(std::move(options));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().line().find("[::1]:"), std::string::npos) << refused.error().line();
}

TEST_F(Http, BodiesAreBoundedTogetherToo) {
    HttpOptions options;
    options.limits.all_bodies_bytes = 1'500'000;
    start(std::move(options));
    const std::string most = post_request("/wait", std::string(1 << 20, 'x'));
    HttpClient first(server->port()), second(server->port());
    ASSERT_TRUE(first.send(most.substr(0, most.size() - 1)));
    sleep_ms(200);  // until all of it was read
    ASSERT_TRUE(second.send(most));
    EXPECT_EQ(second.receive(5).status, 503);
    ASSERT_TRUE(first.send("x"));
    waiting_reply().send(200, "text/plain", "done");
    EXPECT_EQ(first.receive(5).body, "done");
    HttpClient third(server->port());
    ASSERT_TRUE(third.send(most));
    waiting_reply().send(200, "text/plain", "done");
    EXPECT_EQ(third.receive(5).body, "done");
}

TEST_F(Http, HeadsAloneAndPagesOfOthers) {
    HttpOptions options;
    options.allowed_origins = {"https://chat.example"};
    options.allowed_hosts = {"box.lan"};
    start(std::move(options));
    HttpClient client(server->port());
    client.send("HEAD /echo HTTP/1.1\r\nHost: box.lan:1\r\n\r\n");
    const HttpAnswer head = client.receive(5, true);
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.header("Content-Length"), "10");
    const std::string origin = "Origin: https://chat.example\r\n";
    client.send("OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\n" + origin +
                "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n\r\n");
    const HttpAnswer asked = client.receive(5);
    EXPECT_EQ(asked.status, 204);
    EXPECT_EQ(asked.header("Access-Control-Allow-Origin"), "https://chat.example");
    EXPECT_EQ(asked.header("Access-Control-Allow-Headers"), "authorization");
    client.send(get_request("/echo", origin + "X-Request-Id: mine-1\r\n"));
    const HttpAnswer answer = client.receive(5);
    EXPECT_EQ(answer.header("Access-Control-Allow-Origin"), "https://chat.example");
    EXPECT_EQ(answer.header("X-Request-Id"), "mine-1");
    // Probes may call it by any name: the answer tells nothing.
    EXPECT_EQ(test::http_get(server->port(), "/livez", "").status, 200);
    client.send("GET /livez HTTP/1.1\r\nHost: 10.1.2.3\r\n\r\n");
    EXPECT_EQ(client.receive(5).status, 200);
}

TEST_F(Http, ListensOnAPathAndOnTheNewerAddresses) {
    HttpOptions options;
    options.hosts = {"127.0.0.1", "::1"};
    options.unix_socket = test::temporary_directory() + "/hearth.sock";
    const std::string path = options.unix_socket;
    HttpOptions again;
    again.unix_socket = path;
    start(std::move(options));
    ASSERT_EQ(server->addresses().size(), 3u);
    HttpClient local(path), six(server->port(), "::1");
    local.send("GET /echo HTTP/1.1\r\nHost: anything\r\n\r\n");
    EXPECT_EQ(local.receive(5).body, "GET /echo");
    six.send(get_request("/echo"));
    EXPECT_EQ(six.receive(5).body, "GET /echo");
    const auto second = HttpServer::start(std::move(again));
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().line().find("another server"), std::string::npos) << second.error().line();
    server.reset();
    EXPECT_FALSE(HttpClient(path).is_connected());
}

TEST(HttpStart, SaysWhatIsWrongWithAnAddress) {
    const auto refused = [](HttpOptions options, const std::string& piece) {
        const auto started = HttpServer::start(std::move(options));
        ASSERT_FALSE(started) << piece;
        EXPECT_NE(started.error().line().find(piece), std::string::npos) << started.error().line();
    };
    refused({.hosts = {"0.0.0.0"}}, "--api-key-file");
    refused({.hosts = {"::"}}, "--insecure");
    refused({.hosts = {std::string(70, 'a')}}, "no address of this machine");
    refused({}, "no address to listen on");
    refused({.hosts = {}, .unix_socket = std::string(200, 'a')}, "too long");
    auto first = HttpServer::start({.hosts = {"127.0.0.1"}});
    ASSERT_TRUE(first);
    refused({.hosts = {"127.0.0.1"}, .port = (*first)->port()}, "--port");
    EXPECT_TRUE(HttpServer::start({.hosts = {"0.0.0.0"}, .may_leave_loopback = true}));
}

// During the drain whoever comes is told so, on a connection for that one answer; what was begun is finished.
TEST_F(Http, StopsOnceAnswersAreGiven) {
    start();
    HttpClient idle(server->port()), busy(server->port());
    idle.send(get_request("/echo"));
    idle.receive();
    busy.send(get_request("/wait"));
    const HttpReply reply = waiting_reply();
    server->begin_drain();
    EXPECT_TRUE(idle.is_closed_within(5));
    HttpClient late(server->port());
    late.send(get_request("/livez"));
    EXPECT_EQ(late.receive().header("Connection"), "close");
    EXPECT_TRUE(late.is_closed_within(5));
    EXPECT_FALSE(server->wait_until_idle(0.1));
    reply.send(200, "text/plain", "done");
    EXPECT_EQ(busy.receive().body, "done");
    EXPECT_TRUE(server->wait_until_idle(5));
    EXPECT_TRUE(busy.is_closed_within(5));
    // Those who come late are not waited for.
    HttpClient stubborn(server->port());
    stubborn.send(get_request("/wait"));
    waiting_reply();
    EXPECT_TRUE(server->is_idle());
    server->stop_accepting();
    EXPECT_FALSE(HttpClient(server->port()).is_connected());
}

int listening_on_loopback() {
    const int made = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(made, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(made, 5), 0);
    return made;
}

TEST_F(Http, ListensOnSocketsThatAreHandedOver) {
    const int ours = listening_on_loopback();
    HttpOptions options;
    options.inherited = {dup(ours)};
    const std::string path = test::temporary_directory() + "/own";
    options.unix_socket = path;
    options.handle = [](const HttpRequest&, HttpReply reply) { reply.send(200, "text/plain", "here"); };
    auto started = HttpServer::start(std::move(options));
    ASSERT_TRUE(started) << started.error().line();
    const int port = (*started)->port();
    EXPECT_EQ((*started)->addresses(),
              (std::vector<std::string>{"http://127.0.0.1:" + std::to_string(port), "unix:" + path}));
    EXPECT_EQ(test::http_get(port, "/").body, "here");
    // During the drain nobody is sent away: who comes waits in our socket for the next server.
    (*started)->begin_drain();
    ASSERT_TRUE((*started)->wait_until_idle(5));
    HttpClient waiting(port);
    ASSERT_TRUE(waiting.send(get_request("/")));
    started->reset();
    EXPECT_FALSE(std::filesystem::exists(path));
    HttpOptions next;
    next.inherited = {dup(ours)};
    next.handle = [](const HttpRequest&, HttpReply reply) { reply.send(200, "text/plain", "there"); };
    started = HttpServer::start(std::move(next));
    ASSERT_TRUE(started) << started.error().line();
    EXPECT_EQ(waiting.receive().body, "there");
    close(ours);
}

TEST_F(Http, LooksAtWhatIsHandedOver) {
    const int everywhere = socket(AF_INET, SOCK_STREAM, 0);
    ASSERT_EQ(listen(everywhere, 1), 0);
    HttpOptions options;
    options.inherited = {everywhere};
    const auto open = HttpServer::start(std::move(options));
    ASSERT_FALSE(open);
    EXPECT_NE(open.error().line().find("--api-key-file"), std::string::npos) << open.error().line();
    HttpOptions wrong;
    wrong.inherited = {::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    const auto file = HttpServer::start(std::move(wrong));
    ASSERT_FALSE(file);
    EXPECT_NE(file.error().line().find("handed over"), std::string::npos) << file.error().line();
}

TEST_F(Http, ShowsThatItLives) {
    start();
    EXPECT_TRUE(becomes_true([&] { return server->seconds_since_life() < 1; }));
    sleep_ms(300);
    EXPECT_LT(server->seconds_since_life(), 0.25);
}

}  // namespace
}  // namespace hearth::server
