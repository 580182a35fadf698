// Replays what the fuzzers of grammars found worth keeping.
#include <gtest/gtest.h>

#include <filesystem>

#include "grammar_check.h"
#include "support/shared_data.h"

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

TEST(GrammarCorpus, KeepsItsPromises) {
    EXPECT_GE(replay("grammar_gbnf", check_gbnf), 12);
    EXPECT_GE(replay("grammar_regex", check_regex), 13);
    EXPECT_GE(replay("grammar_json_schema", check_json_schema), 16);
}

}  // namespace
}  // namespace hearth
