// Replays what the fuzzers found worth keeping, and a little of their work with fixed random input.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/rng.h"
#include "jinja_check.h"
#include "support/shared_data.h"
#include "tokenizer_check.h"

namespace hearth {
namespace {

int replay(const std::string& folder, void (*check)(std::string_view)) {
    int files = 0;
    for (const auto& file : std::filesystem::directory_iterator(std::string(HEARTH_CORPUS) + "/" + folder)) {
        check(test::read_text(file.path()));  // aborts on a broken promise
        ++files;
    }
    return files;
}

TEST(FuzzCorpus, TokenizerKeepsItsPromises) {
    EXPECT_GT(replay("tokenizer", check_tokenizer), 20);
}
TEST(FuzzCorpus, DetokenizerKeepsItsPromises) {
    EXPECT_GT(replay("detokenizer", check_detokenizer), 5);
}

TEST(FuzzCorpus, TemplatesKeepTheirPromises) {
    EXPECT_GT(replay("jinja", check_jinja), 20);
}

TEST(FuzzCorpus, RandomTextsInEveryVocabulary) {
    static const std::vector<std::string> kParts = {"hello",
                                                    " the",
                                                    "there",
                                                    "  ",
                                                    "\n",
                                                    "\r\n",
                                                    "aaaa",
                                                    "123",
                                                    "1",
                                                    "'s",
                                                    "'LL",
                                                    "<think>",
                                                    "<think>x",
                                                    "x<think>",
                                                    "<s>",
                                                    "<tag>",
                                                    "<|im_end|>",
                                                    "\xE4\xBD\xA0",
                                                    "\xF0\x9F\x98\x80",
                                                    "\xCC\x81",
                                                    "\xC3\x84",
                                                    "\xE2\x96\x81",
                                                    "\xFF",
                                                    "\xE2\x82",
                                                    "\xC0\x80",
                                                    "\xED\xA0\x80",
                                                    "\xF4\x90\x80\x80",
                                                    "~",
                                                    "$x",
                                                    ".",
                                                    "/",
                                                    "\xE3\x80\x80",
                                                    "\xD9\xA1",
                                                    "IMGIMGABZ",
                                                    "\t"};
    Rng random(11);
    for (int which = 0; which < 256; ++which) {
        for (int round = 0; round < 12; ++round) {
            std::string input = {char(which), char(round)};
            for (uint64_t n = random.below(20); n > 0; --n) input += kParts[random.below(kParts.size())];
            check_tokenizer(input);
            check_detokenizer(input);
        }
    }
}

}  // namespace
}  // namespace hearth
