// What requests find of earlier ones: always the bits they would have computed themselves, whatever a family keeps
// between steps, in whatever order requests come and are given up; and as much of it as promised.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <ostream>
#include <thread>

#include "engine/engine_run.h"

namespace hearth {
namespace {

using test::Answer;
using test::ask;
using test::collect;
using test::Pending;
using test::random_prompt;
using Ids = std::vector<int32_t>;

// One that has recurrent layers, one with windows, one with neither ...
struct KeepingFamily {
    std::string name, file;
};
std::ostream& operator<<(std::ostream& out, const KeepingFamily& family) {
    return out << family.name;
}

Request request_of(Ids tokens, int64_t max_tokens = 8) {
    Request request;
    request.tokens = std::move(tokens);
    request.sampling.temperature = 1;
    request.sampling.seed = 5;
    request.max_tokens = max_tokens;
    request.ignore_end = true;
    return request;
}
Ids joined_ids(Ids a, const Ids& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

class ReuseTest : public testing::TestWithParam<KeepingFamily> {
protected:
    void SetUp() override { NEED_SHARED("reference/" + GetParam().file); }
    std::unique_ptr<Engine> open(const EngineOptions& options) const {
        auto engine = Engine::open(test::shared_path("reference/" + GetParam().file), options);
        EXPECT_TRUE(engine.has_value()) << (engine ? "" : engine.error().line());
        return engine ? std::move(*engine) : nullptr;
    }
    bool needs_states() const { return GetParam().name != "llama"; }
};
INSTANTIATE_TEST_SUITE_P(Engine, ReuseTest,
                         testing::Values(KeepingFamily{"qwen35", "qwen35/dense_r1.gguf"},
                                         KeepingFamily{"gemma3", "gemma3/g3-1b.gguf"},
                                         KeepingFamily{"gemma4", "gemma4/g4-e2b.gguf"},
                                         KeepingFamily{"nemotron_h", "nemotron/nemotron_h.gguf"},
                                         KeepingFamily{"llama", "llama/llama-a.gguf"}),
                         [](const auto& family) { return family.param.name; });

TEST_P(ReuseTest, HitsChangeNoBitsWhateverTheOrder) {
    const auto alone = open({.context_tokens = 400});
    std::map<Ids, Ids> known;  // prompt -> answer of an engine that reuses nothing
    const auto expected = [&](const Ids& prompt) -> const Ids& {
        if (const auto found = known.find(prompt); found != known.end()) return found->second;
        Request fresh = request_of(prompt);
        fresh.reuse = false;
        return known[prompt] = ask(*alone, std::move(fresh)).tokens;
    };
    int64_t cached = 0, whole = 0;
    for (uint64_t seed = 1; seed <= 4; ++seed) {
        Rng rng(seed);
        const auto engine = open({.context_tokens = 400,
                                  .sequences = 1 + int64_t(rng.below(3)),
                                  .step_tokens = 50,
                                  .cache_bytes = int64_t(rng.below(2)) << 20,
                                  .snapshots = int64_t(seed % 3) * 2,
                                  .snapshot_every = 64});
        std::vector<std::pair<Ids, std::shared_ptr<Pending>>> waiting;
        std::vector<Ids> texts{random_prompt(120, seed)};
        const auto collect_one = [&] {
            const auto [prompt, pending] = std::move(waiting.front());
            waiting.erase(waiting.begin());
            const Answer& answer = pending->answer();
            cached += answer.last.usage.cached_tokens;
            EXPECT_EQ(answer.last.prefix.cached_tokens, answer.last.usage.cached_tokens);
            if (answer.last.reason == FinishReason::cancelled) return;
            ++whole;
            ASSERT_EQ(answer.tokens, expected(prompt)) << "seed " << seed << ", " << prompt.size() << " tokens, "
                                                       << answer.last.usage.cached_tokens << " cached";
            texts.push_back(joined_ids(prompt, answer.tokens));
        };
        for (uint64_t i = 0; i < 25; ++i) {
            Ids prompt = texts[rng.below(texts.size())];
            if (rng.below(2)) prompt.resize(1 + rng.below(prompt.size()));
            if (prompt.size() > 250) prompt.resize(80);
            prompt = joined_ids(std::move(prompt), random_prompt(1 + int64_t(rng.below(90)), seed * 100 + i));
            Request request = request_of(prompt);
            request.partition = std::string(rng.below(4) / 3, 'x');
            if (rng.below(3) == 0) request.public_tokens = int64_t(rng.below(prompt.size()));
            for (int64_t at = 1; at < int64_t(prompt.size()); at += 20 + int64_t(rng.below(100)))
                request.keep_at.push_back(at);
            waiting.emplace_back(prompt, collect(*engine, std::move(request)));
            if (rng.below(4) == 0) {
                waiting.back().second->wait_for_events(1 + rng.below(4));
                engine->cancel(waiting.back().second->id());
            }
            while (waiting.size() > rng.below(5)) {
                collect_one();
                if (HasFatalFailure()) return;
            }
        }
        while (!waiting.empty()) collect_one();
        const double plan = double(engine->plan().total()), taken = double(engine->taken().total());
        EXPECT_LE(std::abs(taken - plan), 0.02 * plan);
    }
    EXPECT_GT(whole, 40);
    EXPECT_GT(cached, 1000);  // else nothing was reused
}

TEST_P(ReuseTest, ALongConversationIsNotReadAgain) {
    const auto engine = open({.context_tokens = 3500, .snapshots = 8});
    const Ids first = random_prompt(3000, 1);
    EXPECT_EQ(ask(*engine, request_of(first, 30)).last.usage.cached_tokens, 0);
    for (const int64_t changed : {20, 700}) {
        Ids second = first;
        std::ranges::copy(random_prompt(changed, 7), second.end() - changed);
        second[second.size() - size_t(changed)] = (first[first.size() - size_t(changed)] + 1) % 256;
        const Answer answer = ask(*engine, request_of(second));
        const PrefixReport& report = answer.last.prefix;
        EXPECT_LE(3000 - report.cached_tokens, changed == 20 ? 512 : 4 * changed);
        EXPECT_EQ(report.prompt_tokens, 3000);
        EXPECT_EQ(report.common_tokens, 3000 - changed);
        ASSERT_TRUE(report.difference.has_value());
        EXPECT_EQ(report.difference->at, 3000 - changed);
        EXPECT_EQ(report.difference->prompt_token, second[size_t(3000 - changed)]);
        EXPECT_EQ(report.difference->kept_token, first[size_t(3000 - changed)]);
        EXPECT_GT(report.difference->age_seconds, 0);
        EXPECT_LT(report.difference->age_seconds, 600);
        Request fresh = request_of(second);
        fresh.reuse = false;
        const Answer again = ask(*engine, std::move(fresh));
        EXPECT_EQ(again.last.usage.cached_tokens, 0);
        EXPECT_EQ(again.tokens, answer.tokens);
    }
}

// While the first is still being answered.
TEST_P(ReuseTest, APromptServesOthersBeforeItsAnswerIsDone) {
    const auto engine = open({.context_tokens = 3000, .sequences = 2, .snapshots = 4});
    const Ids opening = random_prompt(200, 1);
    Request first = request_of(joined_ids(opening, random_prompt(20, 2)), 2500);
    first.detect_loops = false;
    first.keep_at = {200};
    const auto running = collect(*engine, std::move(first));
    running->wait_for_events(4);
    EXPECT_EQ(ask(*engine, request_of(joined_ids(opening, {1, 2, 3}))).last.usage.cached_tokens, 200);
    engine->cancel(running->id());
    EXPECT_EQ(running->answer().last.reason, FinishReason::cancelled);
    engine->wait(running->id());
    EXPECT_GE(ask(*engine, request_of(joined_ids(opening, {4, 5, 6}))).last.usage.cached_tokens, 200);
}

// Somebody else's prompt takes the place in between, small ones that leave what was read in memory and large ones that
// need its room: the answer has the tokens, the text and the guide's events of one that was left alone.
TEST_P(ReuseTest, WhoIsSetAsideGoesOnWithTheSameTokens) {
    const auto engine = open({.context_tokens = 1500, .snapshots = 2});
    Ids script;
    for (int i = 0; i < 250; ++i) script.push_back(int32_t(32 + i * 7 % 90));
    for (const bool is_guided : {false, true}) {
        const auto long_one = [&](bool reuse) {
            Request request = request_of(random_prompt(300, 4), 250);
            request.detect_loops = false;
            request.reuse = reuse;
            request.sampling.logprobs = 2;
            request.sampling.repetition_penalty = 1.1F;
            request.stop = {"never said"};
            if (is_guided) request.guide = std::make_unique<test::ScriptGuide>(script);
            return request;
        };
        const Answer alone = ask(*engine, long_one(false));
        for (const auto& [events, others] : std::vector<std::pair<uint64_t, int64_t>>{{1, 10}, {60, 10}, {60, 1400}}) {
            const auto running = collect(*engine, long_one(others == 10));
            running->wait_for_events(events);
            ASSERT_TRUE(engine->set_aside(running->id()));
            EXPECT_FALSE(engine->set_aside(running->id()));
            const Answer between = ask(*engine, request_of(random_prompt(others, 7), 20));
            EXPECT_EQ(between.tokens.size(), 20u);
            EXPECT_EQ(engine->load().waiting, 1);
            EXPECT_TRUE(engine->go_on(running->id()));
            EXPECT_FALSE(engine->go_on(running->id()));
            const Answer& answer = running->answer();
            EXPECT_EQ(answer.tokens, alone.tokens);
            EXPECT_EQ(answer.text, alone.text);
            EXPECT_EQ(answer.logprobs, alone.logprobs);
            EXPECT_EQ(answer.guide, alone.guide);
            EXPECT_EQ(answer.last.usage.prompt_tokens, 300);
            EXPECT_EQ(answer.last.usage.generated_tokens, alone.last.usage.generated_tokens);
            EXPECT_TRUE(std::ranges::is_sorted(answer.progress));
            engine->wait(running->id());
        }
    }
}

TEST_P(ReuseTest, WhoIsSetAsideCanBeCancelled) {
    auto engine = open({.context_tokens = 1500, .sequences = 2});
    Request request = request_of(random_prompt(40, 4), 1400);
    request.detect_loops = false;
    const auto running = collect(*engine, std::move(request));
    running->wait_for_events(3);
    ASSERT_TRUE(engine->set_aside(running->id()));
    EXPECT_EQ(ask(*engine, request_of({1, 2, 3})).tokens.size(), 8u);
    engine->cancel(running->id());
    EXPECT_EQ(running->answer().last.reason, FinishReason::cancelled);
    engine->wait(running->id());
    EXPECT_FALSE(engine->go_on(running->id()));
    EXPECT_FALSE(engine->set_aside(running->id()));
    EXPECT_FALSE(engine->set_aside(12345));
    // And one that never goes on ends with its engine.
    Request last = request_of(random_prompt(40, 4), 1400);
    last.detect_loops = false;
    const auto left = collect(*engine, std::move(last));
    left->wait_for_events(3);
    ASSERT_TRUE(engine->set_aside(left->id()));
    engine.reset();
    EXPECT_EQ(left->answer().last.reason, FinishReason::cancelled);
}

TEST_P(ReuseTest, PartitionsShareWhatIsPublic) {
    const auto engine = open({.context_tokens = 400, .snapshots = 6});
    const auto cached = [&](const Ids& prompt, const std::string& partition, int64_t public_tokens = 0) {
        Request request = request_of(prompt);
        request.partition = partition;
        request.public_tokens = public_tokens;
        request.keep_at = {100, 150};
        return ask(*engine, std::move(request)).last.usage.cached_tokens;
    };
    const Ids text = random_prompt(200, 1);
    EXPECT_EQ(cached(text, "one"), 0);
    EXPECT_EQ(cached(text, "two"), 0);
    EXPECT_GE(cached(text, "one"), 150);
    EXPECT_EQ(cached(text, "three", 120), 0);
    const int64_t of_public = cached(text, "four");
    EXPECT_EQ(of_public, needs_states() ? 100 : 120);
}

TEST_P(ReuseTest, KeptBytesAreInThePlan) {
    const auto without = open({.context_tokens = 400});
    const auto with = open({.context_tokens = 400, .cache_bytes = 4 << 20});
    const int64_t more = with->plan().total() - without->plan().total();
    EXPECT_LE(more, 4 << 20);
    EXPECT_GT(more, 3 << 20);
    EXPECT_EQ(with->plan().kv, with->taken().kv);
    EXPECT_EQ(with->plan().state, with->taken().state);
}

// Written while the engine had nothing else to do, found by the next one.
TEST_P(ReuseTest, TheCacheDirectoryServesAfterANewStart) {
    const auto folder = std::filesystem::path(testing::TempDir()) / ("reuse_" + GetParam().name);
    std::filesystem::remove_all(folder);
    EngineOptions options{.context_tokens = 1500, .snapshots = 4, .cache_directory = folder.string()};
    const Ids text = random_prompt(1000, 3);
    const auto next = [&] {
        Request request = request_of(joined_ids(text, {1, 2, 3}));
        request.keep_at = {1000};
        return request;
    };
    Answer fresh;
    {
        const auto first = open(options);
        fresh = ask(*first, next());
        EXPECT_EQ(fresh.last.usage.cached_tokens, 0);
        const auto is_written = [&] {
            for (const auto& entry : std::filesystem::directory_iterator(folder))
                if (entry.path().extension() == ".kept") return true;
            return false;
        };
        for (int wait = 0; wait < 1000 && !is_written(); ++wait)
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        ASSERT_TRUE(is_written());
    }
    options.context_tokens = 1400;  // it differs from start to start where nobody names it
    {
        const auto second = open(options);
        const Answer again = ask(*second, next());
        EXPECT_GE(again.last.usage.cached_tokens, 1000);
        EXPECT_EQ(again.last.prefix.disk_tokens, again.last.usage.cached_tokens);
        EXPECT_EQ(ask(*second, next()).last.prefix.disk_tokens, 0);  // from memory
        EXPECT_EQ(again.tokens, fresh.tokens);
        EXPECT_EQ(again.logprobs, fresh.logprobs);
    }
    options.kv_type = KvType::q8_0;  // other bytes
    EXPECT_EQ(ask(*open(options), next()).last.usage.cached_tokens, 0);
    std::filesystem::remove_all(folder);
}

// From memory and, after a new start, from the disk: the same bits, and no more is read again than promised.
TEST_P(ReuseTest, ALongConversationOutlivesTheProgram) {
    const auto folder = std::filesystem::path(testing::TempDir()) / ("outlives_" + GetParam().name);
    std::filesystem::remove_all(folder);
    const EngineOptions options{.context_tokens = 3500, .snapshots = 8, .cache_directory = folder.string()};
    const Ids first = random_prompt(3000, 1);
    Ids second = first;
    for (size_t at = 2980; at < 3000; ++at) second[at] = (second[at] + 1) % 256;
    Answer fresh, from_memory, from_disk;
    {
        Request request = request_of(second);
        request.reuse = false;
        fresh = ask(*open({.context_tokens = 3500}), std::move(request));
    }
    {
        const auto engine = open(options);
        ask(*engine, request_of(first, 30));
        engine->save_kept(60);
        from_memory = ask(*engine, request_of(second));
    }
    from_disk = ask(*open(options), request_of(second));
    for (const Answer* answer : {&from_memory, &from_disk}) {
        EXPECT_LE(3000 - answer->last.usage.cached_tokens, 512);
        EXPECT_EQ(answer->tokens, fresh.tokens);
        EXPECT_EQ(answer->logprobs, fresh.logprobs);
    }
    EXPECT_EQ(from_memory.last.prefix.disk_tokens, 0);
    EXPECT_EQ(from_disk.last.prefix.disk_tokens, from_disk.last.usage.cached_tokens);
    std::filesystem::remove_all(folder);
}

// Several programs one after another, each with little memory, so that much comes from the disk while others are
// answered.
TEST_P(ReuseTest, HitsOnDiskChangeNoBits) {
    const auto folder = std::filesystem::path(testing::TempDir()) / ("disk_bits_" + GetParam().name);
    std::filesystem::remove_all(folder);
    const auto alone = open({.context_tokens = 1300});
    Rng rng(11);
    std::vector<Ids> texts{random_prompt(700, 1), random_prompt(700, 2)};
    int64_t from_disk = 0;
    for (int start = 0; start < 3; ++start) {
        const auto engine = open({.context_tokens = 1300 + start * 50,
                                  .sequences = 2,
                                  .step_tokens = 100,
                                  .snapshots = 2,
                                  .snapshot_every = 64,
                                  .cache_directory = folder.string()});
        for (int round = 0; round < 5; ++round) {
            std::vector<std::pair<Ids, std::shared_ptr<Pending>>> running;
            for (uint64_t i = 0; i < 3; ++i) {
                Ids prompt = texts[rng.below(texts.size())];
                prompt.resize(std::min<size_t>(300 + rng.below(prompt.size() - 300), 1000));
                prompt = joined_ids(std::move(prompt), random_prompt(1 + int64_t(rng.below(150)), rng.below(1000)));
                Request request = request_of(prompt);
                request.keep_at = {200 + int64_t(rng.below(80))};
                running.emplace_back(prompt, collect(*engine, std::move(request)));
                if (rng.below(6) == 0) engine->cancel(running.back().second->id());
            }
            for (const auto& [prompt, pending] : running) {
                const Answer& answer = pending->answer();
                if (answer.last.reason == FinishReason::cancelled) continue;
                from_disk += answer.last.prefix.disk_tokens;
                Request fresh = request_of(prompt);
                fresh.reuse = false;
                const Answer expected = ask(*alone, std::move(fresh));
                ASSERT_EQ(answer.tokens, expected.tokens) << prompt.size() << " tokens, " << start;
                ASSERT_EQ(answer.logprobs, expected.logprobs);
                texts.push_back(joined_ids(prompt, answer.tokens));
            }
        }
        engine->save_kept(60);
    }
    EXPECT_GT(from_disk, 1000);
    std::filesystem::remove_all(folder);
}

// Saved before anything else is: nothing waits for an idle moment. Partitions stay apart on the disk too.
TEST_P(ReuseTest, KeptTextsAreSavedWithTheirPartition) {
    const auto folder = std::filesystem::path(testing::TempDir()) / ("saved_" + GetParam().name);
    std::filesystem::remove_all(folder);
    const EngineOptions options{.context_tokens = 1000, .snapshots = 8, .cache_directory = folder.string()};
    const auto request = [&](const std::string& partition, int64_t public_tokens) {
        Request made = request_of(random_prompt(600, 3));
        made.partition = partition;
        made.public_tokens = public_tokens;
        made.keep_at = {300, 590};
        return made;
    };
    {
        const auto engine = open(options);
        ask(*engine, request("one", 0));
        ask(*engine, request("two", 310));
        engine->save_kept(60);
    }
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const auto rights = entry.status().permissions();
        EXPECT_EQ(rights, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write) << entry.path();
    }
    const auto cached = [&](const std::string& partition) {
        return ask(*open(options), request(partition, 0)).last.usage.cached_tokens;
    };
    EXPECT_GE(cached("one"), 590);
    EXPECT_GE(cached("two"), 590);
    EXPECT_EQ(cached("three"), needs_states() ? 300 : 310);
    std::filesystem::remove_all(folder);
}

// Another file of the same size and time, with one weight changed in the middle.
TEST_P(ReuseTest, AChangedWeightMakesAnotherModel) {
    const auto folder = std::filesystem::path(testing::TempDir()) / ("changed_" + GetParam().name);
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    const auto model = folder / "model.gguf";
    std::filesystem::copy_file(test::shared_path("reference/" + GetParam().file), model);
    const EngineOptions options{.context_tokens = 1000, .snapshots = 8, .cache_directory = (folder / "kept").string()};
    const Ids prompt = random_prompt(600, 3);
    const auto cached = [&] {
        auto engine = Engine::open(model.string(), options);
        EXPECT_TRUE(engine.has_value());
        const int64_t tokens = ask(**engine, request_of(prompt)).last.usage.cached_tokens;
        (*engine)->save_kept(60);
        return tokens;
    };
    EXPECT_EQ(cached(), 0);
    EXPECT_GT(cached(), 0);
    const auto written = std::filesystem::last_write_time(model);
    {
        const auto checkpoint = Engine::open(model.string(), {.context_tokens = 100});
        ASSERT_TRUE(checkpoint.has_value());
        const auto tensors = (*checkpoint)->checkpoint().tensors();
        const auto largest = std::ranges::max_element(tensors, {}, &StoredTensor::bytes);
        std::fstream file(model, std::ios::in | std::ios::out | std::ios::binary);
        const auto at = std::streamoff(largest->file_offset) + largest->bytes() / 2;
        file.seekg(at);
        const int byte = file.get();
        file.seekp(at);
        file.put(char(byte ^ 1));
    }
    std::filesystem::last_write_time(model, written);
    EXPECT_EQ(cached(), 0);
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace hearth
