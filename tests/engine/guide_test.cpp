// What the engine promises a guide: who is asked when, and that nothing it says is lost.
#include "engine/engine_run.h"

namespace hearth {
namespace {

using test::Answer;
using test::ask;
using test::open_tiny;
using test::random_prompt;
using test::ScriptGuide;
using Tokens = std::vector<int32_t>;

// The tiny vocabulary counts its bytes from "!" on, and merges nothing in this word.
const Tokens kScript{'H' - '!', 'e' - '!', 'l' - '!', 'l' - '!', 'o' - '!', 0};

class GuideTest : public testing::Test {
protected:
    void SetUp() override {
        NEED_SHARED("reference/qwen35/dense_r1.gguf");
        engine = open_tiny({.context_tokens = 256, .sequences = 2});
    }
    Request request(std::unique_ptr<Guide> guide) const {
        Request made;
        made.tokens = random_prompt(20, 1);
        made.sampling.seed = 1;
        made.guide = std::move(guide);
        return made;
    }

    std::unique_ptr<Engine> engine;
};

TEST_F(GuideTest, TheMaskDecidesAndEveryEventIsPassedOn) {
    int finishes = 0;
    auto guide = std::make_unique<ScriptGuide>(kScript);
    guide->finishes = &finishes;
    const Answer answer = ask(*engine, request(std::move(guide)));
    EXPECT_EQ(answer.tokens, kScript);
    EXPECT_EQ(answer.last.reason, FinishReason::end);  // the guide was done
    EXPECT_EQ(answer.text, "Hello!");
    EXPECT_EQ(finishes, 1);
    ASSERT_EQ(answer.guide.size(), kScript.size() + 1);
    for (size_t i = 0; i < kScript.size(); ++i)
        EXPECT_EQ(answer.guide[i], (GuideEvent{7, int32_t(i), std::string(engine->tokenizer().piece(kScript[i]))}));
    EXPECT_EQ(answer.guide.back(), (GuideEvent{8, int32_t(kScript.size()), "rest"}));
    EXPECT_EQ(answer.last.guide.size(), 1u);  // what finish() released comes with the last event
}

TEST_F(GuideTest, ForcedTokensAreNotSampledEvenTheFirst) {
    struct Unmasked : ScriptGuide {
        explicit Unmasked(Tokens script) : ScriptGuide(std::move(script), true) {}
        bool mask(std::span<uint32_t>) override {
            ADD_FAILURE() << "there was nothing to choose";
            return false;
        }
    };
    const Answer answer = ask(*engine, request(std::make_unique<Unmasked>(kScript)));
    EXPECT_EQ(answer.tokens, kScript);
    EXPECT_EQ(answer.last.usage.generated_tokens, int64_t(kScript.size()));
}

// A choice after forced tokens sees the same logits as after the same tokens said one by one.
TEST_F(GuideTest, ForcedTokensGoIntoTheCacheLikeOthers) {
    struct ThenFree : ScriptGuide {
        using ScriptGuide::ScriptGuide;
        bool finished() const override { return false; }
        Result<> accept(int32_t token, std::string_view piece, GuideEvents& out) override {
            if (mine-- <= 0) return {};
            return ScriptGuide::accept(token, piece, out);
        }
        std::span<const int32_t> forced() override {
            return mine > 0 ? ScriptGuide::forced() : std::span<const int32_t>();
        }
        int mine = int(kScript.size());
    };
    std::vector<Answer> answers;
    for (const bool forces : {false, true}) {
        Request made = request(std::make_unique<ThenFree>(kScript, forces));
        made.sampling.temperature = 0;
        made.max_tokens = 20;
        made.ignore_end = true;
        made.reuse = false;
        answers.push_back(ask(*engine, std::move(made)));
    }
    ASSERT_EQ(answers[0].tokens.size(), 20u);
    EXPECT_TRUE(std::ranges::equal(std::span(answers[0].tokens).first(kScript.size()), kScript));
    EXPECT_EQ(answers[0].tokens, answers[1].tokens);
}

TEST_F(GuideTest, MaxTokensAndTheContextEndForcedTokensToo) {
    for (const int64_t most : {1, 4}) {
        Request made = request(std::make_unique<ScriptGuide>(kScript, true));
        made.max_tokens = most;
        const Answer answer = ask(*engine, std::move(made));
        EXPECT_EQ(int64_t(answer.tokens.size()), most);
        EXPECT_EQ(answer.last.reason, FinishReason::max_tokens);
    }
    Request made = request(std::make_unique<ScriptGuide>(kScript, true));
    made.tokens = random_prompt(254, 1);
    const Answer answer = ask(*engine, std::move(made));
    EXPECT_EQ(answer.tokens.size(), 3u);
    EXPECT_EQ(answer.last.reason, FinishReason::context);
}

TEST_F(GuideTest, ARefusedTokenFailsTheRequestAndKeepsWhatWasSaid) {
    for (const bool forces : {false, true}) {
        int finishes = 0;
        auto guide = std::make_unique<ScriptGuide>(kScript, forces);
        guide->refuse_at = 3;
        guide->finishes = &finishes;
        Request made = request(std::move(guide));
        made.stop = {"ello"};  // holds back the "el" that came before
        const Answer answer = ask(*engine, std::move(made));
        EXPECT_EQ(answer.last.kind, Event::Kind::failed);
        EXPECT_EQ(answer.last.error.what, "the guide refuses this token");
        EXPECT_EQ(answer.text, "Hel");
        EXPECT_EQ(finishes, 0);  // not after a failed accept
    }
    EXPECT_EQ(ask(*engine, request(std::make_unique<ScriptGuide>(kScript))).tokens, kScript);
}

TEST_F(GuideTest, AGuideThatAllowsNothingFailsItsOwnRequestOnly) {
    struct Nothing : ScriptGuide {
        using ScriptGuide::ScriptGuide;
        bool mask(std::span<uint32_t> allowed) override {
            std::ranges::fill(allowed, 0);
            return true;
        }
    };
    auto other = test::collect(*engine, request(std::make_unique<ScriptGuide>(kScript)));
    const Answer answer = ask(*engine, request(std::make_unique<Nothing>(kScript)));
    EXPECT_EQ(answer.last.kind, Event::Kind::failed);
    EXPECT_FALSE(answer.last.error.what.empty());
    EXPECT_EQ(other->answer().tokens, kScript);
}

TEST_F(GuideTest, FinishIsCalledOnceHoweverTheRequestEnds) {
    struct Endless : ScriptGuide {
        using ScriptGuide::ScriptGuide;
        bool mask(std::span<uint32_t>) override { return false; }
        bool finished() const override { return false; }
        Result<> accept(int32_t, std::string_view, GuideEvents&) override { return {}; }
    };
    const auto finishes_of = [&](auto change) {
        int finishes = 0;
        auto guide = std::make_unique<Endless>(kScript);
        guide->finishes = &finishes;
        Request made = request(std::move(guide));
        made.ignore_end = true;
        const bool cancels = change(made);
        auto pending = test::collect(*engine, std::move(made));
        if (cancels) {
            pending->wait_for_events(3);
            engine->cancel(pending->id());
        }
        EXPECT_EQ(pending->answer().last.guide.size(), 1u);
        engine->wait(pending->id());
        return finishes;
    };
    EXPECT_EQ(finishes_of([](Request& r) { return r.max_tokens = 3, false; }), 1);
    EXPECT_EQ(finishes_of([](Request&) { return false; }), 1);  // the context fills up
    EXPECT_EQ(finishes_of([](Request& r) { return r.tokens.resize(5), true; }), 1);
    EXPECT_EQ(finishes_of([](Request& r) {
                  r.sampling.logit_bias = {{kScript[1], 1000.0f}};
                  return r.stop = {"ee"}, r.max_tokens = 9, false;
              }),
              1);
}

TEST_F(GuideTest, AnEndTokenIsNotShownToTheGuide) {
    auto guide = std::make_unique<ScriptGuide>(Tokens{kScript[0], engine->tokenizer().end_of_generation().front()});
    guide->refuse_at = 1;
    const Answer answer = ask(*engine, request(std::move(guide)));
    EXPECT_EQ(answer.last.kind, Event::Kind::finish);
    EXPECT_EQ(answer.last.reason, FinishReason::end);
    EXPECT_EQ(answer.tokens.size(), 2u);
}

}  // namespace
}  // namespace hearth
