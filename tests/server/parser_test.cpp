// Requests as bytes, cut in every way: the parser must say the same.
#include "server/http/parser.h"

#include <gtest/gtest.h>

#include "server/http/gate.h"
#include "server/request_cases.h"

namespace hearth::server {
namespace {

using test::RequestCase;

Limits small_limits() {
    Limits limits;
    limits.body_bytes = 1 << 20;
    return limits;
}

struct Parsed {
    int status = 0;  // 200: whole, 0: not yet
    std::string message, method, path, query, body;
    size_t used = 0;
    bool operator==(const Parsed&) const = default;
};

// The bytes in pieces that end at `cuts`.
Parsed parsed(const std::string& bytes, const std::vector<size_t>& cuts) {
    RequestParser parser(small_limits());
    Parsed result;
    size_t begin = 0;
    for (size_t i = 0; i <= cuts.size(); ++i) {
        const size_t end = i < cuts.size() ? cuts[i] : bytes.size();
        result.used += parser.feed(std::string_view(bytes).substr(begin, end - begin));
        begin = end;
        if (parser.state() == RequestParser::State::done || parser.state() == RequestParser::State::refused) break;
    }
    if (parser.state() == RequestParser::State::refused) {
        result.status = parser.refusal().status;
        result.message = parser.refusal().message;
        result.used = 0;  // how much of a bad request was read is of no interest
    } else if (parser.state() == RequestParser::State::done) {
        const HttpRequest request = parser.take();
        result.status = 200;
        result.method = request.method, result.path = request.path, result.query = request.query;
        result.body = request.body;
    }
    return result;
}

TEST(RequestParserTest, EveryCutSaysTheSame) {
    for (const RequestCase& one : test::request_cases()) {
        SCOPED_TRACE(one.name);
        const Parsed whole = parsed(one.bytes, {});
        if (one.status == 403) {
            EXPECT_EQ(whole.status, 200);  // HTTP has nothing against it
        } else {
            EXPECT_EQ(whole.status, one.status) << whole.message;
        }
        if (one.status != 200 && one.status != 403) {
            EXPECT_NE(whole.message.find(one.message), std::string::npos) << whole.message;
        }
        std::vector<size_t> all;
        for (size_t cut = 1; cut < one.bytes.size(); ++cut) {
            EXPECT_TRUE(parsed(one.bytes, {cut}) == whole) << "cut at " << cut;
            all.push_back(cut);
        }
        EXPECT_TRUE(parsed(one.bytes, all) == whole) << "byte by byte";
    }
}

TEST(RequestParserTest, TakesOneRequestAndLeavesTheNext) {
    const std::string one = "POST /a?x=1&y=a%20b+c HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab";
    RequestParser parser(small_limits());
    EXPECT_EQ(parser.feed(one + "GET /b"), one.size());
    ASSERT_EQ(parser.state(), RequestParser::State::done);
    const HttpRequest request = parser.take();
    EXPECT_EQ(request.path, "/a");
    EXPECT_EQ(request.parameter("x"), "1");
    EXPECT_EQ(request.parameter("y"), "a b c");
    EXPECT_EQ(request.parameter("z"), std::nullopt);
    ASSERT_TRUE(request.header("content-LENGTH"));
    EXPECT_EQ(*request.header("content-LENGTH"), "2");
    EXPECT_TRUE(request.keeps_alive);
}

TEST(RequestParserTest, HeadsAreBounded) {
    const std::string begin = "GET / HTTP/1.1\r\nHost: h\r\n";
    EXPECT_EQ(parsed(begin + "X: " + std::string(70'000, 'a') + "\r\n\r\n", {}).status, 431);
    EXPECT_EQ(parsed("GET /" + std::string(70'000, 'a'), {}).status, 431);
    std::string many;
    for (int i = 0; i < 101; ++i) many += "X: a\r\n";
    EXPECT_EQ(parsed(begin + many + "\r\n", {}).status, 431);
    const std::string chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    EXPECT_EQ(parsed(chunked + "1;" + std::string(1000, 'a'), {}).status, 400);
    std::string trailers;
    for (int i = 0; i < 1000; ++i) trailers += "X: aaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
    EXPECT_EQ(parsed(chunked + "0\r\n" + trailers + "\r\n", {}).status, 431);
}

TEST(RequestParserTest, ConnectionsEndWhenOneSideSaysSo) {
    const auto keeps = [](const std::string& version, const std::string& headers) {
        RequestParser parser(small_limits());
        parser.feed("GET / HTTP/" + version + "\r\nHost: h\r\n" + headers + "\r\n");
        EXPECT_EQ(parser.state(), RequestParser::State::done);
        return parser.take().keeps_alive;
    };
    EXPECT_TRUE(keeps("1.1", ""));
    EXPECT_FALSE(keeps("1.1", "Connection: Close\r\n"));
    EXPECT_FALSE(keeps("1.1", "Connection: te, close\r\n"));
    EXPECT_FALSE(keeps("1.0", ""));
    EXPECT_TRUE(keeps("1.0", "Connection: keep-alive\r\n"));
}

TEST(GateTest, NamesAndPagesThatWereAllowedMayComeIn) {
    Gate gate{.hosts = {"box.lan"}, .origins = {"https://chat.example"}};
    HttpRequest request;
    request.headers = {{"Host", "box.lan:11435"}, {"Origin", "https://chat.example"}};
    EXPECT_FALSE(gate.refuse(request));
    ASSERT_FALSE(gate.headers(request).empty());
    EXPECT_EQ(gate.headers(request)[0].value, "https://chat.example");
    request.headers[0].value = "192.168.1.5";
    EXPECT_TRUE(gate.refuse(request));
    gate.takes_addresses = true;
    EXPECT_FALSE(gate.refuse(request));
    request.headers[1].value = "https://chat.example.evil";
    EXPECT_TRUE(gate.refuse(request));
    gate.origins = {"*"};
    EXPECT_FALSE(gate.refuse(request));
}

}  // namespace
}  // namespace hearth::server
