// Replays the fuzzers' corpora: nothing in them may crash, hang, or break a promise of the readers.
#include <filesystem>

#include "hf_check.h"
#include "support/shared_data.h"

namespace hearth {
namespace {

std::pair<size_t, size_t> replay(const std::string& corpus, std::string (*check)(std::span<const std::byte>)) {
    size_t files = 0, accepted = 0;
    for (const auto& entry : std::filesystem::directory_iterator(std::string(HEARTH_CORPUS) + "/" + corpus)) {
        accepted += check(test::read_bytes(entry.path())).empty();
        ++files;
    }
    return {files, accepted};
}

// A corpus of refusals alone would not reach past the first check.
TEST(SafetensorsCorpus, ReplaysWithoutACrash) {
    const auto [files, accepted] = replay("safetensors", check_safetensors);
    EXPECT_GE(files, 16u);
    EXPECT_GE(accepted, 7u);
}

TEST(HfConfigCorpus, ReplaysWithoutACrash) {
    const auto [files, accepted] = replay("hf_config", check_hf_config);
    EXPECT_GE(files, 37u);
    EXPECT_GE(accepted, 14u);
}

TEST(HfDirectoryCorpus, ReplaysWithoutACrash) {
    const auto [files, accepted] = replay("hf_directory", check_hf_directory);
    EXPECT_GE(files, 12u);
    EXPECT_GE(accepted, 6u);
}

}  // namespace
}  // namespace hearth
