// Plans and files of models that do not exist.
#include "library/synth.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "files/gguf.h"
#include "library/shapes/shape.h"
#include "library/vocabularies.h"
#include "support/shared_data.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

SynthPlan plan(const char* name, const char* type, SynthOptions options = {}) {
    const auto match = find_in_catalogue(name);
    EXPECT_TRUE(match) << name;
    auto result = plan_synth(*match->entry, type, options);
    EXPECT_TRUE(result) << name << " " << (result ? "" : result.error().line());
    return result.value_or(SynthPlan{});
}

std::string scratch(const char* name) {
    return test::temporary_directory() + "/" + name;
}

TEST(Synth, WritesWhatThePlanSays) {
    const SynthPlan p = plan("gemma3:270m", "q4_k_m", {.layers = 6});
    const std::string path = scratch("small.gguf");
    int64_t last = 0;
    ASSERT_TRUE(write_synth(p, path, [&](int64_t done, int64_t total) {
        EXPECT_GT(done, last);
        EXPECT_EQ(total, p.bytes);
        last = done;
        return true;
    }));
    EXPECT_EQ(int64_t(fs::file_size(path)), p.bytes);
    EXPECT_GT(last, p.bytes - 4096);
    const auto file = open_gguf(path);
    ASSERT_TRUE(file) << file.error().line();
    ASSERT_EQ(file->tensors().size(), p.tensors.size());
    for (size_t i = 0; i < p.tensors.size(); ++i) {
        EXPECT_EQ(file->tensors()[i].name, p.tensors[i].name);
        EXPECT_EQ(file->tensors()[i].type, p.tensors[i].type);
        EXPECT_EQ(file->tensors()[i].shape, p.tensors[i].shape);
    }
    EXPECT_EQ(file->metadata().text("general.architecture"), "gemma3");
    EXPECT_EQ(file->metadata().integer("gemma3.block_count"), 6);
    EXPECT_EQ(file->metadata().texts("tokenizer.ggml.tokens")->size(), 262144u);
    fs::remove(path);
}

TEST(Synth, CancelLeavesNothing) {
    const SynthPlan p = plan("qwen3:0.6b", "q8_0", {.layers = 1});
    const std::string path = scratch("cancelled.gguf");
    const auto result = write_synth(p, path, [](int64_t done, int64_t) { return done < 20'000'000; });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::cancelled);
    EXPECT_FALSE(fs::exists(path));
    EXPECT_FALSE(fs::exists(path + ".part"));
}

TEST(Synth, OpensWithoutAFile) {
    const SynthPlan p = plan("gemma3:270m", "q4_0", {.layers = 6});
    const std::string directory = scratch("place");
    const auto place = choose_synth_place(p, directory);
    ASSERT_TRUE(place) << place.error().line();
    for (const SynthPlace& where : {*place, SynthPlace{directory, false}}) {
        // What a killed process would have left: no process has a number this high.
        fs::create_directories(where.directory + "/hearth-synth-4194999999-0");
        auto model = open_synth(p, where);
        ASSERT_TRUE(model) << model.error().line();
        EXPECT_FALSE(fs::exists(where.directory + "/hearth-synth-4194999999-0"));
        const StoredTensor* tensor = model->find("blk.3.ffn_down.weight");
        ASSERT_NE(tensor, nullptr);
        std::vector<std::byte> expected(tensor->data.size());
        const auto& planned = *std::ranges::find(p.tensors, tensor->name, &SynthTensor::name);
        fill_piece(planned.fill, planned.type, planned.name, p.seed, 0, expected);  // less than a piece
        EXPECT_TRUE(std::ranges::equal(expected, tensor->data));
        for (const auto& entry : fs::directory_iterator(where.directory))
            EXPECT_EQ(entry.path().filename().string().find("hearth-synth-" + std::to_string(getpid())),
                      std::string::npos);
    }
}

TEST(Synth, EveryEntryCanBePlanned) {
    for (const CatalogueEntry& entry : catalogue()) {
        const auto p = plan_synth(entry, "q4_k_m");
        ASSERT_TRUE(p) << entry.name << " " << p.error().line();
        EXPECT_EQ(p->parameters, entry.parameters);
        std::set<std::string_view> names;
        for (const SynthTensor& tensor : p->tensors) {
            EXPECT_TRUE(names.insert(tensor.name).second) << entry.name << " " << tensor.name;
            EXPECT_EQ(tensor.shape.back() % info(tensor.type).block_elements, 0) << tensor.name;
            EXPECT_TRUE(tensor.fill.kind == Fill::Kind::matrix || tensor.type == DType::f32) << tensor.name;
            const bool is_listed = tensor.fill.kind == Fill::Kind::listed;
            EXPECT_TRUE(!is_listed || int64_t(tensor.fill.values.size()) == tensor.elements()) << tensor.name;
        }
        // The embedding has a row for every token.
        const auto tokens = p->metadata.texts("tokenizer.ggml.tokens");
        EXPECT_EQ(p->tensors.front().name, "token_embd.weight");
        EXPECT_EQ(p->tensors.front().shape[0], int64_t(tokens->size())) << entry.name;
    }
}

TEST(Synth, TokensOfAVocabularyDiffer) {
    std::set<std::string> seen;
    for (const CatalogueEntry& entry : catalogue()) {
        const std::string& vocabulary = entry.shape->vocabulary;
        if (!seen.insert(vocabulary).second) continue;
        Metadata metadata;
        write_vocabulary(*find_vocabulary(vocabulary), metadata);
        const auto tokens = metadata.texts("tokenizer.ggml.tokens");
        std::vector<std::string_view> sorted(tokens->begin(), tokens->end());
        std::ranges::sort(sorted);
        EXPECT_TRUE(std::ranges::adjacent_find(sorted) == sorted.end()) << vocabulary << ": two tokens with one text";
        for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.bos_token_id"}) {
            const auto id = metadata.integer(key);
            ASSERT_TRUE(id) << vocabulary;
            EXPECT_LT(*id, int64_t(tokens->size()));
        }
    }
}

TEST(Synth, ADraftingLayerComesLast) {
    const SynthPlan p = plan("qwen3.5:0.8b", "q8_0", {.has_drafting_layer = true});
    EXPECT_EQ(p.metadata.integer("qwen35.block_count"), 25);
    EXPECT_EQ(p.metadata.integer("qwen35.nextn_predict_layers"), 1);
    EXPECT_EQ(p.tensors.back().name, "blk.24.nextn.shared_head_norm.weight");
}

TEST(Synth, BadWishesAreRefusedInOneLine) {
    const CatalogueEntry& gemma = *find_in_catalogue("gemma3:1b")->entry;
    EXPECT_EQ(plan_synth(gemma, "q4_k_m", {.has_drafting_layer = true}).error().kind, ErrorKind::bad_request);
    EXPECT_EQ(plan_synth(gemma, "nonsense").error().kind, ErrorKind::bad_request);
    EXPECT_NE(plan_synth(gemma, "q8_0", {.layers = 3}).error().line().find("6 to 26"), std::string::npos);
    EXPECT_FALSE(plan_synth(gemma, "q8_0", {.layers = -1}));
    EXPECT_FALSE(plan_synth(gemma, "q8_0", {.layers = 27}));
    const SynthPlan p = plan("gemma3:270m", "q4_0", {.layers = 6});
    EXPECT_FALSE(write_synth(p, "/nowhere/at/all.gguf"));
    const SynthPlan huge = plan("qwen3.5:397b-a17b", "f32");
    const auto no_room = write_synth(huge, scratch("huge.gguf"));
    ASSERT_FALSE(no_room);
    EXPECT_NE(no_room.error().line().find("TiB"), std::string::npos) << no_room.error().line();
    EXPECT_EQ(choose_synth_place(huge, scratch("place")).error().kind, ErrorKind::out_of_memory);
}

}  // namespace
}  // namespace hearth
