// What tests of /v1/responses share: questions, streams put together as clients do it, and a server that keeps.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/ember_server.h"
#include "store/store.h"

namespace hearth::test {

inline const std::string kResponses = "/v1/responses", kSum = "What is 17 + 25?";

Json asking(Json input, Json::Object more = {});
std::string output_text(const Json& response);
size_t warnings_of(const Json& response);
std::shared_ptr<store::Store> open_store(const std::string& name);  // below this program's temporary directory

// A stream as a client puts it together: each event must fit to those before it.
class Assembled {
public:
    explicit Assembled(const HttpAnswer& answer);
    const Json& first() const { return first_; }  // the response as it was created
    const Json& last() const { return last_; }
    int count(const std::string& type) const;  // of events, named without "response."

private:
    void take(const Json& event);
    std::vector<std::string> types_;
    Json items_ = Json::array(), item_, first_, last_;
    std::string text_;
    bool is_open_ = false;
};

class Responses : public EmberServer {
protected:
    static void SetUpTestSuite();
    static void TearDownTestSuite();
    static Json whole(const Json& body);
    static Assembled streamed(Json body);
    static Json both(const Json& body);  // both ways, and they say the same
    static HttpAnswer look_up(const std::string& below);
    static HttpAnswer send(const std::string& method, const std::string& below);
    static std::shared_ptr<store::Store> store_;
};

}  // namespace hearth::test
