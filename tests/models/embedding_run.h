// An engine that reads texts into rows, and recorded rows to hold against what comes back.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>

#include "engine/engine.h"
#include "models/family_gates.h"

namespace hearth::test {

struct Reading {
    std::vector<float> embedding, rows;  // the pooled row; the rows of all tokens
    std::string error;
    FinishReason reason = FinishReason::end;
};

inline std::unique_ptr<Engine> open_engine(const std::string& path, const RunOptions& run) {
    EngineOptions options{.device = run.device, .isa = run.isa, .threads = run.threads, .kv_type = run.kv};
    options.context_tokens = run.context;
    options.sequences = run.sequences;
    auto engine = Engine::open(path, options);
    EXPECT_TRUE(engine.has_value()) << (engine ? "" : engine.error().line());
    return engine ? std::move(*engine) : nullptr;
}

// All texts at once; the engine batches them as it likes.
inline std::vector<Reading> read_texts(Engine& engine, const std::vector<std::vector<int32_t>>& texts, RowKind rows,
                                       Pooling pooling) {
    std::deque<Reading> readings(texts.size());
    std::mutex mutex;
    std::condition_variable changed;
    size_t over = 0;
    for (size_t i = 0; i < texts.size(); ++i) {
        Reading& reading = readings[i];
        EmbedRequest request{.tokens = texts[i], .rows = rows, .pooling = pooling, .each_row = {}};
        request.each_row = [&](int64_t, std::span<const float> row) {
            reading.rows.insert(reading.rows.end(), row.begin(), row.end());
        };
        const auto submitted = engine.submit(std::move(request), [&](const Event& event) {
            if (event.kind == Event::Kind::progress) return;
            std::lock_guard lock(mutex);
            reading.embedding = event.embedding;
            reading.error = event.error.what;
            reading.reason = event.reason;
            ++over;
            changed.notify_all();
        });
        if (!submitted) {
            std::lock_guard lock(mutex);
            reading.error = submitted.error().line();
            ++over;
        }
    }
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::minutes(1), [&] { return over == texts.size(); })) << "no end";
    return {readings.begin(), readings.end()};
}

struct RecordedReading {
    std::string name, path;  // path: of the model, without ".gguf"
    Pooling pooling;
    double bound;  // relative rms
    std::string rows = ".token_embeddings.f32", pooled = ".embedding.f32";
};

// Rows of all tokens and the pooled row, on every kernel row.
inline void expect_recorded_rows(const RecordedReading& recorded) {
    const auto ids = read_ids(recorded.path + ".tokens.txt");
    const auto rows = read_floats(recorded.path + recorded.rows), pooled = read_floats(recorded.path + recorded.pooled);
    for (const RunOptions& options : every_row()) {
        RunOptions small = options;
        small.context = 128;
        const auto engine = open_engine(recorded.path + ".gguf", small);
        ASSERT_TRUE(engine);
        const Reading ours = read_texts(*engine, {ids}, RowKind::hidden, recorded.pooling)[0];
        ASSERT_EQ(ours.error, "");
        ASSERT_EQ(ours.rows.size(), rows.size());
        const double distance = relative_rms(ours.rows, rows);
        testing::Test::RecordProperty(recorded.name + " " + describe(options), std::to_string(distance));
        EXPECT_LE(distance, recorded.bound) << recorded.name << " " << describe(options);
        if (pooled.size() == ours.embedding.size()) {
            EXPECT_LE(relative_rms(ours.embedding, pooled), recorded.bound) << recorded.name << describe(options);
        }
    }
}

// Equal bits whatever the number of threads, and whatever else is read in the same passes.
inline void expect_equal_rows(const RecordedReading& recorded) {
    const auto ids = read_ids(recorded.path + ".tokens.txt");
    for (const std::string device : {"reference", "cpu"}) {
        Reading first;
        for (const int threads : {1, 2, 3}) {
            const auto engine =
                open_engine(recorded.path + ".gguf", {.device = device, .threads = threads, .context = 128});
            ASSERT_TRUE(engine);
            const Reading reading = read_texts(*engine, {ids}, RowKind::hidden, recorded.pooling)[0];
            ASSERT_FALSE(reading.rows.empty()) << reading.error;
            if (threads == 1) first = reading;
            EXPECT_TRUE(same_bits(first.rows, reading.rows)) << recorded.name << " " << threads << " threads";
            EXPECT_TRUE(same_bits(first.embedding, reading.embedding)) << recorded.name << " " << threads;
            if (device == "reference") break;
        }
        const auto engine = open_engine(recorded.path + ".gguf", {.device = device, .context = 128, .sequences = 5});
        ASSERT_TRUE(engine);
        // The text among others of all lengths, three times: they share passes as they fit.
        std::vector<std::vector<int32_t>> texts;
        for (size_t i = 0; i < 12; ++i)
            texts.push_back(i % 4 == 1 ? ids : std::vector<int32_t>(ids.begin() + 3, ids.begin() + 4 + int(3 * i)));
        const auto readings = read_texts(*engine, texts, RowKind::hidden, recorded.pooling);
        for (size_t i = 1; i < texts.size(); i += 4) {
            EXPECT_TRUE(same_bits(first.rows, readings[i].rows)) << recorded.name << " " << device << " in a batch";
            EXPECT_TRUE(same_bits(first.embedding, readings[i].embedding)) << recorded.name << " " << device;
        }
    }
}

}  // namespace hearth::test
