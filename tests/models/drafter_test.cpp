// The layer of Qwen 3.5 that drafts, against recorded rows: hidden rows of the trunk, logits at every prompt position,
// and a chain of guesses.
#include "models/drafter.h"

#include <algorithm>
#include <map>

#include "models/draft_run.h"
#include "models/family_gates.h"

namespace hearth {
namespace {

using test::DraftedRows;
using test::DraftRun;
using test::EditedFile;
using test::expect_words;
using test::one_later;

const test::FamilyGates kMtp{.folder = "qwen35", .float_files = {"mtp"}};

std::vector<float> recorded(const std::string& what) {
    return test::read_floats(kMtp.file("mtp", what));
}

void expect_recorded_drafts(const std::string& path, const test::RunOptions& options) {
    DraftRun run(path, options);
    ASSERT_TRUE(run.is_ready());
    const auto ids = test::read_ids(kMtp.file("mtp", ".tokens.txt"));
    const auto hidden = run.trunk(ids).hidden;
    EXPECT_LE(test::relative_rms(hidden, recorded(".mtp_hidden.f32")), 2e-5) << describe(options);

    const SequenceId sequence = *run.drafts().open();
    const DraftedRows prompt = run.draft(sequence, ids, one_later(hidden, run.hidden_size()));
    const auto theirs = recorded(".mtp_logits.f32");
    ASSERT_EQ(prompt.logits.size(), theirs.size());
    EXPECT_LE(test::relative_rms(prompt.logits, theirs), 2e-5) << describe(options);
    testing::Test::RecordProperty("mtp " + describe(options),
                                  fmt::format("{:.1e}", test::relative_rms(prompt.logits, theirs)));

    // The first guess starts from the trunk's last row, the others from the drafter's own.
    const auto guesses = test::read_ids(kMtp.file("mtp", ".mtp_draft.txt"));
    const auto guess_logits = recorded(".mtp_draft_logits.f32");
    int32_t token = test::read_ids(kMtp.file("mtp", ".greedy.txt"))[0];
    std::vector<float> before(hidden.end() - run.hidden_size(), hidden.end());
    const SequenceId guessing = *run.drafts().fork(sequence);
    for (size_t i = 0; i < guesses.size(); ++i) {
        const DraftedRows rows = run.draft(guessing, std::span(&token, 1), before);
        const auto expected = std::span(guess_logits).subspan(i * run.vocabulary(), run.vocabulary());
        EXPECT_LE(test::relative_rms(rows.logits, expected), 2e-5) << describe(options) << " guess " << i;
        token = int32_t(std::ranges::max_element(rows.logits) - rows.logits.begin());
        EXPECT_EQ(token, guesses[i]) << describe(options) << " guess " << i;
        before = rows.hidden;
    }
}

TEST(Drafter, RecordedRowsAndGuessesOnEveryRow) {
    NEED_SHARED("reference/qwen35");
    for (const test::RunOptions& options : test::every_row())
        expect_recorded_drafts(kMtp.file("mtp", ".gguf"), options);
}

// As Ollama's converter writes it: original names, norms centred on zero, the layer not counted.
EditedFile in_ollamas_dialect() {
    EditedFile file(kMtp.file("mtp", ".gguf"));
    const std::map<std::string, std::string> names{{"nextn.eh_proj.weight", "mtp.fc.weight"},
                                                   {"nextn.enorm.weight", "mtp.pre_fc_norm_embedding.weight"},
                                                   {"nextn.hnorm.weight", "mtp.pre_fc_norm_hidden.weight"},
                                                   {"nextn.shared_head_norm.weight", "mtp.norm.weight"}};
    for (const std::string& name : file.tensor_names()) {
        if (name.ends_with(".ssm_dt.bias")) file.rename(name, name.substr(0, name.size() - 5));
        if (!name.starts_with("blk.4.")) continue;
        const std::string part = name.substr(6);
        if (part.find("norm") != std::string::npos) {
            auto values = file.floats(name);
            for (float& value : values) value -= 1;
            file.fill(name, values);
        }
        file.rename(name, names.contains(part) ? names.at(part) : "mtp.layers.0." + part);
    }
    file.drop_key("qwen35.nextn_predict_layers").set_integer("qwen35.block_count", 4);
    const std::vector<int32_t> kv_heads{0, 0, 0, 1}, sections{3, 3, 2};
    file.set("qwen35.attention.head_count_kv", MetadataValue::of(kv_heads));
    file.set("qwen35.rope.dimension_sections", MetadataValue::of(sections));
    file.set("qwen35.rope.mrope_interleaved", MetadataValue::of(true));
    file.set("qwen35.ssm.v_head_reordered", MetadataValue::of(true));
    file.set_integer("qwen35.image_token_id", 7).set_integer("qwen35.vision.block_count", 2);
    file.reshape("v.patch_embed.weight", {6, 2, 4, 4}).reshape("v.merger.norm.weight", {8});
    return file;
}

TEST(Drafter, OllamasDialectIsTheSameModel) {
    NEED_SHARED("reference/qwen35");
    const std::string path = in_ollamas_dialect().write("ollama_mtp.gguf");
    for (const char* device : {"reference", "cpu"}) expect_recorded_drafts(path, {.device = device});
    // Nothing of the trunk was touched by that, so that it computes the same bits.
    const auto ids = kMtp.all_ids("mtp");
    test::ModelRun usual(kMtp.file("mtp", ".gguf"), {}), ollama(path, {});
    ASSERT_TRUE(usual.is_ready() && ollama.is_ready());
    EXPECT_TRUE(test::same_bits(usual.logits(ids, {512}), ollama.logits(ids, {512})));
}

std::string drafter_report(const EditedFile& file) {
    MemoryLedger ledger;
    const auto backend = *make_backend({.device = "reference"}, ledger, true);
    const Checkpoint checkpoint = file.open();
    const auto model = load_model(checkpoint, *backend);
    EXPECT_TRUE(model.has_value()) << (model ? "" : model.error().line());
    if (!model) return "";
    const auto drafter = load_drafter(checkpoint, *backend, **model);
    return drafter ? "" : drafter.error().line();
}

// No recording has a drafting layer with experts: here the last layer of a mixture drafts for it, in both dialects. Its
// norms are all 1.5, so that centring them loses no bit.
EditedFile with_drafting_experts(bool ollama) {
    EditedFile file(kMtp.file("moe", ".gguf"));
    const auto put_norm = [&](const std::string& name, size_t width) {
        file.add_floats(name, std::vector<float>(width, ollama ? 0.5f : 1.5f));
    };
    std::vector<float> projection;
    for (int i = 0; i < 64 * 128; ++i) projection.push_back(float(i * 7919 % 1009 - 504) / 5000);
    const std::string to = ollama ? "mtp.layers.0." : "blk.2.", nextn = "blk.2.nextn.";
    for (const std::string& name : file.tensor_names()) {
        if (!name.starts_with("blk.1.")) continue;
        const std::string part = name.substr(6);
        if (part.find("norm") != std::string::npos)
            put_norm(to + part, part.starts_with("attn_q") || part.starts_with("attn_k") ? 32 : 64);
        else
            file.copy(name, to + part);
    }
    file.add_floats(ollama ? "mtp.fc.weight" : nextn + "eh_proj.weight", projection, {64, 128});
    put_norm(ollama ? "mtp.pre_fc_norm_embedding.weight" : nextn + "enorm.weight", 64);
    put_norm(ollama ? "mtp.pre_fc_norm_hidden.weight" : nextn + "hnorm.weight", 64);
    put_norm(ollama ? "mtp.norm.weight" : nextn + "shared_head_norm.weight", 64);
    if (!ollama) {
        file.set_integer("qwen35moe.block_count", 3).set_integer("qwen35moe.nextn_predict_layers", 1);
        return file;
    }
    for (const std::string part : {"gate", "up", "down"}) {
        std::vector<std::string> names;
        for (int expert = 0; expert < 8; ++expert)
            names.push_back(fmt::format("{}mlp.experts.{}.{}_proj.weight", to, expert, part));
        file.take_apart(to + "ffn_" + part + "_exps.weight", names);
    }
    return file;
}

TEST(Drafter, ExpertsStoredOneByOne) {
    NEED_SHARED("reference/qwen35");
    const auto ids = test::read_ids(kMtp.file("moe", ".tokens.txt"));
    for (const char* device : {"reference", "cpu"}) {
        std::vector<float> expected;
        for (const bool ollama : {false, true}) {
            DraftRun run(with_drafting_experts(ollama).write("drafting_experts.gguf"), {.device = device});
            ASSERT_TRUE(run.is_ready());
            const auto before = one_later(run.trunk(ids).hidden, run.hidden_size());
            const auto logits = run.draft(*run.drafts().open(), ids, before).logits;
            if (expected.empty()) expected = logits;
            EXPECT_TRUE(test::same_bits(expected, logits)) << device;
        }
    }
    const std::string third = "mtp.layers.0.mlp.experts.3.up_proj.weight";
    expect_words(drafter_report(with_drafting_experts(true).drop(third)), {third + " is missing"});
    expect_words(drafter_report(with_drafting_experts(true).reshape(third, {32, 64}, DType::f16)),
                 {third + " has type f16", "of the same stack has f32"});
}

TEST(Drafter, OtherPlacesOfTheSections) {
    NEED_SHARED("reference/qwen35");
    const auto ids = kMtp.all_ids("mtp");
    test::ModelRun usual(kMtp.file("mtp", ".gguf"), {});
    const auto expected = usual.logits(ids, {512});
    for (const std::string key : {"mrope_sections", "rope.mrope_section"}) {
        EditedFile file = in_ollamas_dialect();
        const std::vector<int32_t> sections{3, 3, 2};
        file.drop_key("qwen35.rope.dimension_sections").set("qwen35." + key, MetadataValue::of(sections));
        test::ModelRun run(file.write("ollama_sections.gguf"), {});
        ASSERT_TRUE(run.is_ready());
        EXPECT_TRUE(test::same_bits(expected, run.logits(ids, {512}))) << key;
    }
}

TEST(Drafter, EqualBitsInAnyChunksAndWithAnyThreads) {
    NEED_SHARED("reference/qwen35");
    const auto ids = test::read_ids(kMtp.file("mtp", ".tokens.txt"));
    const auto hidden = recorded(".mtp_hidden.f32");
    for (const char* device : {"reference", "cpu"}) {
        std::vector<float> expected;
        for (const int threads : {1, 2, 3}) {
            DraftRun run(kMtp.file("mtp", ".gguf"), {.device = device, .threads = threads});
            ASSERT_TRUE(run.is_ready());
            const auto width = size_t(run.hidden_size());
            const auto before = one_later(hidden, run.hidden_size());
            for (const size_t chunk : {ids.size(), size_t{1}, size_t{13}}) {
                const SequenceId sequence = *run.drafts().open();
                std::vector<float> logits;
                for (size_t done = 0; done < ids.size(); done += chunk) {
                    const size_t count = std::min(chunk, ids.size() - done);
                    const DraftedRows rows = run.draft(sequence, std::span(ids).subspan(done, count),
                                                       std::span(before).subspan(done * width, count * width));
                    logits.insert(logits.end(), rows.logits.begin(), rows.logits.end());
                }
                run.drafts().close(sequence);
                if (expected.empty()) expected = logits;
                EXPECT_TRUE(test::same_bits(expected, logits)) << device << ", chunks of " << chunk;
            }
        }
    }
}

TEST(Drafter, FilesThatLie) {
    NEED_SHARED("reference/qwen35");
    const EditedFile original(kMtp.file("mtp", ".gguf"));
    EXPECT_EQ(drafter_report(original), "");
    EXPECT_EQ(drafter_report(in_ollamas_dialect()), "");
    for (const std::string& name : original.tensor_names()) {
        if (!name.starts_with("blk.4.")) continue;
        EditedFile dropped = original;
        const std::string report = drafter_report(dropped.drop(name));
        if (name == "blk.4.nextn.eh_proj.weight")
            expect_words(report, {"no layer that drafts"});
        else if (name == "blk.4.nextn.shared_head_norm.weight")
            EXPECT_EQ(report, "");  // then the trunk's last norm is meant
        else
            expect_words(report, {name + " is missing"});
        EditedFile misshapen = original;
        expect_words(drafter_report(misshapen.reshape(name, {3, 1, 7})), {name + " is "});
    }
    EditedFile other(test::shared_path("reference/qwen35/dense_r1.gguf"));
    expect_words(drafter_report(other), {"no layer that drafts"});
}

}  // namespace
}  // namespace hearth
