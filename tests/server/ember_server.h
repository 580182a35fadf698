// A server in this process with the demo model, for tests of what it says over a real socket.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "server/client.h"
#include "server/server.h"

namespace hearth::test {

// The demo model, to be opened with that much context.
server::ModelSpec ember(const std::string& name, int64_t context_tokens, int64_t sequences);

// Two models of one file: "ember", and "small", whose context is 96 tokens and which is loaded on demand where
// `loads_at_start` is off.
std::unique_ptr<server::Server> start_ember_server(const std::function<void(server::ServerOptions&)>& change = {});

// One for all tests of a program that change nothing about it.
class EmberServer : public testing::Test {
protected:
    static void SetUpTestSuite();
    static void TearDownTestSuite();
    static int port() { return server_->port(); }
    static HttpAnswer post(const std::string& path, const Json& body, const std::string& headers = "");

    static std::unique_ptr<server::Server> server_;
};

Json parsed(std::string_view text);  // a test fails where it is no JSON
// The value behind keys and places: at(answer, "choices", 0, "message"); null where there is none.
const Json& at(const Json& json);
template <class Next, class... Rest>
const Json& at(const Json& json, Next next, Rest... rest) {
    static const Json kNothing;
    if constexpr (std::is_integral_v<Next>) {
        if (!json.is_array() || json.items().size() <= size_t(next)) return kNothing;
        return at(json.items()[size_t(next)], rest...);
    } else {
        const Json* found = json.find(next);
        return found ? at(*found, rest...) : kNothing;
    }
}
std::string text_at(const Json& json);  // "" where it is no text
template <class... Path>
std::string text_at(const Json& json, Path... path) requires(sizeof...(path) > 0) {
    return text_at(at(json, path...));
}

}  // namespace hearth::test
