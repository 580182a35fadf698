// Replays what the fuzzer starts from, and a little of its work with fixed random input.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/rng.h"
#include "calls_check.h"
#include "chat/family.h"
#include "chat_check.h"
#include "schema_maker.h"
#include "support/shared_data.h"

namespace hearth {
namespace {

TEST(ChatCorpus, RepliesKeepTheirPromises) {
    int files = 0;
    for (const auto& file : std::filesystem::directory_iterator(std::string(HEARTH_CORPUS) + "/chat")) {
        check_chat(hearth::test::read_text(file.path()));  // aborts on a broken promise
        ++files;
    }
    EXPECT_GT(files, 20);
}

TEST(ChatCorpus, RandomRepliesOfEveryFamily) {
    const std::vector<std::string> parts = {"{\"name\": \"f\", \"arguments\": {\"s\": ",
                                            "{\"name\": \"g\"}",
                                            "f",
                                            "g",
                                            "s",
                                            "{",
                                            "}",
                                            "[",
                                            "]",
                                            "\"",
                                            ":",
                                            ",",
                                            "=",
                                            "(",
                                            ")",
                                            "\n",
                                            " ",
                                            "1",
                                            "stop",
                                            "\xff",
                                            "\xe4\xbd",
                                            "call:f{",
                                            "functions.g",
                                            "to=",
                                            "analysis",
                                            "final",
                                            ">",
                                            "'",
                                            "\\u00"};
    Rng random(11);
    for (size_t family = 0; family < chat::families().size(); ++family)
        for (int round = 0; round < 40; ++round) {
            std::string input = {char(family + (random.below(2) ? 0 : chat::families().size()))};
            for (uint64_t n = random.below(16); n > 0; --n) {
                if (random.below(2))
                    input += {'\xfe', char(random.below(size_t(chat::kMarks)))};
                else
                    input += parts[random.below(parts.size())];
            }
            check_chat(input);
        }
}

TEST(CallsCorpus, CallsOfAnyToolsAreReadBack) {
    int files = 0;
    for (const auto& file : std::filesystem::directory_iterator(std::string(HEARTH_CORPUS) + "/calls")) {
        check_calls(hearth::test::read_text(file.path()));  // aborts on a broken promise
        ++files;
    }
    EXPECT_GT(files, 20);
}

TEST(CallsCorpus, RandomToolsOfEveryFamily) {
    uint64_t seed = 1;
    for (size_t family = 0; family < chat::families().size(); ++family)
        for (int choices = 0; choices < 8; ++choices, ++seed)
            check_calls(std::string{char(family), char(choices)} +
                        hearth::test::SchemaMaker(seed).make_object().dump());
}

}  // namespace
}  // namespace hearth
