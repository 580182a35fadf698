// The catalogue against published parameter counts, and how forgiving its names are.
#include "library/catalogue.h"

#include <gtest/gtest.h>

#include <set>

#include "library/shapes/shape.h"
#include "library/vocabularies.h"

namespace hearth {
namespace {

TEST(Catalogue, ParameterCountsAsPublished) {
    // Published to the digits given; half a unit of the last one.
    const struct {
        const char* name;
        double billions, tolerance;
    } cases[] = {{"qwen3.5:0.8b", 0.7524, 0.00005},
                 {"gemma4:e2b", 4.63, 0.005},
                 {"nemotron3-nano:4b", 3.97, 0.005},
                 {"nemotron-nano-v2:9b", 8.89, 0.005},
                 {"nemotron-nano-v2:12b", 12.31, 0.005},
                 {"nemotron3-nano:30b-a3b", 31.58, 0.005},
                 {"llama3.2:1b", 1.24, 0.005},
                 {"llama3.2:3b", 3.21, 0.005},
                 {"llama3.1:8b", 8.03, 0.005},
                 {"qwen3:0.6b", 0.6, 0.005},
                 {"qwen3:1.7b", 1.72, 0.005},
                 {"qwen3:4b", 4.02, 0.005},
                 {"qwen3:8b", 8.19, 0.005},
                 {"qwen3:30b-a3b", 30.53, 0.005},
                 {"qwen2.5:0.5b", 0.49, 0.005},
                 {"qwen2.5:7b", 7.62, 0.005},
                 {"phi4:14b", 14.66, 0.005},
                 {"phi4-mini", 3.84, 0.005},
                 {"gpt-oss:20b", 20.91, 0.005},
                 {"gpt-oss:120b", 116.83, 0.005},
                 {"smollm3", 3.08, 0.005},
                 {"gemma3:1b", 1.00, 0.005},
                 {"gemma3:270m", 0.268, 0.0005},
                 {"gemma3:27b", 27.01, 0.01},
                 {"lfm2:350m", 0.354, 0.0005},
                 {"lfm2:700m", 0.742, 0.0005},
                 {"lfm2:1.2b", 1.17, 0.005},
                 {"mistral-small:24b", 23.57, 0.005},
                 {"ministral3:3b", 3.43, 0.005},
                 {"mistral-small4", 119, 0.5},
                 {"lfm2:2.6b", 2.57, 0.005},
                 {"lfm2:8b-a1b", 8.34, 0.005},
                 {"embeddinggemma", 0.3029, 0.0001},
                 {"qwen3-embedding:0.6b", 0.5958, 0.0001},
                 {"qwen3-embedding:4b", 4.02, 0.005},
                 {"qwen3-embedding:8b", 7.57, 0.005},
                 // Less the pooler (0.15 and 1.05 million), which files leave out.
                 {"all-minilm", 0.0227132 - 0.0001478, 0.0000001},
                 {"bge-small", 0.0334, 0.0002},
                 {"bge-base", 0.109, 0.0005},
                 {"bge-large", 0.335, 0.001},
                 {"bge-m3", 0.567755 - 0.00105, 0.000005},
                 {"bge-reranker-v2-m3", 0.568, 0.001},
                 {"nomic-embed-text:v1.5", 0.137, 0.0005},
                 {"nomic-embed-text:v2-moe", 0.475, 0.0005},
                 {"modernbert:base", 0.149, 0.0005},
                 {"modernbert:large", 0.395, 0.001}};
    for (const auto& c : cases) {
        const auto match = find_in_catalogue(c.name);
        ASSERT_TRUE(match) << c.name;
        EXPECT_NEAR(double(match->entry->parameters) / 1e9, c.billions, c.tolerance) << c.name;
    }
}

TEST(Catalogue, NamesAreUniqueAndEveryVocabularyExists) {
    std::set<std::string> names;
    for (const CatalogueEntry& entry : catalogue()) {
        EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
        for (const std::string& alias : entry.aliases) EXPECT_TRUE(names.insert(alias).second) << alias;
        EXPECT_EQ(find_in_catalogue(entry.name)->entry, &entry);
        for (const std::string& alias : entry.aliases) EXPECT_EQ(find_in_catalogue(alias)->entry, &entry) << alias;
        EXPECT_NE(find_vocabulary(entry.shape->vocabulary), nullptr) << entry.name;
    }
    EXPECT_GE(catalogue().size(), 72u);
}

// A drafter reads another entry's keys and vectors.
TEST(Catalogue, DraftersNameTheirModel) {
    int drafters = 0;
    for (const CatalogueEntry& entry : catalogue()) {
        EXPECT_EQ(entry.purpose == Purpose::drafting, !entry.drafts_for.empty()) << entry.name;
        if (entry.drafts_for.empty()) continue;
        ++drafters;
        const auto trunk = find_in_catalogue(entry.drafts_for);
        ASSERT_TRUE(trunk) << entry.name;
        EXPECT_EQ(trunk->entry->purpose, Purpose::text);
        EXPECT_EQ(trunk->entry->shape->width, entry.shape->trunk_width) << entry.name;
    }
    EXPECT_EQ(drafters, 5);
}

TEST(Catalogue, TypesBehindNames) {
    const auto name_and_type = [](std::string_view name) {
        const auto match = find_in_catalogue(name);
        return match ? match->entry->name + " " + match->type : match.error().line();
    };
    EXPECT_EQ(name_and_type("qwen3.5:0.8b-q8_0"), "qwen3.5:0.8b q8_0");
    EXPECT_EQ(name_and_type("gemma4:e2b-Q4_K_M"), "gemma4:e2b q4_k_m");
    EXPECT_EQ(name_and_type("Qwen3.5-0.8B"), "qwen3.5:0.8b ");
    EXPECT_EQ(name_and_type("nemotron-3-nano:30b"), "nemotron3-nano:30b-a3b ");
    EXPECT_EQ(name_and_type("qwen3:30b-a3b-pure-q4_k"), "qwen3:30b-a3b pure-q4_k");
    EXPECT_EQ(name_and_type("gpt-oss:20b-mxfp4"), "gpt-oss:20b mxfp4");
    EXPECT_EQ(name_and_type("ministral-3:8b"), "ministral3:8b ");
    EXPECT_EQ(name_and_type("gemma-4-E2B-assistant-q8_0"), "gemma4:e2b-drafter q8_0");
    EXPECT_EQ(name_and_type("bge-small-en-v1.5-f16"), "bge-small:33m f16");
    EXPECT_EQ(name_and_type("Qwen3-Embedding-0.6B-f16"), "qwen3-embedding:0.6b f16");
    EXPECT_EQ(name_and_type("qwen3.6:27b"), "qwen3.5:27b ");
}

TEST(Catalogue, UnknownNamesGetTheNearest) {
    const auto near = [](std::string_view name) { return find_in_catalogue(name).error().try_this; };
    EXPECT_NE(near("qwen3.5:1b").find("qwen3.5:2b"), std::string::npos);
    EXPECT_NE(near("gemma4").find("gemma4:e2b"), std::string::npos);
    EXPECT_NE(near("lama3.2:1b").find("llama3.2:1b"), std::string::npos);
    EXPECT_NE(near("qwen3.5:0.8b-q9_0").find("qwen3.5:0.8b"), std::string::npos);
    EXPECT_FALSE(find_in_catalogue(""));
    EXPECT_FALSE(find_in_catalogue(std::string(100000, 'q')));
}

TEST(Catalogue, FewerLayersKeepEveryKind) {
    const auto kinds = [](const char* name, int64_t layers) {
        return fewer_layers(*find_in_catalogue(name)->entry->shape, layers);
    };
    EXPECT_EQ(kinds("qwen3.5:0.8b", 4), "DDDA");
    EXPECT_EQ(kinds("qwen3.5:0.8b", 3), "");
    EXPECT_EQ(kinds("qwen3.5:0.8b", 25), "");
    EXPECT_EQ(kinds("qwen3.5:0.8b", 0), "");
    EXPECT_EQ(fewest_layers(*find_in_catalogue("gemma4:e2b")->entry->shape), 5);
    // Nemotron's kinds first stand side by side away from the start.
    const std::string part = kinds("nemotron3-nano:4b", 4);
    for (char kind : {'M', '-', '*'}) EXPECT_NE(part.find(kind), part.npos) << part;
}

}  // namespace
}  // namespace hearth
