// Qwen 3.5 against recorded logits (docs in the shared folder's facts), and the promise of equal bits.
#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/machine.h"
#include "models/model_run.h"

namespace hearth {
namespace {

using test::ModelRun;
using test::RunOptions;

std::string file(const std::string& name, const std::string& suffix) {
    return test::shared_path("reference/qwen35/" + name + suffix);
}

// Prompt and the reference's own greedy continuation: teacher forcing.
std::vector<int32_t> all_ids(const std::string& name) {
    std::vector<int32_t> ids = test::read_ids(file(name, ".tokens.txt"));
    const auto greedy = test::read_ids(file(name, ".greedy.txt"));
    ids.insert(ids.end(), greedy.begin(), greedy.end());
    return ids;
}

std::vector<float> all_logits(const std::string& name) {
    std::vector<float> logits = test::read_floats(file(name, ".prompt_logits.f32"));
    const auto greedy = test::read_floats(file(name, ".greedy_logits.f32"));
    logits.insert(logits.end(), greedy.begin(), greedy.end());
    return logits;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

const std::vector<std::string> kDevices{"reference", "cpu"};

// The devices, and every row of the kernel table that this machine runs.
std::vector<RunOptions> every_row() {
    std::vector<RunOptions> rows{{.device = "reference"}};
    for (const char* isa : {"generic", "avx2", "avxvnni", "avx512", "neon", "dotprod", "i8mm"})
        if (check_kernel_row(isa)) rows.push_back({.device = "cpu", .isa = isa});
    return rows;
}

std::string describe(const RunOptions& options) {
    return options.device + " " + options.isa;
}

class FloatFiles : public testing::TestWithParam<std::string> {};

TEST_P(FloatFiles, LogitsAndGreedyIdsMatchOnEveryRow) {
    NEED_SHARED("reference/qwen35");
    const std::string name = GetParam();
    const auto ids = all_ids(name);
    const auto greedy = test::read_ids(file(name, ".greedy.txt"));
    const auto theirs = all_logits(name);
    for (const RunOptions& options : every_row()) {
        ModelRun run(file(name, ".gguf"), options);
        ASSERT_TRUE(run.is_ready());
        const auto ours = run.logits(ids, {512});
        ASSERT_EQ(ours.size(), theirs.size());
        const double distance = test::relative_rms(ours, theirs);
        RecordProperty(describe(options), std::to_string(distance));
        // The gate for families without GELU tables is 1e-4; the recorded float runs themselves are good to about 2e-5.
        EXPECT_LE(distance, 2e-5) << describe(options);

        // The id after every position from the last of the prompt on is the recorded greedy one.
        const size_t vocabulary = size_t(run.vocabulary()), first = ids.size() - greedy.size() - 1;
        for (size_t i = 0; i < greedy.size(); ++i) {
            const auto row = std::span(ours).subspan((first + i) * vocabulary, vocabulary);
            EXPECT_EQ(std::ranges::max_element(row) - row.begin(), greedy[i]) << describe(options) << " step " << i;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Qwen35, FloatFiles, testing::Values("dense_r1", "dense_r2", "moe", "mtp", "yarn"));

TEST(Qwen35, QuantisedFilesMeetTheirFloatTruth) {
    NEED_SHARED("reference/qwen35");
    const std::vector<std::string> names{"q4_k_m", "q8_0"};
    for (const RunOptions& options : every_row()) {
        double log_ratio = 0, log_kl_ratio = 0;
        for (const std::string& name : names) {
            const auto ids = test::read_ids(file(name, ".tokens.txt"));
            const auto truth = test::read_floats(file(name, ".prompt_logits_f32w.f32"));
            const auto peer = test::read_floats(file(name, ".prompt_logits.f32"));
            ModelRun run(file(name, ".gguf"), options);
            ASSERT_TRUE(run.is_ready());
            const auto ours = run.logits(ids, {512});
            const double distance = test::relative_rms(ours, truth), ratio = distance / test::relative_rms(peer, truth);
            const double kl_ratio =
                test::mean_kl(truth, ours, run.vocabulary()) / test::mean_kl(truth, peer, run.vocabulary());
            if (options.device == "reference") {
                EXPECT_LE(distance, 2e-5) << name;  // float activations
            }
            RecordProperty(name + " " + describe(options), fmt::format("rms {:.3f} kl {:.3f}", ratio, kl_ratio));
            EXPECT_LE(ratio, 1.35) << name << " " << describe(options);
            EXPECT_LE(kl_ratio, 1.35) << name << " " << describe(options);
            log_ratio += std::log(ratio);
            log_kl_ratio += std::log(kl_ratio);
        }
        EXPECT_LE(std::exp(log_ratio / double(names.size())), 1.1) << describe(options);
        EXPECT_LE(std::exp(log_kl_ratio / double(names.size())), 1.1) << describe(options);
    }
}

TEST(Qwen35, HalfPrecisionKeysStayClose) {
    NEED_SHARED("reference/qwen35");
    for (const std::string& device : kDevices) {
        ModelRun full(file("dense_r1", ".gguf"), {.device = device});
        ModelRun half(file("dense_r1", ".gguf"), {.device = device, .kv = KvType::f16});
        ASSERT_TRUE(full.is_ready() && half.is_ready());
        const auto ids = all_ids("dense_r1");
        EXPECT_LE(test::relative_rms(half.logits(ids, {512}), full.logits(ids, {512})), 2e-3) << device;
    }
}

class EqualBits : public testing::TestWithParam<std::string> {};

TEST_P(EqualBits, HoweverThePromptIsCut) {
    NEED_SHARED("reference/qwen35");
    const auto ids = all_ids(GetParam());
    for (RunOptions options : every_row()) {
        options.kv = KvType::f16;
        ModelRun run(file(GetParam(), ".gguf"), options);
        ASSERT_TRUE(run.is_ready());
        const auto whole = run.logits(ids, {512});
        for (const std::vector<int64_t>& chunks :
             std::vector<std::vector<int64_t>>{{1}, {7}, {64}, {3, 64, 1, 20}, {33}})
            EXPECT_TRUE(same_bits(whole, run.logits(ids, chunks))) << describe(options) << " chunk " << chunks[0];
    }
}

TEST_P(EqualBits, WithAnyNumberOfThreads) {
    NEED_SHARED("reference/qwen35");
    const auto ids = all_ids(GetParam());
    std::vector<float> first;
    for (const int threads : {1, 2, 3}) {
        ModelRun run(file(GetParam(), ".gguf"), {.threads = threads});
        ASSERT_TRUE(run.is_ready());
        const auto logits = run.logits(ids, {40, 1, 1, 512});
        if (first.empty()) first = logits;
        EXPECT_TRUE(same_bits(first, logits)) << threads << " threads";
    }
}

TEST_P(EqualBits, AloneOrInABatch) {
    NEED_SHARED("reference/qwen35");
    const auto ids = all_ids(GetParam());
    for (const std::string& device : kDevices) {
        for (int64_t batch = 2; batch <= 5; ++batch) {
            ModelRun run(file(GetParam(), ".gguf"), {.device = device, .sequences = batch});
            ASSERT_TRUE(run.is_ready());
            const size_t vocabulary = size_t(run.vocabulary());
            const auto alone = run.logits(ids, {512});

            // Every sequence starts at another token of the text and goes at another pace.
            std::vector<std::vector<float>> got(static_cast<size_t>(batch));
            std::vector<int32_t> sequence;
            std::vector<size_t> done(size_t(batch), 0);
            for (int64_t i = 0; i < batch; ++i) sequence.push_back(*run.cache().open());
            for (bool more = true; more;) {
                std::vector<ForwardPart> parts;
                std::vector<size_t> who;
                for (size_t i = 0; i < size_t(batch); ++i) {
                    const size_t count = std::min(ids.size() - done[i], 1 + 5 * i);
                    if (count == 0) continue;
                    parts.push_back({sequence[i], std::span(ids).subspan(done[i], count), int64_t(count)});
                    who.push_back(i);
                    done[i] += count;
                }
                more = !parts.empty();
                if (!more) break;
                auto ran = run.forward().run(parts, [&](int64_t part, int64_t, std::span<const float> row) {
                    auto& rows = got[who[size_t(part)]];
                    rows.insert(rows.end(), row.begin(), row.end());
                });
                ASSERT_TRUE(ran.has_value());
            }
            for (size_t i = 0; i < size_t(batch); ++i) {
                ASSERT_EQ(got[i].size(), ids.size() * vocabulary);
                EXPECT_TRUE(same_bits(alone, got[i])) << device << " batch " << batch << " sequence " << i;
            }
        }
    }
}

TEST_P(EqualBits, AfterASnapshotAndInAFork) {
    NEED_SHARED("reference/qwen35");
    const auto ids = all_ids(GetParam());
    for (const std::string& device : kDevices) {
        ModelRun run(file(GetParam(), ".gguf"), {.device = device, .sequences = 3, .snapshots = 1});
        ASSERT_TRUE(run.is_ready());
        const auto whole = run.logits(ids, {512});
        const size_t cut = 41;  // in the middle of a page
        const int32_t first = *run.cache().open();
        const auto head = run.logits(std::span(ids).first(cut), {512}, first);
        const int32_t snapshot = *run.cache().save(first);
        // The original goes on somewhere else; neither the snapshot nor its heirs may notice.
        std::vector<int32_t> other(30, ids[0]);
        run.logits(other, {512}, first);
        const int32_t second = *run.cache().restore(snapshot), third = *run.cache().fork(second);
        for (const int32_t heir : {second, third}) {
            auto logits = head;
            const auto tail = run.logits(std::span(ids).subspan(cut), {9}, heir);
            logits.insert(logits.end(), tail.begin(), tail.end());
            EXPECT_TRUE(same_bits(whole, logits)) << device;
        }
        run.cache().drop(snapshot);
        for (const int32_t id : {first, second, third}) run.cache().close(id);
        EXPECT_EQ(run.cache().free_pages(0), run.cache().pages(0));
    }
}

INSTANTIATE_TEST_SUITE_P(Qwen35, EqualBits, testing::Values("dense_r2", "moe", "q4_k_m", "q8_0"));

TEST(Qwen35, ThePlanIsWhatIsTaken) {
    NEED_SHARED("reference/qwen35");
    for (const std::string& device : kDevices) {
        ModelRun run(file("q4_k_m", ".gguf"), {.device = device, .sequences = 3, .snapshots = 2});
        ASSERT_TRUE(run.is_ready());
        const auto ids = all_ids("q4_k_m");
        run.logits(ids, {100, 1, 1, 30});
        EXPECT_EQ(run.plan().weights, run.ledger().bytes(MemoryUse::weights)) << device;
        EXPECT_EQ(run.plan().kv, run.ledger().bytes(MemoryUse::kv)) << device;
        EXPECT_EQ(run.plan().state, run.ledger().bytes(MemoryUse::state)) << device;
        EXPECT_LE(run.backend().scratch_peak_bytes(), run.plan().scratch) << device;
    }
}

}  // namespace
}  // namespace hearth
