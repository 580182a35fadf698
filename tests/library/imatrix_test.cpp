// Importance matrices: both forms against recorded files, what is written comes back, what is wrong is refused.
#include "library/imatrix.h"

#include <cstring>
#include <filesystem>

#include "files/gguf.h"
#include "imatrix_check.h"
#include "support/shared_data.h"

namespace hearth {
namespace {

std::string recorded(const std::string& name) {
    return test::shared_path("reference/gguf/" + name);
}

TEST(Imatrix, BothFormsSayTheSame) {
    NEED_SHARED("reference/gguf");
    const auto now = read_imatrix(recorded("imatrix-dense.gguf")), then = read_imatrix(recorded("imatrix-dense.dat"));
    ASSERT_TRUE(now && then);
    EXPECT_EQ(now->importance.size(), 28u);
    EXPECT_EQ(now->datasets, std::vector<std::string>{"cal.txt"});
    EXPECT_EQ(then->datasets, now->datasets);
    EXPECT_EQ(now->chunk_count, 6);
    EXPECT_EQ(then->chunk_count, 6);
    EXPECT_EQ(now->chunk_tokens, 64);
    ASSERT_EQ(then->importance.size(), now->importance.size());
    for (const auto& [name, means] : now->importance) {
        const std::vector<float>* other = then->find(name);
        ASSERT_TRUE(other && other->size() == means.size()) << name;
        // The older form multiplied and divided once more: two roundings.
        for (size_t i = 0; i < means.size(); ++i) EXPECT_NEAR(means[i], (*other)[i], 3e-7f * means[i]) << name;
    }
    EXPECT_EQ(now->find("blk.0.ffn_down.weight")->size(), 192u);
    EXPECT_EQ(now->find("token_embd.weight"), nullptr);
}

TEST(Imatrix, ExpertsHaveTheirOwnCounts) {
    NEED_SHARED("reference/gguf");
    const auto matrix = read_imatrix(recorded("imatrix-moe.gguf"));
    ASSERT_TRUE(matrix) << matrix.error().line();
    const std::vector<float>* down = matrix->find("blk.0.ffn_down_exps.weight");
    ASSERT_TRUE(down && down->size() == 6 * 64);
    const auto file = open_gguf(recorded("imatrix-moe.gguf"));
    std::vector<float> sums(6 * 64), counts(6);
    std::memcpy(sums.data(), file->find("blk.0.ffn_down_exps.weight.in_sum2")->data.data(), sums.size() * 4);
    std::memcpy(counts.data(), file->find("blk.0.ffn_down_exps.weight.counts")->data.data(), counts.size() * 4);
    for (size_t expert = 0; expert < 6; ++expert)
        for (size_t i = 0; i < 64; ++i) EXPECT_EQ((*down)[expert * 64 + i], sums[expert * 64 + i] / counts[expert]);
}

TEST(Imatrix, WhatIsWrittenComesBack) {
    const std::string path = test::temporary_directory() + "/written.gguf";
    std::map<std::string, InputSums, std::less<>> sums;
    sums["blk.0.ffn_up.weight"] = {{2, 4, 0}, {4}};
    sums["blk.0.ffn_up_exps.weight"] = {{1, 2, 3, 4}, {2, 0}};  // no token chose the second expert
    ASSERT_TRUE(write_imatrix(path, sums, {.dataset = "a text", .chunk_count = 7, .chunk_tokens = 512}));
    const auto matrix = read_imatrix(path);
    ASSERT_TRUE(matrix) << matrix.error().line();
    EXPECT_EQ(*matrix->find("blk.0.ffn_up.weight"), (std::vector<float>{0.5f, 1, 0}));
    EXPECT_EQ(*matrix->find("blk.0.ffn_up_exps.weight"), (std::vector<float>{0.5f, 1, 1, 1}));
    EXPECT_EQ(matrix->datasets, std::vector<std::string>{"a text"});
    EXPECT_EQ(matrix->chunk_count, 7);
    EXPECT_EQ(matrix->chunk_tokens, 512);
    // The shapes that others look for: columns innermost, a count per expert.
    const auto file = open_gguf(path);
    EXPECT_EQ(file->find("blk.0.ffn_up_exps.weight.in_sum2")->shape, (std::vector<int64_t>{2, 2}));
    EXPECT_EQ(file->find("blk.0.ffn_up_exps.weight.counts")->shape, (std::vector<int64_t>{2, 1}));
    EXPECT_EQ(file->find("blk.0.ffn_up.weight.counts")->shape, (std::vector<int64_t>{1}));
}

TEST(Imatrix, WhatIsWrongIsNamed) {
    const auto said = [](const std::string& name) {
        return check_imatrix(test::read_bytes(std::string(HEARTH_CORPUS) + "/" + name));
    };
    const std::vector<std::pair<std::string, std::string>> cases{
        {"empty", "ends at byte 0 within the number of entries"},
        {"dat_twice", "twice"},
        {"dat_negative", "w has values that are negative"},
        {"dat_nan", "negative or not finite"},
        {"dat_cut", "within columns"},
        {"dat_many_columns", "within columns"},
        {"dat_minus_columns", "w has -4 columns"},
        {"dat_minus_entries", "-1 entries"},
        {"dat_minus_name", "a weight's name has -1 bytes"},
        {"no_type", "general.type is missing"},
        {"other_type", "general.type is \"model\""},
        {"no_counts", "w has sums and no counts"},
        {"no_sums", "it has no sums"},
        {"other_tensor", "token_embd.weight"},
        {"uneven", "3 sums and 2 counts"},
        {"negative_count", "negative or not finite"},
        {"infinite", "negative or not finite"},
        {"tiny_count", "negative or not finite"}};
    for (const auto& [name, words] : cases) EXPECT_NE(said(name).find(words), std::string::npos) << name << said(name);
    for (const char* right : {"dat", "dat_bare", "dat_no_calls", "dense", "stack"}) EXPECT_EQ(said(right), "") << right;
    EXPECT_EQ(read_imatrix("/nonexistent/x.dat").error().kind, ErrorKind::not_found);
}

TEST(Imatrix, EveryCutOfAFileIsRefusedOrWhole) {
    for (const char* name : {"dat", "stack"}) {
        const auto bytes = test::read_bytes(std::string(HEARTH_CORPUS) + "/" + name);
        for (size_t length = 0; length < bytes.size(); ++length) check_imatrix(std::span(bytes).first(length));
        for (size_t at = 0; at < bytes.size(); ++at)
            for (const std::byte damage : {std::byte{0}, std::byte{0x7F}, std::byte{0xFF}}) {
                auto damaged = bytes;
                damaged[at] = damage;
                check_imatrix(damaged);
            }
    }
}

TEST(Imatrix, TheFuzzersCorpusReplays) {
    size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(HEARTH_CORPUS)) {
        check_imatrix(test::read_bytes(entry.path()));
        ++files;
    }
    EXPECT_GE(files, 25u);
}

}  // namespace
}  // namespace hearth
