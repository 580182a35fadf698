// Replays the fuzzer's corpus: nothing in it may crash, hang, or break a promise of the reader.
#include <filesystem>

#include "gguf_check.h"
#include "support/shared_data.h"

namespace hearth {
namespace {

TEST(GgufCorpus, ReplaysWithoutACrash) {
    size_t files = 0, accepted = 0;
    for (const auto& entry : std::filesystem::directory_iterator(HEARTH_CORPUS)) {
        accepted += check_gguf(test::read_bytes(entry.path())).empty();
        ++files;
    }
    EXPECT_GE(files, 20u);
    EXPECT_GE(accepted, 3u);  // a corpus of refusals alone would not reach past the header
}

}  // namespace
}  // namespace hearth
