// HTTP over TLS says what HTTP says, to those alone who speak it as it should be spoken.
#include "server/http/tls.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "server/client.h"
#include "server/http/http_server.h"
#include "server/request_cases.h"
#include "server/tls_tunnel.h"
#include "support/shared_data.h"

namespace hearth::server {
namespace {

namespace fs = std::filesystem;
using test::get_request, test::post_request, test::make_certificate;
using test::HttpAnswer, test::HttpClient, test::TlsTunnel;

constexpr int kTls11 = 0x0302, kTls12 = 0x0303, kTls13 = 0x0304;

std::string fresh_name() {
    static int count = 0;
    return test::temporary_directory() + "/tls" + std::to_string(count++);
}

bool becomes_true(const std::function<bool()>& claim, double seconds = 5) {
    for (int i = 0; i < int(seconds * 200) && !claim(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return claim();
}

class TlsTest : public testing::Test {
protected:
    // /wait keeps its reply; everything else is told back, all of it streamed where the path is /stream.
    void start(HttpOptions options = {}) {
        name = make_certificate(fresh_name());
        auto loaded = Tls::load({name + ".pem", name + ".key"});
        ASSERT_TRUE(loaded) << loaded.error().line();
        tls = options.tls = *loaded;
        options.hosts = {"127.0.0.1"};
        options.limits.tick = 0.02;
        options.limits.body_bytes = 1 << 20;
        options.instant = [](const HttpRequest&) { return std::optional<InstantAnswer>(); };
        options.handle = [this](HttpRequest request, HttpReply reply) { handle(request, reply); };
        auto started = HttpServer::start(std::move(options));
        ASSERT_TRUE(started) << started.error().line();
        server = std::move(*started);
    }
    void handle(const HttpRequest& request, HttpReply reply) {
        if (request.path == "/wait") {
            reply.on_gone([this] { ++gone; });
            waiting.push_back(reply);
            ++waits;
        } else if (request.path == "/stream") {
            reply.begin_stream("text/plain", {});
            for (size_t at = 0; at < request.body.size(); at += 50000) reply.write(request.body.substr(at, 50000));
            reply.finish();
        } else {
            reply.send(200, "text/plain",
                       request.method + " " + request.path + (request.body.empty() ? "" : " ") + request.body);
        }
    }
    std::string authority() const { return name + ".pem"; }

    std::string name;
    std::shared_ptr<Tls> tls;
    std::vector<HttpReply> waiting;
    std::atomic<int> gone = 0, waits = 0;
    std::unique_ptr<HttpServer> server;
};

TEST_F(TlsTest, EveryRequestOfTheListGetsTheAnswerThatItGetsWithoutIt) {
    start();
    EXPECT_EQ(server->addresses()[0], "https://127.0.0.1:" + std::to_string(server->port()));
    for (const test::RequestCase& one : test::request_cases()) {
        SCOPED_TRACE(one.name);
        TlsTunnel tunnel(server->port(), authority());
        ASSERT_TRUE(tunnel.is_open());
        ASSERT_TRUE(tunnel.client().send(one.bytes));
        const HttpAnswer answer = tunnel.client().receive(5);
        EXPECT_EQ(answer.status, one.status) << answer.body;
        EXPECT_NE(answer.body.find(one.message), std::string::npos) << answer.body;
    }
}

TEST_F(TlsTest, BothVersionsCarryLargeRequestsAndAnswers) {
    start();
    std::string large(900'000, ' ');
    for (size_t i = 0; i < large.size(); ++i) large[i] = char('a' + i * i % 26);
    for (const int version : {kTls12, kTls13}) {
        for (const bool renews_keys : {false, version == kTls13}) {
            TlsTunnel tunnel(server->port(), authority(), {.version = version, .renews_keys = renews_keys});
            ASSERT_TRUE(tunnel.is_open()) << version;
            EXPECT_EQ(tunnel.version(), version == kTls12 ? "TLSv1.2" : "TLSv1.3");
            for (int round = 0; round < 3; ++round) {
                ASSERT_TRUE(tunnel.client().send(post_request("/a", large)));
                EXPECT_EQ(tunnel.client().receive().body, "POST /a " + large);
                ASSERT_TRUE(tunnel.client().send(post_request("/stream", large) + get_request("/next")));
                EXPECT_EQ(tunnel.client().receive().body, large);
                EXPECT_EQ(tunnel.client().receive().body, "GET /next");
            }
        }
    }
}

TEST_F(TlsTest, AClientThatWaitsForLeaveToSendItsBodyGetsIt) {
    start();
    TlsTunnel tunnel(server->port(), authority());
    ASSERT_TRUE(tunnel.is_open());
    HttpClient& client = tunnel.client();
    ASSERT_TRUE(
        client.send("POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"));
    EXPECT_EQ(client.receive().status, 100);
    ASSERT_TRUE(client.send("body"));
    EXPECT_EQ(client.receive().body, "POST /a body");
}

TEST_F(TlsTest, OldVersionsAndOtherProtocolsAreRefused) {
    start();
    EXPECT_FALSE(TlsTunnel(server->port(), authority(), {.version = kTls11}).is_open());
    EXPECT_FALSE(TlsTunnel(server->port(), authority(), {.protocols = "h2"}).is_open());
    TlsTunnel both(server->port(), authority(), {.protocols = "h2,http/1.1"});
    ASSERT_TRUE(both.is_open());
    EXPECT_EQ(both.protocol(), "http/1.1");
    EXPECT_EQ(TlsTunnel(server->port(), authority()).protocol(), "");
    // Who trusts another certificate does not get through.
    EXPECT_FALSE(TlsTunnel(server->port(), make_certificate(fresh_name()) + ".pem").is_open());
    EXPECT_TRUE(becomes_true([&] { return server->load()().connections == 1; }));
}

TEST_F(TlsTest, WhoSpeaksPlainHttpIsToldSo) {
    start();
    HttpClient client(server->port());
    ASSERT_TRUE(client.send(get_request("/a")));
    const HttpAnswer answer = client.receive();
    EXPECT_EQ(answer.status, 400);
    EXPECT_NE(answer.body.find("this address speaks TLS; write https:// in place of http://"), std::string::npos)
        << answer.body;
    EXPECT_EQ(answer.header("Connection"), "close");
    EXPECT_TRUE(client.is_closed_within(5));
}

TEST_F(TlsTest, WhoSpeaksNeitherIsCut) {
    HttpOptions options;
    options.limits.handshake = 1;  // for what could still become a greeting
    start(std::move(options));
    for (const std::string& bytes :
         {std::string(3000, '\0'), std::string("\x16\x03\x01\x00\x05hello"), std::string(100000, '\xff')}) {
        HttpClient client(server->port());
        client.send(bytes);
        EXPECT_TRUE(client.is_closed_within(5));
    }
    EXPECT_TRUE(becomes_true([&] { return server->load()().connections == 0; }));
}

TEST_F(TlsTest, ASlowHandshakeIsCutAndCountsUntilThen) {
    HttpOptions options;
    options.limits.handshake = 0.4;
    start(std::move(options));
    HttpClient silent(server->port()), slow(server->port());
    const std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
    for (size_t i = 0; i < 8; ++i) {
        slow.send(hello.substr(i, 1));
        std::this_thread::sleep_for(std::chrono::milliseconds(25));
    }
    EXPECT_EQ(server->load()().connections, 2);
    EXPECT_TRUE(silent.is_closed_within(5));
    EXPECT_TRUE(slow.is_closed_within(5));
    EXPECT_TRUE(becomes_true([&] { return server->load()().connections == 0; }));
    // Once it is over, the time between requests counts.
    TlsTunnel tunnel(server->port(), authority());
    ASSERT_TRUE(tunnel.is_open());
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    ASSERT_TRUE(tunnel.client().send(get_request("/a")));
    EXPECT_EQ(tunnel.client().receive().body, "GET /a");
}

TEST_F(TlsTest, TheEndIsSaidByBothSides) {
    HttpOptions options;
    options.limits.idle = 0.3;
    start(std::move(options));
    TlsTunnel asked(server->port(), authority());
    ASSERT_TRUE(asked.client().send(get_request("/a", "Connection: close\r\n")));
    EXPECT_EQ(asked.client().receive().body, "GET /a");
    EXPECT_TRUE(asked.was_ended_politely());
    TlsTunnel idle(server->port(), authority());
    EXPECT_TRUE(idle.was_ended_politely());
    for (const bool ends_politely : {true, false}) {
        gone = waits = 0;
        {
            TlsTunnel leaving(server->port(), authority(), {.ends_politely = ends_politely});
            ASSERT_TRUE(leaving.client().send(get_request("/wait")));
            ASSERT_TRUE(becomes_true([&] { return waits == 1; }));
        }
        EXPECT_TRUE(becomes_true([&] { return gone == 1; })) << ends_politely;
    }
    EXPECT_TRUE(becomes_true([&] { return server->load()().connections == 0; }));
}

TEST_F(TlsTest, AUnixSocketStaysPlain) {
    HttpOptions options;
    options.unix_socket = fresh_name() + ".sock";
    const std::string path = options.unix_socket;
    start(std::move(options));
    HttpClient client(path);
    ASSERT_TRUE(client.send(get_request("/a")));
    EXPECT_EQ(client.receive().body, "GET /a");
}

std::string line_of(const std::string& certificate, const std::string& key) {
    const auto loaded = Tls::load({certificate, key});
    return loaded ? "" : loaded.error().line();
}

TEST(TlsFilesTest, WhatIsWrongWithThemIsALine) {
    const std::string good = make_certificate(fresh_name()), other = make_certificate(fresh_name());
    const std::string pem = good + ".pem", key = good + ".key", nothing = fresh_name(), words = fresh_name();
    std::ofstream(words) << "not a certificate\n";
    chmod(words.c_str(), 0600);
    EXPECT_EQ(line_of(pem, key), "");
    EXPECT_EQ(line_of(nothing, key), "cannot read " + nothing + ": No such file or directory; check --tls-cert");
    EXPECT_EQ(line_of(pem, nothing), "cannot read " + nothing + ": No such file or directory; check --tls-key");
    EXPECT_EQ(line_of(pem, test::temporary_directory()),
              "cannot read " + test::temporary_directory() + ": Is a directory; check --tls-key");
    EXPECT_EQ(line_of(words, key),
              words + " holds no certificate in PEM form; it begins with -----BEGIN CERTIFICATE-----");
    EXPECT_EQ(line_of(key, key), key + " holds no certificate in PEM form; it begins with -----BEGIN CERTIFICATE-----");
    EXPECT_EQ(line_of(pem, words), words + " holds no key in PEM form; it begins with -----BEGIN PRIVATE KEY-----");
    EXPECT_EQ(line_of(pem, other + ".key"),
              "the key " + other + ".key is not that of the certificate " + pem +
                  "; give both of the same pair; of several certificates in the file the server's own comes first");
    const std::string old = make_certificate(fresh_name(), {.begins_s = -2 * 86400, .ends_s = -86400});
    EXPECT_TRUE(line_of(old + ".pem", old + ".key").starts_with("the certificate " + old + ".pem expired on 20"))
        << line_of(old + ".pem", old + ".key");
    const std::string early = make_certificate(fresh_name(), {.begins_s = 86400});
    EXPECT_TRUE(
        line_of(early + ".pem", early + ".key").starts_with("the certificate " + early + ".pem is valid only from 20"))
        << line_of(early + ".pem", early + ".key");
    const std::string locked = make_certificate(fresh_name(), {.passphrase = "secret"});
    EXPECT_EQ(line_of(locked + ".pem", locked + ".key"),
              "the key " + locked + ".key wants a passphrase; give one without: openssl pkey -in KEY -out NEW");
    chmod(key.c_str(), 0644);
    EXPECT_EQ(line_of(pem, key), "everybody on this machine can read the key " + key + "; chmod 600 " + key);
    chmod(key.c_str(), 0640);  // a group that may is how Debian's ssl-cert does it
    EXPECT_EQ(line_of(pem, key), "");
    std::ofstream(pem, std::ios::app) << test::read_text(other + ".pem").substr(0, 200) << "\n";
    EXPECT_EQ(line_of(pem, key), "a certificate behind the first of " + pem + " is damaged");
}

TEST_F(TlsTest, RenewedFilesAreTakenForNewConnections) {
    start();
    EXPECT_EQ(tls->days_left(), 30);
    TlsTunnel before(server->port(), authority());
    ASSERT_TRUE(before.is_open());
    const auto refresh = [&] {
        const auto done = tls->refresh();
        EXPECT_TRUE(done) << done.error().line();
        return done && *done;
    };
    EXPECT_FALSE(refresh());
    const std::string next = make_certificate(fresh_name(), {.ends_s = 90 * 86400 + 3600});
    fs::rename(next + ".pem", name + ".pem");
    EXPECT_FALSE(refresh());  // the key may be on its way
    fs::rename(next + ".key", name + ".key");
    EXPECT_FALSE(refresh());
    EXPECT_TRUE(refresh());
    EXPECT_FALSE(refresh());
    EXPECT_EQ(tls->days_left(), 90);
    EXPECT_TRUE(TlsTunnel(server->port(), authority()).is_open());
    ASSERT_TRUE(before.client().send(get_request("/a")));
    EXPECT_EQ(before.client().receive().body, "GET /a");
    // What is wrong is told once, and the former pair stays.
    const std::string kept = test::read_text(name + ".pem"), trusted = fresh_name() + ".pem";
    std::ofstream(trusted) << kept;
    fs::remove(name + ".key");
    EXPECT_FALSE(refresh());
    EXPECT_FALSE(tls->refresh());
    EXPECT_FALSE(refresh());
    EXPECT_TRUE(TlsTunnel(server->port(), trusted).is_open());
}

}  // namespace
}  // namespace hearth::server
