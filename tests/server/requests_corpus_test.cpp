// Replays what the fuzzer of requests starts from, and a little of its work: requests cut short, and with pieces of
// others in them.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/rng.h"
#include "requests_check.h"
#include "support/shared_data.h"

namespace hearth {
namespace {

TEST(RequestsCorpus, BodiesOfEveryDialectKeepTheirPromises) {
    std::map<char, std::pair<int, int>> counts;  // accepted, refused
    for (const auto& file : std::filesystem::directory_iterator(std::string(HEARTH_CORPUS) + "/requests")) {
        const std::string input = test::read_text(file.path());
        ASSERT_FALSE(input.empty()) << file.path();
        auto& [accepted, refused] = counts[input[0]];
        (check_request(input) ? accepted : refused) += 1;  // aborts on a broken promise
        for (size_t cut = 1; cut < input.size(); cut += 1 + input.size() / 20) check_request(input.substr(0, cut));
    }
    for (const char dialect : {'c', 't', 'm'}) {
        EXPECT_GE(counts[dialect].first, 2) << dialect;  // refusals alone would not reach past the first check
        EXPECT_GE(counts[dialect].second, 1) << dialect;
    }
}

TEST(RequestsCorpus, PiecesOfOneInAnother) {
    std::vector<std::string> inputs;
    for (const auto& file : std::filesystem::directory_iterator(std::string(HEARTH_CORPUS) + "/requests"))
        inputs.push_back(test::read_text(file.path()));
    std::ranges::sort(inputs);
    // Values that are JSON, so that most of what is made of them reaches past the parser.
    const std::vector<std::string> values{"null", "true", "-1",   "1e400",  "\"\"",
                                          "[]",   "{}",   "[[]]", "[null]", "{\"type\": 1}"};
    Rng random(5);
    int accepted = 0;
    for (int round = 0; round < 4000; ++round) {
        std::string input = inputs[random.below(inputs.size())];
        for (uint64_t changes = 1 + random.below(3); changes > 0; --changes) {
            // From a colon or a comma to the next one.
            const size_t from = input.find_first_of(":,", random.below(input.size()));
            if (from == std::string::npos) continue;
            const size_t to = std::min(input.find_first_of(",}]", from + 1), input.size());
            input.replace(from + 1, to - from - 1, values[random.below(values.size())]);
        }
        accepted += check_request(input);  // aborts on a broken promise
    }
    EXPECT_GT(accepted, 20);  // most of the corpus are refusals
}

}  // namespace
}  // namespace hearth
