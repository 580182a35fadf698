// Replays what the Markdown fuzzer starts from and what it has found.
#include <filesystem>

#include "markdown_check.h"
#include "support/shared_data.h"

namespace hearth::test {
namespace {

TEST(MarkdownCorpus, TextsKeepTheirPromises) {
    int files = 0;
    for (const auto& file : std::filesystem::directory_iterator(std::string(HEARTH_CORPUS) + "/markdown")) {
        check_markdown(read_text(file.path()));  // aborts on a broken promise
        ++files;
    }
    EXPECT_GT(files, 15);
}

}  // namespace
}  // namespace hearth::test
