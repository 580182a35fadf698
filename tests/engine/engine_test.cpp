// The engine as its callers see it: requests in, events out, on a tiny recorded model. What the numbers are is another
// test's business; here it counts that a request is answered the same alone and under load, ends for the right reason,
// and can be stopped at any moment.
#include <algorithm>
#include <chrono>
#include <future>
#include <set>
#include <thread>

#include "base/os.h"
#include "base/rng.h"
#include "engine/engine_run.h"

namespace hearth {
namespace {

using test::Answer;
using test::ask;
using test::collect;
using test::open_tiny;
using test::Pending;
using test::random_prompt;
using test::says;
using Tokens = std::vector<int32_t>;

// All that a client can see of an answer but its times.
void expect_equal(const Answer& one, const Answer& other) {
    EXPECT_EQ(one.tokens, other.tokens);
    EXPECT_EQ(one.text, other.text);
    EXPECT_EQ(one.last.reason, other.last.reason);
    EXPECT_EQ(one.logprobs, other.logprobs);
}

Request sampled_request(uint64_t seed, int64_t prompt_tokens, int64_t max_tokens) {
    Request request;
    request.tokens = random_prompt(prompt_tokens, seed);
    request.sampling.temperature = 1;
    request.sampling.seed = seed;
    request.sampling.logprobs = 0;
    request.max_tokens = max_tokens;
    request.ignore_end = true;
    return request;
}

class EveryDevice : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override { NEED_SHARED("reference/qwen35/dense_r1.gguf"); }
};
INSTANTIATE_TEST_SUITE_P(Engine, EveryDevice, testing::Values("reference", "cpu"),
                         [](const auto& device) { return device.param; });

TEST_P(EveryDevice, TheSameAnswerAloneAndUnderLoad) {
    const auto lengths = std::vector<int64_t>{3, 150, 40, 77};
    const auto request = [&](size_t i) { return sampled_request(i + 1, lengths[i], 40); };
    std::vector<Answer> alone;
    auto one = open_tiny({.device = GetParam(), .context_tokens = 256});
    for (size_t i = 0; i < lengths.size(); ++i) alone.push_back(ask(*one, request(i)));
    EXPECT_NE(alone[0].tokens, alone[1].tokens);
    for (const int64_t step_tokens : {32, 512}) {
        auto four =
            open_tiny({.device = GetParam(), .context_tokens = 256, .sequences = 4, .step_tokens = step_tokens});
        std::vector<std::shared_ptr<Pending>> pending;
        for (size_t i = 0; i < lengths.size(); ++i) pending.push_back(collect(*four, request(i)));
        for (size_t i = 0; i < lengths.size(); ++i) {
            const Answer& together = pending[i]->answer();
            EXPECT_EQ(together.tokens.size(), 40u);
            expect_equal(together, alone[i]);
        }
    }
}

TEST_P(EveryDevice, MoreRequestsThanPlacesAreAnsweredInTurn) {
    auto engine = open_tiny({.device = GetParam(), .context_tokens = 256, .sequences = 2});
    std::vector<std::shared_ptr<Pending>> pending;
    for (uint64_t i = 0; i < 7; ++i) pending.push_back(collect(*engine, sampled_request(i % 3 + 1, 20, 12)));
    for (size_t i = 0; i < pending.size(); ++i) {
        const Answer& answer = pending[i]->answer();
        EXPECT_EQ(answer.tokens.size(), 12u);
        expect_equal(answer, pending[i % 3]->answer());
    }
    EXPECT_GT(pending.back()->answer().last.usage.queue_seconds, pending.front()->answer().last.usage.queue_seconds);
}

TEST_P(EveryDevice, BoundariesAndPassSizesDoNotChangeBits) {
    std::vector<Answer> answers;
    for (const int64_t step_tokens : {7, 64, 512}) {
        auto engine = open_tiny({.device = GetParam(), .context_tokens = 256, .step_tokens = step_tokens});
        for (const std::vector<int64_t>& boundaries :
             {std::vector<int64_t>{}, std::vector<int64_t>{1, 50, 51, 130}, std::vector<int64_t>{0, 64, 1000}}) {
            Request request = sampled_request(5, 150, 20);
            request.boundaries = boundaries;
            request.reuse = false;
            const Answer answer = ask(*engine, std::move(request));
            for (const int64_t boundary : boundaries)
                EXPECT_EQ(std::ranges::count(answer.progress, boundary), boundary > 0 && boundary <= 150) << boundary;
            EXPECT_EQ(answer.progress.back(), 150);
            answers.push_back(answer);
        }
    }
    for (const Answer& answer : answers) expect_equal(answer, answers.front());
}

TEST_P(EveryDevice, AContinuedConversationHasTheBitsOfAFreshOne) {
    auto engine = open_tiny({.device = GetParam(), .context_tokens = 512});
    Request first = sampled_request(3, 60, 30);
    const Tokens prompt = first.tokens;
    const Answer answer = ask(*engine, std::move(first));
    Tokens longer = prompt;
    longer.insert(longer.end(), answer.tokens.begin(), answer.tokens.end());
    const Tokens more = random_prompt(20, 9);
    longer.insert(longer.end(), more.begin(), more.end());
    const auto second = [&](bool reuse) {
        Request request = sampled_request(4, 1, 25);
        request.tokens = longer;
        request.reuse = reuse;
        return request;
    };
    const Answer continued = ask(*engine, second(true));
    const Answer fresh = ask(*engine, second(false));
    // The last token of the answer was never fed back, so it was not in the cache.
    EXPECT_EQ(continued.last.usage.cached_tokens, int64_t(prompt.size() + answer.tokens.size()) - 1);
    EXPECT_EQ(fresh.last.usage.cached_tokens, 0);
    expect_equal(continued, fresh);
}

// What a template writes at the end of a prompt is not what it later says of the reply: the next turn repeats the
// prompt up to there only.
TEST_P(EveryDevice, APromptContinuesWhereAnEarlierOnePartsFromIt) {
    for (const int64_t sequences : {1, 2}) {
        auto engine =
            open_tiny({.device = GetParam(), .context_tokens = 256, .sequences = sequences, .snapshots = sequences});
        const Tokens shared = random_prompt(100, 1);
        const auto turn = [&](uint64_t seed, bool reuse, int64_t answer = 20) {
            Request request = sampled_request(seed, 1, answer);
            request.tokens = shared;
            const Tokens own = random_prompt(30, seed);
            request.tokens.insert(request.tokens.end(), own.begin(), own.end());
            request.reuse = reuse;
            request.keep_at = {100};
            return request;
        };
        ask(*engine, turn(1, true));
        for (uint64_t seed = 2; seed < 5; ++seed) {
            const Answer continued = ask(*engine, turn(seed, true));
            EXPECT_EQ(continued.last.usage.cached_tokens, 100);
            auto other = open_tiny({.device = GetParam(), .context_tokens = 256});
            Request fresh = turn(seed, false);
            fresh.keep_at = {};
            expect_equal(continued, ask(*other, std::move(fresh)));
        }
        // An answer that is given up takes the state with it, but not that of the prompt.
        auto pending = collect(*engine, turn(6, true, 90));
        pending->wait_for_events(5);
        engine->cancel(pending->id());
        engine->wait(pending->id());
        EXPECT_EQ(ask(*engine, turn(7, true)).last.usage.cached_tokens, 100);
        // The whole context can be used by others again.
        EXPECT_EQ(ask(*engine, sampled_request(8, 230, 20)).tokens.size(), 20u);
        if (sequences == 1) {
            EXPECT_EQ(ask(*engine, turn(9, true)).last.usage.cached_tokens, 0);
        }
    }
    auto engine = open_tiny({.device = GetParam(), .context_tokens = 256});
    Request wrong = sampled_request(1, 10, 5);
    wrong.keep_at = {10};
    EXPECT_FALSE(engine->submit(std::move(wrong), [](const Event&) {}));
    Request no_room = sampled_request(1, 10, 5);  // snapshots = 0: nothing is kept, nothing goes wrong
    no_room.keep_at = {5};
    EXPECT_EQ(ask(*engine, std::move(no_room)).tokens.size(), 5u);
}

TEST_P(EveryDevice, EveryKvTypeAnswers) {
    std::set<Tokens> different;
    for (const KvType type : {KvType::f32, KvType::f16, KvType::q8_0, KvType::q4_0}) {
        auto engine = open_tiny({.device = GetParam(), .kv_type = type, .context_tokens = 256, .sequences = 2});
        auto one = collect(*engine, sampled_request(1, 100, 30)), two = collect(*engine, sampled_request(1, 100, 30));
        EXPECT_EQ(one->answer().tokens.size(), 30u);
        expect_equal(one->answer(), two->answer());
        EXPECT_EQ(engine->plan().kv, engine->taken().kv);
        different.insert(one->answer().tokens);
    }
    EXPECT_GE(different.size(), 2u);  // else the type would have had no effect
}

TEST_P(EveryDevice, ThePlanIsWhatIsTaken) {
    for (const int64_t sequences : {1, 3}) {
        auto engine = open_tiny({.device = GetParam(), .context_tokens = 400, .sequences = sequences});
        std::vector<std::shared_ptr<Pending>> pending;
        for (int64_t i = 0; i < 2 * sequences; ++i)
            pending.push_back(collect(*engine, sampled_request(uint64_t(i), 330 - 90 * (i % 4), 20)));
        for (const auto& one : pending) EXPECT_EQ(one->answer().last.kind, Event::Kind::finish);
        const double plan = double(engine->plan().total()), taken = double(engine->taken().total());
        EXPECT_LE(std::abs(taken - plan), 0.02 * plan) << plan << " planned, " << taken << " taken";
        EXPECT_EQ(engine->plan().context_tokens, 400);
    }
}

// Working space was reserved for the largest pass: a pass that needed more would end the process.
TEST_P(EveryDevice, NoMixOfRequestsNeedsMoreThanThePlan) {
    Rng rng(3);
    const bool is_slow = GetParam() == "reference";
    const auto names =
        is_slow ? std::vector<std::string>{"moe"} : std::vector<std::string>{"moe", "q4_k_m", "dense_r2"};
    for (const std::string& name : names)
        for (const int64_t step_tokens : {1, 3, 40, 700}) {
            auto engine = open_tiny(
                {.device = GetParam(), .threads = 3, .context_tokens = 700, .sequences = 5, .step_tokens = step_tokens},
                name);
            std::vector<std::shared_ptr<Pending>> pending;
            for (uint64_t i = 0; i < 12; ++i) {
                Request request = sampled_request(i,
                                                  1 + int64_t(rng.below(step_tokens < 40 ? 30
                                                                        : is_slow        ? 90
                                                                                         : 600)),
                                                  12);
                if (rng.below(2)) request.logits = [](int64_t, std::span<const float>) {};
                if (rng.below(3) == 0) request.guide = std::make_unique<test::ScriptGuide>(random_prompt(10, i), true);
                pending.push_back(collect(*engine, std::move(request)));
            }
            for (const auto& one : pending) EXPECT_EQ(one->answer().last.kind, Event::Kind::finish);
            EXPECT_EQ(engine->plan().scratch, engine->taken().scratch);
        }
}

TEST_P(EveryDevice, CancelInTheMiddleOfAPromptIsSeenAtOnce) {
    auto engine = open_tiny({.device = GetParam(), .context_tokens = 20000, .sequences = 2});
    auto pending = collect(*engine, sampled_request(1, 19000, 10));
    pending->wait_for_events(1);  // the first pass is done, many are to come
    const double before = monotonic_seconds();
    std::thread([&] { engine->cancel(pending->id()); }).join();
    const Answer& answer = pending->answer();
    EXPECT_LT(answer.arrived_at - before, 0.1);
    EXPECT_EQ(answer.last.reason, FinishReason::cancelled);
    EXPECT_EQ(answer.last.usage.generated_tokens, 0);
    EXPECT_TRUE(answer.tokens.empty());
    // The pass itself is given up too: wait() returns when nothing runs any more, and the engine goes on.
    engine->wait(pending->id());
    EXPECT_EQ(ask(*engine, sampled_request(2, 20, 5)).tokens.size(), 5u);
    EXPECT_EQ(pending->events_after_the_last(), 0);
}

TEST_P(EveryDevice, CancelWhileGeneratingAndWhileWaiting) {
    auto engine = open_tiny({.device = GetParam(), .context_tokens = 20000});
    auto running = collect(*engine, sampled_request(1, 10, 15000));
    auto waiting = collect(*engine, sampled_request(2, 10, 15000));
    running->wait_for_events(4);
    for (const auto* one : {&waiting, &running}) {
        const double before = monotonic_seconds();
        engine->cancel((*one)->id());
        EXPECT_LT((*one)->answer().arrived_at - before, 0.1);
        EXPECT_EQ((*one)->answer().last.reason, FinishReason::cancelled);
        engine->wait((*one)->id());
    }
    EXPECT_TRUE(waiting->answer().tokens.empty());
    EXPECT_GE(running->answer().tokens.size(), 2u);
    engine->cancel(running->id());  // again, and one that never was: ignored
    engine->cancel(12345);
    engine->wait(12345);
    EXPECT_EQ(running->events_after_the_last() + waiting->events_after_the_last(), 0);
}

TEST_P(EveryDevice, CancellingOneLeavesTheBitsOfTheOthers) {
    Answer alone;
    {
        auto engine = open_tiny({.device = GetParam(), .context_tokens = 512});
        alone = ask(*engine, sampled_request(1, 50, 60));
    }
    auto engine = open_tiny({.device = GetParam(), .context_tokens = 512, .sequences = 3, .step_tokens = 16});
    auto kept = collect(*engine, sampled_request(1, 50, 60));
    for (uint64_t i = 2; i < 12; ++i) {
        auto other = collect(*engine, sampled_request(i, 300, 100));
        other->wait_for_events(1 + i % 5);
        engine->cancel(other->id());
        EXPECT_EQ(other->answer().last.reason, FinishReason::cancelled);
    }
    expect_equal(kept->answer(), alone);
}

TEST_P(EveryDevice, ClosingTheEngineEndsWhatRuns) {
    std::vector<std::shared_ptr<Pending>> pending;
    {
        auto engine = open_tiny({.device = GetParam(), .context_tokens = 20000, .sequences = 2});
        for (uint64_t i = 0; i < 4; ++i) pending.push_back(collect(*engine, sampled_request(i, 10000, 5000)));
        pending[0]->wait_for_events(1);
    }
    for (const auto& one : pending) {
        EXPECT_EQ(one->answer().last.reason, FinishReason::cancelled);
        EXPECT_EQ(one->events_after_the_last(), 0);
    }
}

TEST_P(EveryDevice, LogitsOfEveryPositionAndOnlyThose) {
    for (const int64_t step_tokens : {7, 512}) {
        auto engine = open_tiny({.device = GetParam(), .context_tokens = 256, .step_tokens = step_tokens});
        std::vector<int64_t> positions;
        std::vector<std::vector<float>> rows;
        Request request = sampled_request(1, 45, 6);
        request.sampling.temperature = 0;
        request.logits = [&](int64_t position, std::span<const float> row) {
            positions.push_back(position);
            rows.emplace_back(row.begin(), row.end());
        };
        const Answer answer = ask(*engine, std::move(request));
        // Every prompt token, and every generated one that was fed back: all but the last.
        ASSERT_EQ(positions.size(), 45u + 6 - 1);
        for (size_t i = 0; i < positions.size(); ++i) {
            EXPECT_EQ(positions[i], int64_t(i));
            EXPECT_EQ(int64_t(rows[i].size()), engine->model().vocabulary);
        }
        for (size_t i = 0; i < 6; ++i)
            EXPECT_EQ(std::ranges::max_element(rows[44 + i]) - rows[44 + i].begin(), answer.tokens[i]);
    }
}

class EngineTest : public testing::Test {
protected:
    void SetUp() override {
        NEED_SHARED("reference/qwen35/dense_r1.gguf");
        engine = open_tiny({.context_tokens = 256});
    }
    Tokens ids(const std::string& text) const {
        Tokens out;
        EXPECT_TRUE(engine->tokenizer().encode(text, {}, out).has_value());
        return out;
    }

    std::unique_ptr<Engine> engine;
};

TEST_F(EngineTest, EndsAfterMaxTokens) {
    for (const int64_t most : {1, 2, 17}) {
        const Answer answer = ask(*engine, sampled_request(1, 5, most));
        EXPECT_EQ(int64_t(answer.tokens.size()), most);
        EXPECT_EQ(answer.last.reason, FinishReason::max_tokens);
        EXPECT_EQ(answer.last.usage.generated_tokens, most);
        EXPECT_EQ(answer.last.usage.prompt_tokens, 5);
    }
}

TEST_F(EngineTest, EndsWhenTheContextIsFull) {
    for (const int64_t prompt : {200, 255, 256}) {
        const Answer answer = ask(*engine, sampled_request(1, prompt, -1));
        EXPECT_EQ(answer.last.reason, FinishReason::context);
        // All 256 places are used; the token chosen after the last of them has none of its own.
        EXPECT_EQ(int64_t(answer.tokens.size()), 256 - prompt + 1);
    }
}

TEST_F(EngineTest, EndsAtAnEndTokenUnlessItIsToBeIgnored) {
    const Tokens& ends = engine->tokenizer().end_of_generation();
    ASSERT_FALSE(ends.empty());
    for (const int32_t end : ends) {
        Request request = sampled_request(1, 5, 8);
        request.ignore_end = false;
        request.sampling.logit_bias = {{end, 1000.0f}};
        const Answer answer = ask(*engine, std::move(request));
        EXPECT_EQ(answer.tokens, Tokens{end});
        EXPECT_EQ(answer.last.reason, FinishReason::end);
        EXPECT_EQ(answer.text, "");

        request = sampled_request(1, 5, 8);
        request.sampling.logit_bias = {{end, 1000.0f}};
        EXPECT_EQ(ask(*engine, std::move(request)).tokens, Tokens(8, end));
    }
}

TEST_F(EngineTest, StopStringsAcrossTokensAreNeverShown) {
    const Tokens tokens = ids("one STOP two");
    ASSERT_GE(tokens.size(), 8u);  // the stop string spans several
    Request request = says(tokens);
    request.stop = {"never", "STOP"};
    const Answer answer = ask(*engine, std::move(request));
    EXPECT_EQ(answer.text, "one ");
    EXPECT_EQ(answer.last.reason, FinishReason::stop_string);
    EXPECT_EQ(answer.last.stop_string, "STOP");
    EXPECT_LT(answer.tokens.size(), tokens.size());
}

TEST_F(EngineTest, TextHeldBackForAStopStringIsReleasedAtTheEnd) {
    Request request = says(ids("one STO"));
    request.stop = {"STOP"};
    const Answer answer = ask(*engine, std::move(request));
    EXPECT_EQ(answer.text, "one STO");
    EXPECT_EQ(answer.last.text, "STO");  // it came with the last event, not before
    EXPECT_EQ(answer.last.reason, FinishReason::end);
}

TEST_F(EngineTest, HalfACharacterIsHeldBack) {
    const Tokens tokens = ids("\xE2\x82\xAC");  // the euro sign, three bytes
    ASSERT_EQ(tokens.size(), 3u);
    const Answer answer = ask(*engine, says(tokens));
    EXPECT_EQ(answer.texts, (std::vector<std::string>{"", "", "\xE2\x82\xAC"}));
    EXPECT_EQ(ask(*engine, says({tokens[0], tokens[1]})).text, "\xEF\xBF\xBD");
}

TEST_F(EngineTest, ALoopEndsTheAnswerUnlessItIsAllowed) {
    engine = open_tiny({.context_tokens = 1200});
    const auto request = [&](bool detect) {
        Request looping = sampled_request(1, 5, 900);
        looping.sampling.logit_bias = {{65, 1000.0f}};
        looping.detect_loops = detect;
        return looping;
    };
    const Answer answer = ask(*engine, request(true));
    EXPECT_EQ(answer.last.reason, FinishReason::loop);
    ASSERT_TRUE(answer.last.loop.has_value());
    EXPECT_EQ(answer.last.loop->period, 1);
    EXPECT_EQ(int64_t(answer.tokens.size()), LoopOptions().min_tokens);
    const Answer allowed = ask(*engine, request(false));
    EXPECT_EQ(allowed.last.reason, FinishReason::max_tokens);
    EXPECT_EQ(allowed.tokens.size(), 900u);
}

TEST_F(EngineTest, UsageCountsAndLogProbabilities) {
    Request request = sampled_request(1, 33, 9);
    request.sampling.logprobs = 3;
    const Answer answer = ask(*engine, std::move(request));
    const Usage& usage = answer.last.usage;
    EXPECT_EQ(usage.prompt_tokens, 33);
    EXPECT_EQ(usage.cached_tokens, 0);
    EXPECT_EQ(usage.generated_tokens, 9);
    EXPECT_GE(usage.queue_seconds, 0);
    EXPECT_GT(usage.prompt_seconds, 0);
    EXPECT_GT(usage.decode_seconds, 0);
    for (const auto& top : answer.tops) EXPECT_EQ(top.size(), 3u);
    for (const float logprob : answer.logprobs) EXPECT_LT(logprob, 0);
}

TEST_F(EngineTest, RequestsThatCannotRunAreRefusedAtOnce) {
    const auto refusal = [&](auto change) {
        Request request = sampled_request(1, 5, 5);
        change(request);
        int events = 0;
        const auto id = engine->submit(std::move(request), [&](const Event&) { ++events; });
        EXPECT_FALSE(id.has_value());
        EXPECT_EQ(events, 0);
        return id ? std::string() : id.error().line();
    };
    const auto expect_words = [](const std::string& line, const std::vector<std::string>& words) {
        for (const std::string& word : words) EXPECT_NE(line.find(word), std::string::npos) << line;
    };
    expect_words(refusal([](Request& r) { r.tokens.clear(); }), {"no tokens"});
    expect_words(refusal([](Request& r) { r.tokens.assign(257, 1); }), {"257", "256"});
    expect_words(refusal([](Request& r) { r.tokens[3] = 288; }), {"token 3", "288", "0 to 287"});
    expect_words(refusal([](Request& r) { r.tokens[0] = -1; }), {"token 0", "-1"});
    expect_words(refusal([](Request& r) { r.max_tokens = 0; }), {"0 tokens"});
    expect_words(refusal([](Request& r) { r.max_tokens = -7; }), {"-7"});
    expect_words(refusal([](Request& r) { r.stop = {"a", ""}; }), {"stop string"});
    expect_words(refusal([](Request& r) { r.keep_at = {2, 2}; }), {"after 2 of 5"});
    expect_words(refusal([](Request& r) { r.keep_at = {0}; }), {"after 0 of 5"});
    expect_words(refusal([](Request& r) { r.keep_at = {1, 5}; }), {"after 5 of 5"});
    expect_words(refusal([](Request& r) { r.public_tokens = 6; }), {"6 of 5", "public"});
    expect_words(refusal([](Request& r) { r.public_tokens = -1; }), {"-1 of 5", "public"});
    expect_words(refusal([](Request& r) { r.partition.assign(257, 'x'); }), {"257", "256"});
    expect_words(refusal([](Request& r) { r.sampling.top_p = 3; }), {"top_p", "3"});
    expect_words(refusal([](Request& r) { r.sampling.logit_bias = {{999, 1}}; }), {"999"});
    EXPECT_EQ(ask(*engine, sampled_request(1, 5, 5)).tokens.size(), 5u);
}

TEST_F(EngineTest, OptionsThatMakeNoSenseAreRefused) {
    const std::string path = test::shared_path("reference/qwen35/dense_r1.gguf");
    for (const EngineOptions& options :
         {EngineOptions{.sequences = 0}, EngineOptions{.step_tokens = 0}, EngineOptions{.context_tokens = -1},
          EngineOptions{.snapshots = -1}, EngineOptions{.cache_bytes = -1}, EngineOptions{.snapshot_every = 0},
          EngineOptions{.threads = -2}, EngineOptions{.device = "toaster"}, EngineOptions{.isa = "sse9"}}) {
        const auto opened = Engine::open(path, options);
        ASSERT_FALSE(opened.has_value());
        EXPECT_EQ(opened.error().kind, ErrorKind::bad_request) << opened.error().line();
    }
}

TEST_F(EngineTest, AContextThatDoesNotFitNamesBothSizesAndOneThatDoes) {
    const std::string path = test::shared_path("reference/qwen35/dense_r1.gguf");
    for (const int64_t context : {int64_t{1} << 36, int64_t{1} << 40, int64_t{1} << 55}) {
        const auto opened = Engine::open(path, {.context_tokens = context});
        ASSERT_FALSE(opened.has_value());
        EXPECT_EQ(opened.error().kind, ErrorKind::out_of_memory);
        const std::string line = opened.error().line();
        EXPECT_NE(line.find(std::to_string(context)), std::string::npos) << line;
        EXPECT_NE(line.find("are free"), std::string::npos) << line;
        EXPECT_NE(line.find("--ctx"), std::string::npos) << line;
    }
}

TEST_F(EngineTest, ManyThreadsMaySubmitAndCancel) {
    engine = open_tiny({.context_tokens = 256, .sequences = 3});
    const Answer expected = ask(*engine, sampled_request(7, 30, 10));
    std::vector<std::future<int>> threads;
    for (uint64_t t = 0; t < 4; ++t)
        threads.push_back(std::async(std::launch::async, [&, t] {
            Rng rng(t);
            int whole = 0;
            for (int i = 0; i < 12; ++i) {
                auto pending = collect(*engine, sampled_request(7, 30, 10));
                if (rng.below(3) == 0) {
                    pending->wait_for_events(1 + rng.below(6));
                    engine->cancel(pending->id());
                }
                engine->wait(pending->id());
                const Answer& answer = pending->answer();
                EXPECT_EQ(pending->events_after_the_last(), 0);
                if (answer.last.reason != FinishReason::cancelled) {
                    ++whole;
                    EXPECT_EQ(answer.tokens, expected.tokens);
                }
            }
            return whole;
        }));
    int whole = 0;
    for (auto& thread : threads) whole += thread.get();
    EXPECT_GT(whole, 10);
}

}  // namespace
}  // namespace hearth
