// Replays what the fuzzer of requests starts from, and what is left of those requests where they are cut short.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

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

}  // namespace
}  // namespace hearth
