// What every family must show, so that a family's own test is a short table: recorded logits and greedy ids on every
// kernel row, quantised files near their float truth, equal bits however the work is cut, and files that lie.
#pragma once

#include <string>
#include <vector>

#include "models/edited_file.h"
#include "models/model_run.h"

namespace hearth::test {

struct FamilyGates {
    std::string folder;                        // below reference/
    std::vector<std::string> float_files;      // F32 weights, with recorded prompt and greedy logits
    std::vector<std::string> quantised_files;  // with *.prompt_logits_f32w.f32 beside them
    std::vector<std::string> equal_bits;       // on these the bits are compared
    // Relative rms of float files. Without GELU tables the gate is 1e-4; the recorded runs themselves are good to 2e-5.
    double bound = 2e-5;

    std::string file(const std::string& name, const std::string& suffix) const;
    std::vector<int32_t> all_ids(const std::string& name) const;  // prompt and the reference's own continuation
};

// The devices, and every row of the kernel table that this machine runs.
std::vector<RunOptions> every_row();
std::string describe(const RunOptions& options);
bool same_bits(std::span<const float> a, std::span<const float> b);

void expect_recorded_logits(const FamilyGates& family, const std::string& name);
void expect_quantised_near_truth(const FamilyGates& family);
void expect_half_precision_keys_close(const FamilyGates& family, const std::string& name);
void expect_equal_bits_in_any_chunks(const FamilyGates& family, const std::string& name);
void expect_equal_bits_with_any_threads(const FamilyGates& family, const std::string& name);
void expect_equal_bits_in_a_batch(const FamilyGates& family, const std::string& name);
void expect_equal_bits_after_a_snapshot(const FamilyGates& family, const std::string& name);
void expect_planned_memory(const FamilyGates& family, const std::string& name);

// The line a user would see; empty when the model loads.
std::string load_report(const EditedFile& file, bool planning = true);
void expect_words(const std::string& line, const std::vector<std::string>& words);
// Each tensor dropped, then misshapen: named in the report, unless `optional` lists it (without "blk.N." in front).
void expect_every_tensor_is_checked(const std::string& path, const std::vector<std::string>& optional);
// Every number of the architecture replaced by absurd ones: a report, or a model and a plan; never a crash or a large
// allocation.
void expect_absurd_numbers_are_survived(const std::string& path);

}  // namespace hearth::test

// All of the above that need no further words, as tests of the suite `Name`.
#define FAMILY_TESTS(Name, family)                                                                           \
    TEST(Name, LogitsAndGreedyIdsMatchOnEveryRow) {                                                          \
        NEED_SHARED("reference/" + (family).folder);                                                         \
        for (const auto& name : (family).float_files) test::expect_recorded_logits(family, name);            \
    }                                                                                                        \
    TEST(Name, QuantisedFilesMeetTheirFloatTruth) {                                                          \
        NEED_SHARED("reference/" + (family).folder);                                                         \
        test::expect_quantised_near_truth(family);                                                           \
    }                                                                                                        \
    TEST(Name, HalfPrecisionKeysStayClose) {                                                                 \
        NEED_SHARED("reference/" + (family).folder);                                                         \
        test::expect_half_precision_keys_close(family, (family).float_files[0]);                             \
    }                                                                                                        \
    TEST(Name, EqualBitsInAnyChunks) {                                                                       \
        NEED_SHARED("reference/" + (family).folder);                                                         \
        for (const auto& name : (family).equal_bits) test::expect_equal_bits_in_any_chunks(family, name);    \
    }                                                                                                        \
    TEST(Name, EqualBitsWithAnyThreads) {                                                                    \
        NEED_SHARED("reference/" + (family).folder);                                                         \
        for (const auto& name : (family).equal_bits) test::expect_equal_bits_with_any_threads(family, name); \
    }                                                                                                        \
    TEST(Name, EqualBitsInABatch) {                                                                          \
        NEED_SHARED("reference/" + (family).folder);                                                         \
        for (const auto& name : (family).equal_bits) test::expect_equal_bits_in_a_batch(family, name);       \
    }                                                                                                        \
    TEST(Name, EqualBitsAfterASnapshot) {                                                                    \
        NEED_SHARED("reference/" + (family).folder);                                                         \
        for (const auto& name : (family).equal_bits) test::expect_equal_bits_after_a_snapshot(family, name); \
    }                                                                                                        \
    TEST(Name, ThePlanIsWhatIsTaken) {                                                                       \
        NEED_SHARED("reference/" + (family).folder);                                                         \
        for (const auto& name : (family).equal_bits) test::expect_planned_memory(family, name);              \
    }
