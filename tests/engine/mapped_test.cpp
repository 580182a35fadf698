// The engine with weights that stay in the file: plans, refusals, and a file that changes under it.
#include <filesystem>

#include "engine/engine_run.h"
#include "engine/loaded_model.h"
#include "files/gguf.h"

namespace hearth {
namespace {

using test::Answer;
using test::ask;

class Mapped : public testing::Test {
protected:
    void SetUp() override {
        NEED_SHARED("reference/qwen35/q4_k_m.gguf");
        path = test::temporary_directory() + "/mapped.gguf";
        std::filesystem::remove(path);
        std::filesystem::copy_file(test::shared_path("reference/qwen35/q4_k_m.gguf"), path);
    }
    static Request question() {
        Request request;
        request.tokens = {1, 2, 3, 4, 5};
        request.max_tokens = 8;
        request.sampling.temperature = 0;
        request.ignore_end = true;
        return request;
    }
    std::string path;
};

TEST_F(Mapped, ThePlanTellsTheFileApart) {
    const auto usual = *Engine::open(path, {.context_tokens = 300});
    const auto mapped = *Engine::open(path, {.context_tokens = 300, .mmap = true});
    EXPECT_EQ(usual->plan().mapped, 0);
    EXPECT_GT(mapped->plan().mapped, 0);
    EXPECT_EQ(mapped->plan().mapped, mapped->taken().mapped);
    EXPECT_LE(mapped->plan().mapped, int64_t(std::filesystem::file_size(path)));
    EXPECT_LT(mapped->plan().weights * 4, usual->plan().weights);
    EXPECT_EQ(mapped->plan().total(), mapped->taken().total());
    EXPECT_EQ(ask(*usual, question()).tokens, ask(*mapped, question()).tokens);
    EXPECT_EQ(mapped->plan().scratch, mapped->taken().scratch);
}

// Without a wish the context leaves room for the file's pages; what must be taken alone decides about a refusal.
TEST_F(Mapped, RefusalsCountWhatIsTaken) {
    const MemoryPlan plan = (*Engine::open(path, {.context_tokens = 4096, .mmap = true}))->plan();
    EXPECT_TRUE(Engine::open(path, {.context_tokens = 4096, .memory_bytes = plan.total(), .mmap = true}));
    const auto refused = Engine::open(path, {.context_tokens = 4096, .memory_bytes = plan.total() - 1, .mmap = true});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::out_of_memory);
    EXPECT_NE(refused.error().line().find("stay in the file"), std::string::npos) << refused.error().line();

    const auto roomy = *Engine::open(path, {.memory_bytes = 2 * (plan.total() + plan.mapped), .mmap = true});
    EXPECT_EQ(roomy->plan().context_tokens, 4096);
}

TEST_F(Mapped, AFileCutShortFailsTheRequestAndNotTheProcess) {
    const auto engine = *Engine::open(path, {.context_tokens = 300, .mmap = true});
    EXPECT_EQ(ask(*engine, question()).last.kind, Event::Kind::finish);
    std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
    const Answer answer = ask(*engine, question());
    EXPECT_EQ(answer.last.kind, Event::Kind::failed);
    EXPECT_EQ(answer.last.error.kind, ErrorKind::bad_file);
    EXPECT_NE(answer.last.error.what.find("became shorter"), std::string::npos) << answer.last.error.line();
}

TEST_F(Mapped, TheReferenceDeviceHasNoSuchWay) {
    const auto opened = Engine::open(path, {.device = "reference", .mmap = true});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, ErrorKind::unsupported);
}

}  // namespace
}  // namespace hearth
