// Where DRY's breakers stand in a vocabulary, and that a request's texts reach its sampler.
#include "engine/dry_breakers.h"

#include "engine/engine_run.h"

namespace hearth {
namespace {

using test::ask;
using test::open_tiny;
using test::random_prompt;
using Tokens = std::vector<int32_t>;

class DryBreakersTest : public testing::Test {
protected:
    void SetUp() override {
        NEED_SHARED("reference/qwen35/dense_r1.gguf");
        engine = open_tiny({.context_tokens = 512});
    }
    Request request(float multiplier, std::vector<std::string> breakers) const {
        Request made;
        made.tokens = random_prompt(20, 1);
        made.max_tokens = 40;
        made.ignore_end = true;
        made.detect_loops = false;
        made.sampling.temperature = 0;
        made.sampling.logit_bias = {{70, 100.0f}, {71, 99.0f}, {72, 98.0f}};  // so that passages repeat
        made.sampling.dry_multiplier = multiplier;
        made.sampling.dry_allowed_length = 1;
        made.sampling.dry_breakers = std::move(breakers);
        return made;
    }

    std::unique_ptr<Engine> engine;
};

TEST_F(DryBreakersTest, TokensThatContainATextAndSequencesThatSpellIt) {
    const Tokenizer& tokenizer = engine->tokenizer();
    const auto found = find_dry_breakers(tokenizer, {"e", "H:"});
    Tokens containing;
    for (int32_t id = 0; id < tokenizer.size(); ++id)
        if (tokenizer.piece(id).find('e') != std::string_view::npos ||
            tokenizer.piece(id).find("H:") != std::string_view::npos)
            containing.push_back(id);
    ASSERT_FALSE(containing.empty());
    EXPECT_EQ(found.tokens, containing);
    ASSERT_FALSE(found.sequences.empty());
    for (const Tokens& sequence : found.sequences) {
        EXPECT_EQ(tokenizer.piece(sequence[0]).back(), 'H');
        EXPECT_EQ(tokenizer.decode(std::span(sequence).subspan(1), false), ":");
    }
}

TEST_F(DryBreakersTest, ATokenThatIsABreakerIsNotPenalised) {
    const Tokens plain = ask(*engine, request(0, {})).tokens;
    const Tokens penalised = ask(*engine, request(1000, {})).tokens;
    const size_t at = size_t(std::ranges::mismatch(plain, penalised).in1 - plain.begin());
    ASSERT_LT(at, plain.size());
    const std::string piece(engine->tokenizer().piece(plain[at]));
    ASSERT_FALSE(piece.empty());
    const Tokens excepted = ask(*engine, request(1000, {piece})).tokens;
    EXPECT_TRUE(std::equal(plain.begin(), plain.begin() + ptrdiff_t(at) + 1, excepted.begin()));
}

TEST_F(DryBreakersTest, SenselessTextsAreRefused) {
    const auto refusal = [&](std::vector<std::string> breakers) {
        const auto id = engine->submit(request(1, std::move(breakers)), [](const Event&) {});
        return id ? std::string() : id.error().what;
    };
    EXPECT_EQ(refusal({"a", ""}), "dry_breakers has a text of 0 bytes, it must be 1 to 40");
    EXPECT_EQ(refusal({std::string(41, 'x')}), "dry_breakers has a text of 41 bytes, it must be 1 to 40");
    EXPECT_EQ(refusal(std::vector<std::string>(65, "x")), "dry_breakers has 65 texts, it may have up to 64");
}

}  // namespace
}  // namespace hearth
