#include "models/family_gates.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>

#include "backends/reference/reference_ops.h"
#include "cache/prefix_tree.h"
#include "engine/machine.h"
#include "models/registry.h"

namespace hearth::test {

namespace {

const std::vector<std::string> kDevices{"reference", "cpu"};

std::vector<float> all_logits(const FamilyGates& family, const std::string& name) {
    std::vector<float> logits = read_floats(family.file(name, ".prompt_logits.f32"));
    const auto greedy = read_floats(family.file(name, ".greedy_logits.f32"));
    logits.insert(logits.end(), greedy.begin(), greedy.end());
    return logits;
}

std::span<const float> row_of(std::span<const float> logits, size_t token, size_t vocabulary) {
    return logits.subspan(token * vocabulary, vocabulary);
}

// Rows of the tokens for which `keep` says so.
std::vector<float> kept_rows(std::span<const float> logits, const std::vector<bool>& keep) {
    std::vector<float> kept;
    const size_t vocabulary = logits.size() / keep.size();
    for (size_t token = 0; token < keep.size(); ++token) {
        const auto row = row_of(logits, token, vocabulary);
        if (keep[token]) kept.insert(kept.end(), row.begin(), row.end());
    }
    return kept;
}

using Choices = std::vector<std::vector<int32_t>>;

// Rounded activations now and then choose another expert where two were nearly level; what that does to the logits says
// nothing about the products. Such tokens are left out, but few there must be.
std::vector<bool> unflipped(const Choices& a, const Choices& b, size_t tokens) {
    std::vector<bool> same(tokens, true);
    for (size_t token = 0; token < a.size(); ++token) same[token] = a[token] == b[token];
    EXPECT_LE(std::ranges::count(same, false), int64_t(tokens / 4));
    return same;
}

// The peer's choices were not recorded: where it chose differently, its distance stands out of the others.
void leave_out_the_peers_flips(std::span<const float> peer, std::span<const float> truth, std::vector<bool>& keep) {
    const size_t vocabulary = truth.size() / keep.size();
    std::vector<double> distances;
    for (size_t token = 0; token < keep.size(); ++token)
        distances.push_back(relative_rms(row_of(peer, token, vocabulary), row_of(truth, token, vocabulary)));
    std::vector<double> sorted = distances;
    std::ranges::sort(sorted);
    for (size_t token = 0; token < keep.size(); ++token)
        if (distances[token] > 2 * sorted[sorted.size() / 2]) keep[token] = false;
}

// "blk.17.attn_q.weight" without its block.
std::string without_block(const std::string& name) {
    return name.starts_with("blk.") ? name.substr(name.find('.', 4) + 1) : name;
}

}  // namespace

std::string FamilyGates::file(const std::string& name, const std::string& suffix) const {
    return shared_path("reference/" + folder + "/" + name + suffix);
}

std::vector<int32_t> FamilyGates::all_ids(const std::string& name) const {
    std::vector<int32_t> ids = read_ids(file(name, ".tokens.txt"));
    const auto greedy = read_ids(file(name, ".greedy.txt"));
    ids.insert(ids.end(), greedy.begin(), greedy.end());
    return ids;
}

std::vector<RunOptions> every_row() {
    std::vector<RunOptions> rows{{.device = "reference"}};
    for (const char* isa : {"generic", "avx2", "avxvnni", "avx512", "neon", "dotprod", "i8mm"})
        if (check_kernel_row(isa)) rows.push_back({.device = "cpu", .isa = isa});
#if defined(HEARTH_SANITIZED)
    // The tests of ops go through every row's kernels under sanitizers; families only have to call them rightly.
    rows = {{.device = "reference"}, {.device = "cpu", .isa = kernel_row()}};
#endif
    return rows;
}

std::string describe(const RunOptions& options) {
    return options.device + " " + options.isa;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

void expect_recorded_logits(const FamilyGates& family, const std::string& name) {
    const auto ids = family.all_ids(name);
    const auto greedy = read_ids(family.file(name, ".greedy.txt"));
    const auto theirs = all_logits(family, name);
    for (const RunOptions& options : every_row()) {
        ModelRun run(family.file(name, ".gguf"), options);
        ASSERT_TRUE(run.is_ready());
        const auto ours = run.logits(ids, {512});
        ASSERT_EQ(ours.size(), theirs.size());
        const double distance = relative_rms(ours, theirs);
        testing::Test::RecordProperty(name + " " + describe(options), fmt::format("{:.1e}", distance));
        EXPECT_LE(distance, family.bound) << name << " " << describe(options);

        // The id after every position from the last of the prompt on is the recorded greedy one. Where the two best are
        // nearer to each other than the noise the bound allows, either may win.
        const size_t vocabulary = size_t(run.vocabulary()), first = ids.size() - greedy.size() - 1;
        double squares = 0;
        for (const float logit : theirs) squares += double(logit) * logit;
        const double noise = 2 * family.bound * std::sqrt(squares / double(theirs.size()));
        for (size_t i = 0; i < greedy.size(); ++i) {
            const auto row = std::span(ours).subspan((first + i) * vocabulary, vocabulary);
            const auto best = std::ranges::max_element(row);
            EXPECT_TRUE(best - row.begin() == greedy[i] || *best - row[size_t(greedy[i])] <= noise)
                << name << " " << describe(options) << " step " << i << ": " << best - row.begin() << " instead of "
                << greedy[i];
        }
    }
}

void expect_quantised_near_truth(const FamilyGates& family) {
    if (family.quantised_files.empty()) return;  // nothing is recorded
    std::map<std::string, Choices> choices;      // of float activations, per file
    for (const RunOptions& options : every_row()) {
        double log_ratio = 0, log_kl_ratio = 0;
        for (const std::string& name : family.quantised_files) {
            const auto ids = read_ids(family.file(name, ".tokens.txt"));
            auto truth = read_floats(family.file(name, ".prompt_logits_f32w.f32"));
            auto peer = read_floats(family.file(name, ".prompt_logits.f32"));
            ModelRun run(family.file(name, ".gguf"), options);
            ASSERT_TRUE(run.is_ready());
            auto ours = run.logits(ids, {512});
            ASSERT_EQ(ours.size(), truth.size());
            if (options.device == "reference") {
                choices[name] = run.chosen_experts();
            } else if (!choices[name].empty()) {
                auto keep = unflipped(run.chosen_experts(), choices[name], ids.size());
                leave_out_the_peers_flips(peer, truth, keep);
                for (auto* logits : {&truth, &peer, &ours}) *logits = kept_rows(*logits, keep);
            }
            const double distance = relative_rms(ours, truth), ratio = distance / relative_rms(peer, truth);
            const double kl_ratio = mean_kl(truth, ours, run.vocabulary()) / mean_kl(truth, peer, run.vocabulary());
            if (options.device == "reference") {
                EXPECT_LE(distance, family.bound) << name;  // float activations
            }
            testing::Test::RecordProperty(name + " " + describe(options),
                                          fmt::format("rms {:.3f} kl {:.3f}", ratio, kl_ratio));
            EXPECT_LE(ratio, 1.35) << name << " " << describe(options);
            EXPECT_LE(kl_ratio, 1.35) << name << " " << describe(options);
            // A file that a row computes in floats must not make up for the others.
            log_ratio += std::log(std::max(ratio, 0.5));
            log_kl_ratio += std::log(std::max(kl_ratio, 0.5));
        }
        const auto files = double(family.quantised_files.size());
        EXPECT_LE(std::exp(log_ratio / files), 1.1) << describe(options);
        EXPECT_LE(std::exp(log_kl_ratio / files), 1.1) << describe(options);
    }
}

void expect_half_precision_keys_close(const FamilyGates& family, const std::string& name) {
    for (const std::string& device : kDevices) {
        ModelRun full(family.file(name, ".gguf"), {.device = device});
        ModelRun half(family.file(name, ".gguf"), {.device = device, .kv = KvType::f16});
        ASSERT_TRUE(full.is_ready() && half.is_ready());
        const auto ids = family.all_ids(name);
        auto full_logits = full.logits(ids, {512}), half_logits = half.logits(ids, {512});
        const auto keep = unflipped(full.chosen_experts(), half.chosen_experts(), ids.size());
        EXPECT_LE(relative_rms(kept_rows(half_logits, keep), kept_rows(full_logits, keep)), 2e-3)
            << name << " " << device;
    }
}

void expect_equal_bits_in_any_chunks(const FamilyGates& family, const std::string& name) {
    const auto ids = family.all_ids(name);
    for (RunOptions options : every_row()) {
        options.kv = KvType::f16;
        ModelRun run(family.file(name, ".gguf"), options);
        ASSERT_TRUE(run.is_ready());
        const auto whole = run.logits(ids, {512});
        // The reference decodes every weight anew in every pass: fewer passes have to do.
        std::vector<std::vector<int64_t>> cuts{{3, 64, 1, 20}, {33}};
        if (options.device != "reference") cuts.insert(cuts.end(), {{1}, {7}, {64}});
        for (const std::vector<int64_t>& chunks : cuts)
            EXPECT_TRUE(same_bits(whole, run.logits(ids, chunks)))
                << name << " " << describe(options) << " chunk " << chunks[0];
    }
}

void expect_equal_bits_with_any_threads(const FamilyGates& family, const std::string& name) {
    const auto ids = family.all_ids(name);
    std::vector<float> first;
    for (const int threads : {1, 2, 3}) {
        ModelRun run(family.file(name, ".gguf"), {.threads = threads});
        ASSERT_TRUE(run.is_ready());
        const auto logits = run.logits(ids, {40, 1, 1, 512});
        if (first.empty()) first = logits;
        EXPECT_TRUE(same_bits(first, logits)) << name << " " << threads << " threads";
    }
}

void expect_equal_bits_in_a_batch(const FamilyGates& family, const std::string& name) {
    const auto ids = family.all_ids(name);
    for (const std::string& device : kDevices) {
        for (const int64_t batch : device == "reference" ? std::vector<int64_t>{3} : std::vector<int64_t>{2, 3, 4, 5}) {
            ModelRun run(family.file(name, ".gguf"), {.device = device, .sequences = batch});
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
                EXPECT_TRUE(same_bits(alone, got[i]))
                    << name << " " << device << " batch " << batch << " sequence " << i;
            }
        }
    }
}

void expect_equal_bits_after_a_snapshot(const FamilyGates& family, const std::string& name) {
    const auto ids = family.all_ids(name);
    for (const std::string& device : kDevices) {
        ModelRun run(family.file(name, ".gguf"), {.device = device, .sequences = 3, .snapshots = 1});
        ASSERT_TRUE(run.is_ready());
        const auto whole = run.logits(ids, {512});
        const size_t cut = std::min<size_t>(41, ids.size() / 2 + 1);  // in the middle of a page
        const int32_t first = *run.cache().open();
        const auto head = run.logits(std::span(ids).first(cut), {512}, first);
        PrefixTree kept(run.cache(), 512);
        kept.keep(first, std::span(ids).first(cut), {});
        // The original goes on somewhere else; neither what is kept nor its heirs may notice.
        std::vector<int32_t> other(30, ids[0]);
        run.logits(other, {512}, first);
        const auto found = kept.open(ids, "", 0);
        ASSERT_EQ(found.report.cached_tokens, int64_t(cut));
        const int32_t second = *found.sequence, third = *run.cache().fork(second);
        for (const int32_t heir : {second, third}) {
            auto logits = head;
            const auto tail = run.logits(std::span(ids).subspan(cut), {9}, heir);
            logits.insert(logits.end(), tail.begin(), tail.end());
            EXPECT_TRUE(same_bits(whole, logits)) << name << " " << device;
        }
        kept.clear();
        for (const int32_t id : {first, second, third}) run.cache().close(id);
        for (int64_t group = 0; group < run.cache().groups(); ++group)
            EXPECT_EQ(run.cache().free_pages(group), run.cache().pages(group)) << name;
    }
}

void expect_planned_memory(const FamilyGates& family, const std::string& name) {
    for (const std::string& device : kDevices) {
        ModelRun run(family.file(name, ".gguf"), {.device = device, .sequences = 3, .snapshots = 2});
        ASSERT_TRUE(run.is_ready());
        run.logits(family.all_ids(name), {100, 1, 1, 30});
        EXPECT_EQ(run.plan().weights, run.ledger().bytes(MemoryUse::weights)) << name << " " << device;
        EXPECT_EQ(run.plan().kv, run.ledger().bytes(MemoryUse::kv)) << name << " " << device;
        EXPECT_EQ(run.plan().state, run.ledger().bytes(MemoryUse::state)) << name << " " << device;
        EXPECT_LE(run.backend().scratch_peak_bytes(), run.plan().scratch) << name << " " << device;
    }
}

std::string load_report(const EditedFile& file, bool planning) {
    MemoryLedger ledger;
    const auto backend = make_reference_backend(ledger, planning);
    const Checkpoint checkpoint = file.open();
    const auto model = load_model(checkpoint, *backend);
    return model ? "" : model.error().line();
}

void expect_words(const std::string& line, const std::vector<std::string>& words) {
    for (const std::string& word : words)
        EXPECT_NE(line.find(word), std::string::npos) << "no \"" << word << "\" in: " << line;
    EXPECT_EQ(line.find('\n'), std::string::npos);
}

void expect_every_tensor_is_checked(const std::string& path, const std::vector<std::string>& optional) {
    const EditedFile original(path);
    EXPECT_EQ(load_report(original), "");
    for (const std::string& name : original.tensor_names()) {
        EditedFile dropped = original;
        const std::string without = load_report(dropped.drop(name));
        if (without_block(name) == "attn_qkv.weight" || without_block(name) == "ffn_gate_up_exps.weight")
            expect_words(without, {"is missing"});  // then the parts are wanted
        else if (std::ranges::count(optional, without_block(name)) == 0)
            expect_words(without, {name + " is missing"});
        else
            EXPECT_EQ(without, "") << name;
        EditedFile misshapen = original;
        expect_words(load_report(misshapen.reshape(name, {3, 1, 7})), {name + " is "});
    }
}

void expect_absurd_numbers_are_survived(const std::string& path) {
    const std::vector<int64_t> values{-1,
                                      0,
                                      1,
                                      2,
                                      3,
                                      5,
                                      1 << 12,
                                      (1 << 16) - 1,
                                      1 << 24,
                                      int64_t{1} << 31,
                                      int64_t{1} << 40,
                                      int64_t{1} << 62,
                                      std::numeric_limits<int64_t>::min()};
    int loaded = 0, refused = 0;
    const EditedFile original(path);
    const auto opened = open_gguf(path);
    const auto architecture = std::string(opened->metadata().text("general.architecture").value_or(""));
    for (const auto& entry : opened->metadata().entries()) {
        if (!entry.key.starts_with(architecture + ".")) continue;
        if (!entry.value.number() && !opened->metadata().integers(entry.key)) continue;
        for (const int64_t value : values) {
            EditedFile file = original;
            file.set_integer(std::string(entry.key), value);
            const Checkpoint checkpoint = file.open();
            auto planner = Planner::make(checkpoint, {.device = "reference"});
            if (!planner) {
                ++refused;
                EXPECT_EQ(planner.error().kind, ErrorKind::bad_file) << entry.key << " = " << value;
                EXPECT_LT(planner.error().what.size(), 3000u) << entry.key << " = " << value;
                continue;
            }
            ++loaded;
            const auto plan = (*planner)->plan(256);
            EXPECT_TRUE(plan.has_value()) << entry.key << " = " << value;
            const auto largest = (*planner)->largest_context(int64_t{1} << 30);
            ASSERT_TRUE(largest.has_value()) << entry.key << " = " << value;
            EXPECT_LE(*largest, (*planner)->info().context_tokens);
        }
    }
    EXPECT_GT(loaded, 10);
    EXPECT_GT(refused, 30);
}

}  // namespace hearth::test
