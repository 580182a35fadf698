// The screen of `hearth top`: speeds between two looks, and lines that fit whatever names a server has.
#include "cli/terminal/top_screen.h"

#include <algorithm>

#include "cli/terminal/width.h"
#include "support/shared_data.h"

namespace hearth::test {
namespace {

using namespace hearth::cli;

Json status(double uptime, int64_t computed, int64_t generated, const std::string& requests = "") {
    auto json = Json::parse(
        R"({"version": "1.0", "uptime_seconds": )" + std::to_string(uptime) +
        R"(, "resident_bytes": 1363148800, "connections": 12, "models": [
        {"name": "ember", "loaded": true, "device": "cpu avx512, 2 threads", "running": 3, "waiting": 1, "places": 4,
         "cache_usage": 0.41, "memory": {"total": 125829120}, "totals": {"prompt_tokens": )" +
        std::to_string(computed) + R"(, "cached_tokens": 100, "generated_tokens": )" + std::to_string(generated) +
        R"(}}, {"name": "asleep", "loaded": false, "totals": {}}], "requests": [)" + requests + "]}");
    EXPECT_TRUE(json);
    return json ? std::move(*json) : Json();
}

std::string joined(const std::vector<std::string>& lines) {
    std::string all;
    for (const std::string& line : lines) all += line + "\n";
    return all;
}

TEST(TopScreen, ShowsSpeedsBetweenTwoLooks) {
    const Json before = status(10, 100, 1000);
    const Json now = status(12, 300, 1083,
                            R"({"id": "ab-1", "model": "ember", "key": "key 1", "phase": "prompt", "prompt_tokens": 512,
        "prompt_tokens_done": 128, "generated_tokens": 0, "seconds": 0.4, "tokens_per_second": 0},
        {"id": "ab-2", "model": "ember", "key": null, "phase": "answer", "prompt_tokens": 20,
        "prompt_tokens_done": 20, "generated_tokens": 120, "seconds": 3, "tokens_per_second": 41.3})");
    EXPECT_EQ(joined(top_screen(now, &before, {.columns = 120, .rows = 40})),
              R"(hearth 1.0   up 12 s   12 connections   1.27 GiB in memory
3 running   1 waiting   100 tokens/s in   42 tokens/s out   25 % from the cache

MODEL   DEVICE                 RUNNING  WAITING  CONTEXT  IN/S  OUT/S   MEMORY
ember   cpu avx512, 2 threads      3/4        1     41 %   100     42  120 MiB
asleep  not loaded

REQUEST  MODEL  KEY    PHASE    PROMPT  ANSWER  TOKENS/S    TIME
ab-1     ember  key 1  prompt  128/512       0         -  400 ms
ab-2     ember         answer       20     120        41     3 s
)");
    const std::string first = joined(top_screen(now, nullptr, {}));
    EXPECT_NE(first.find("- tokens/s in   - tokens/s out"), std::string::npos) << first;
    // A server that was started again in between: its numbers went back.
    const Json restarted = status(1, 0, 0);
    EXPECT_NE(joined(top_screen(restarted, &now, {})).find("- tokens/s out"), std::string::npos);
}

TEST(TopScreen, FitsEveryTerminal) {
    std::string requests;
    for (int i = 0; i < 30; ++i)
        requests += std::string(i ? "," : "") + R"({"id": "\u001b[2J)" + std::string(size_t(i * 3), 'x') +
                    R"(日本語\u009b1m", "model": "m", "phase": "answer", "prompt_tokens": 1, "prompt_tokens_done": 1,
            "generated_tokens": 1, "seconds": 1, "tokens_per_second": 1})";
    const Json now = status(12, 300, 1083, requests);
    for (const int columns : {1, 5, 20, 40, 60, 80, 100, 200})
        for (const int rows : {1, 2, 8, 24, 100}) {
            const auto lines = top_screen(now, nullptr, {.columns = columns, .rows = rows});
            EXPECT_LE(lines.size(), size_t(rows));
            for (const std::string& line : lines) {
                EXPECT_LE(text_width(line), columns) << line;
                EXPECT_EQ(line.find('\x1b'), std::string::npos);
                EXPECT_EQ(line.find("\xC2\x9B"), std::string::npos);
            }
        }
    const auto few = top_screen(now, nullptr, {.columns = 80, .rows = 10});
    EXPECT_EQ(few.back(), "... 29 more lines");
    const auto coloured = top_screen(now, nullptr, {.columns = 80, .rows = 50, .colour = true});
    EXPECT_NE(joined(coloured).find("\x1b["), std::string::npos);
}

TEST(TopScreen, StandsAnswersOfAnyShape) {
    for (const char* text :
         {"{}", "[]", "null", R"({"models": 3, "requests": {}})", R"({"models": [1, "x", null]})",
          R"({"uptime_seconds": 1e300, "resident_bytes": -5, "requests": [{"seconds": 1e99, "prompt_tokens": -1e99}]})",
          R"({"version": 7, "uptime_seconds": "long", "requests": [[]]})"}) {
        const Json odd = *Json::parse(text);
        EXPECT_GE(top_screen(odd, &odd, {}).size(), 2u) << text;
    }
}

}  // namespace
}  // namespace hearth::test
