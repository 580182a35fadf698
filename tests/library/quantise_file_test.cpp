// Quantising whole files: which tensors change, what is refused and why, that nothing half-written ever has the final
// name, and that the bytes do not depend on threads.
#include "library/quantise_file.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/rng.h"
#include "files/gguf.h"
#include "files/gguf_writer.h"
#include "library/disk.h"
#include "library/quantise_budget.h"
#include "support/shared_data.h"
#include "tensor/decode.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

std::string fresh(const std::string& name) {
    const std::string path = test::temporary_directory() + "/" + name;
    fs::remove(path);
    fs::remove(path + ".part");
    return path;
}

struct Extra {
    float planted = 0;  // where nothing else is: one value of blk.0.ffn_up.weight
    DType type = DType::f32;
    std::string kind = "model";
};

// A model in form only: every kind of tensor the driver tells apart.
std::string write_model(const std::string& name, const Extra& extra = {}) {
    const std::string path = fresh(name);
    GgufWriter writer(path);
    writer.set_text("general.architecture", "llama");
    writer.set_text("general.type", extra.kind);
    writer.set("llama.block_count", uint32_t{2});
    writer.set("llama.attention.head_count", uint32_t{4});
    writer.set("llama.attention.head_count_kv", uint32_t{2});
    struct Entry {
        std::string name;
        DType type;
        std::vector<int64_t> shape;
    };
    const DType matrix = extra.type;
    std::vector<Entry> entries{{"token_embd.weight", matrix, {32, 256}},
                               {"output.weight", matrix, {32, 256}},
                               {"output_norm.weight", DType::f32, {256}},
                               {"position.ids", DType::i32, {8}}};
    for (const std::string layer : {"blk.0.", "blk.1."}) {
        entries.push_back({layer + "attn_norm.weight", DType::f32, {256}});
        entries.push_back({layer + "attn_q.weight", matrix, {64, 256}});
        entries.push_back({layer + "attn_v.weight", matrix, {32, 256}});
        entries.push_back({layer + "attn_output.weight", matrix, {64, 256}});
        entries.push_back({layer + "ffn_gate_inp.weight", DType::f32, {4, 256}});
        entries.push_back({layer + "ffn_up.weight", matrix, {32, 256}});
        entries.push_back({layer + "ffn_down.weight", matrix, {64, 96}});
        entries.push_back({layer + "ffn_up_exps.weight", matrix, {4, 16, 256}});
    }
    for (const Entry& entry : entries) writer.declare(entry.name, entry.type, entry.shape);
    EXPECT_TRUE(writer.start());
    Rng rng(11);
    for (const Entry& entry : entries) {
        int64_t count = 1;
        for (const int64_t size : entry.shape) count *= size;
        std::vector<std::byte> bytes(size_t(row_bytes(entry.type, count)));
        if (entry.type == DType::f32) {
            for (int64_t i = 0; i < count; ++i) {
                float value = float(rng.uniform() + rng.uniform() - 1) * 0.05f;
                if (entry.name == "blk.0.ffn_up.weight" && i == 300 && extra.planted != 0) value = extra.planted;
                std::memcpy(bytes.data() + 4 * i, &value, 4);
            }
        }
        EXPECT_TRUE(writer.write(bytes));
    }
    EXPECT_TRUE(writer.finish());
    return path;
}

const QuantisedTensor& find(const QuantisePlan& plan, std::string_view name) {
    const auto found = std::ranges::find(plan.tensors, name, [](const QuantisedTensor& t) { return t.source->name; });
    EXPECT_NE(found, plan.tensors.end()) << name;
    return *found;
}

std::string refusal(const Checkpoint& file, const QuantiseOptions& options) {
    const auto plan = plan_quantise(file, options);
    return plan ? "accepted" : plan.error().line();
}
void expect_refused(const Checkpoint& file, const QuantiseOptions& options, const std::vector<std::string>& words) {
    const std::string line = refusal(file, options);
    for (const std::string& word : words)
        EXPECT_NE(line.find(word), std::string::npos) << "no " << word << " in " << line;
}

std::vector<float> values_of(const StoredTensor& tensor) {
    std::vector<float> out(size_t(tensor.elements()));
    decode(tensor.type, tensor.data.data(), tensor.elements(), out.data());
    return out;
}

TEST(QuantiseFile, EveryTensorGetsWhatThePlanSays) {
    const auto file = open_gguf(write_model("plain.gguf")).value();
    const auto plan = plan_quantise(file, {.type = "q4_k_m"}).value();
    EXPECT_EQ(find(plan, "output.weight").type, DType::q6_k);
    EXPECT_EQ(find(plan, "token_embd.weight").type, DType::q4_k);
    EXPECT_EQ(find(plan, "blk.1.attn_q.weight").type, DType::q4_k);
    EXPECT_EQ(find(plan, "blk.0.ffn_gate_inp.weight").type, DType::f32);
    EXPECT_EQ(find(plan, "blk.0.attn_norm.weight").type, DType::f32);
    EXPECT_EQ(find(plan, "position.ids").type, DType::i32);
    // 96 columns hold no block of 256: the stand-in is told.
    EXPECT_EQ(info(find(plan, "blk.0.ffn_down.weight").type).block_elements, 32);
    ASSERT_EQ(plan.notes.size(), 1u);
    EXPECT_NE(plan.notes[0].find("blk.0.ffn_down.weight"), std::string::npos) << plan.notes[0];

    const std::string out = fresh("plain-out.gguf");
    double last = 0;
    ASSERT_TRUE(write_quantised(file, plan, out, 2, [&](double share) {
        EXPECT_GE(share, last);
        last = share;
        return true;
    }));
    EXPECT_NEAR(last, 1, 1e-9);
    EXPECT_FALSE(fs::exists(out + ".part"));
    EXPECT_NEAR(double(plan.bytes), double(fs::file_size(out)), 8192);
    const auto written = open_gguf(out).value();
    ASSERT_EQ(written.tensors().size(), file.tensors().size());
    EXPECT_EQ(written.metadata().integer("general.file_type"), 15);
    EXPECT_EQ(written.metadata().integer("general.quantization_version"), 2);
    for (size_t i = 0; i < plan.tensors.size(); ++i) {
        const StoredTensor &from = file.tensors()[i], &to = written.tensors()[i];
        EXPECT_EQ(to.name, from.name);
        EXPECT_EQ(to.type, plan.tensors[i].type);
        EXPECT_EQ(to.shape, from.shape);
        if (to.type == from.type) {
            EXPECT_TRUE(std::ranges::equal(to.data, from.data)) << to.name;
            continue;
        }
        const auto x = values_of(from), y = values_of(to);
        double error = 0, size = 0;
        for (size_t k = 0; k < x.size(); ++k) error += (x[k] - y[k]) * (x[k] - y[k]), size += x[k] * x[k];
        EXPECT_LT(std::sqrt(error / size), 0.11) << to.name;  // the worst type here is q4_k
        EXPECT_GT(error, 0) << to.name;
    }
}

TEST(QuantiseFile, EveryTypeCanBeWrittenAndReadAgain) {
    const auto file = open_gguf(write_model("types.gguf")).value();
    Imatrix imatrix;
    for (const StoredTensor& tensor : file.tensors())
        if (tensor.shape.size() > 1)
            imatrix.importance[tensor.name] = std::vector<float>(size_t(tensor.shape.back()), 0.5f);
    for (const DTypeInfo& type : dtypes()) {
        if (!type.is_weight) continue;
        const QuantiseOptions options{.type = "pure-" + std::string(type.name), .imatrix = &imatrix};
        const auto plan = plan_quantise(file, options);
        ASSERT_TRUE(plan) << type.name << plan.error().line();
        EXPECT_EQ(find(*plan, "blk.0.attn_q.weight").type, type.type);
        const std::string out = fresh("type.gguf");
        ASSERT_TRUE(write_quantised(file, *plan, out, 2)) << type.name;
        const auto written = open_gguf(out);
        ASSERT_TRUE(written) << type.name << written.error().line();
        for (const float v : values_of(*written->find("blk.0.attn_q.weight"))) ASSERT_TRUE(std::isfinite(v));
    }
}

TEST(QuantiseFile, BytesDoNotDependOnThreads) {
    const auto file = open_gguf(write_model("threads.gguf")).value();
    for (const char* type : {"q4_k_m", "hq4"}) {
        std::vector<std::byte> first;
        for (const int threads : {1, 2, 5}) {
            const auto plan = plan_quantise(file, {.type = type, .threads = threads}).value();
            const std::string out = fresh("threads-out.gguf");
            ASSERT_TRUE(write_quantised(file, plan, out, threads));
            const auto bytes = test::read_bytes(out);
            if (first.empty()) first = bytes;
            EXPECT_EQ(bytes, first) << type << " with " << threads;
        }
    }
}

TEST(QuantiseFile, KeepRulesDecideFirst) {
    const auto file = open_gguf(write_model("keep.gguf")).value();
    const QuantiseOptions options{.type = "q4_0",
                                  .keep = {{"blk\\.0\\.attn_q", "q8_0"}, {"attn_", "keep"}, {"ffn_gate_inp", "f32"}}};
    const auto plan = plan_quantise(file, options).value();
    EXPECT_EQ(find(plan, "blk.0.attn_q.weight").type, DType::q8_0);
    EXPECT_EQ(find(plan, "blk.1.attn_q.weight").type, DType::f32);
    EXPECT_EQ(find(plan, "blk.1.ffn_up.weight").type, DType::q4_0);
    expect_refused(file, {.keep = {{"(", "q8_0"}}}, {"regular expression"});
    expect_refused(file, {.keep = {{"attn", "q9_9"}}}, {"q9_9", "q6_k"});
    expect_refused(file, {.keep = {{"nowhere", "q8_0"}}}, {"nowhere", "matches no tensor"});
    // All that is wrong in one report.
    expect_refused(
        file, {.keep = {{"gate_inp", "q4_0"}, {"ffn_down", "q4_k"}, {"position", "q8_0"}}},
        {"blk.0.ffn_gate_inp.weight", "routers", "multiples of 256", "blk.1.ffn_down.weight", "whole numbers"});
}

TEST(QuantiseFile, WhatShouldNotBeDoneIsExplained) {
    const auto file = open_gguf(write_model("refuse.gguf")).value();
    expect_refused(file, {.type = "q17"}, {"q17", "known mixes"});
    expect_refused(file, {.type = "iq2_xs"}, {"importance matrix", "hearth imatrix"});
    expect_refused(file, {.type = "pure-iq1_s"}, {"importance matrix"});
    expect_refused(file, {.type = "q4_k_m", .target_bytes = 1000000}, {"--size", "hq4"});
    const auto other = open_gguf(write_model("imatrix.gguf", {.kind = "imatrix"})).value();
    expect_refused(other, {}, {"imatrix", "no model"});
}

TEST(QuantiseFile, QuantisedInputIsRefusedUnlessAllowed) {
    const auto file = open_gguf(write_model("before.gguf")).value();
    const std::string once = fresh("once.gguf");
    ASSERT_TRUE(write_quantised(file, plan_quantise(file, {.type = "q8_0"}).value(), once, 1));
    const auto again = open_gguf(once).value();
    expect_refused(again, {.type = "q4_k_m"}, {"quantised already", "q8_0", "--allow-requantize"});
    const auto plan = plan_quantise(again, {.type = "q4_k_m", .allow_requantise = true}).value();
    EXPECT_EQ(find(plan, "blk.1.attn_q.weight").type, DType::q4_k);
    EXPECT_TRUE(std::ranges::any_of(plan.notes, [](const std::string& n) { return n.find("second time") != n.npos; }));
    // The same type once more changes nothing, and may.
    const auto same = plan_quantise(again, {.type = "q8_0"}).value();
    const std::string twice = fresh("twice.gguf");
    ASSERT_TRUE(write_quantised(again, same, twice, 2));
    EXPECT_EQ(test::read_bytes(twice), test::read_bytes(once));
}

TEST(QuantiseFile, TypesThatModelsAreTrainedInStay) {
    const auto file = open_gguf(write_model("trained.gguf", {.type = DType::mxfp4})).value();
    const auto plan = plan_quantise(file, {.type = "q4_k_m"}).value();
    EXPECT_EQ(find(plan, "blk.0.ffn_up_exps.weight").type, DType::mxfp4);
    EXPECT_TRUE(std::ranges::any_of(plan.notes, [](const std::string& n) { return n.find("trained") != n.npos; }));
}

TEST(QuantiseFile, NotANumberIsNamed) {
    const auto file = open_gguf(write_model("nan.gguf", {.planted = NAN})).value();
    const auto plan = plan_quantise(file, {.type = "q4_k_m"}).value();
    const std::string out = fresh("nan-out.gguf");
    const auto written = write_quantised(file, plan, out, 2);
    ASSERT_FALSE(written);
    for (const char* word : {"blk.0.ffn_up.weight", "row 1", "column 44"})
        EXPECT_NE(written.error().line().find(word), std::string::npos) << written.error().line();
    EXPECT_FALSE(fs::exists(out) || fs::exists(out + ".part"));
    EXPECT_NE(refusal(file, {.type = "hq4"}).find("blk.0.ffn_up.weight"), std::string::npos);
    const auto large = open_gguf(write_model("large.gguf", {.planted = 1e9f})).value();
    const auto half = write_quantised(large, plan_quantise(large, {.type = "f16"}).value(), out, 1);
    ASSERT_FALSE(half);
    EXPECT_NE(half.error().line().find("more than f16 can"), std::string::npos) << half.error().line();
}

TEST(QuantiseFile, CancelledItLeavesNothing) {
    const auto file = open_gguf(write_model("cancel.gguf")).value();
    const auto plan = plan_quantise(file, {.type = "q4_k_m"}).value();
    const std::string out = fresh("cancel-out.gguf");
    int calls = 0;
    const auto written = write_quantised(file, plan, out, 2, [&](double) {
        EXPECT_TRUE(fs::exists(out + ".part"));
        EXPECT_FALSE(fs::exists(out));
        return ++calls < 5;
    });
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().kind, ErrorKind::cancelled);
    EXPECT_FALSE(fs::exists(out) || fs::exists(out + ".part"));
    const auto measured = plan_quantise(file, {.type = "hq4", .progress = [](double) { return false; }});
    ASSERT_FALSE(measured);
    EXPECT_EQ(measured.error().kind, ErrorKind::cancelled);
}

TEST(QuantiseFile, RoomOnDiskIsAskedFirst) {
    const auto file = open_gguf(write_model("disk.gguf")).value();
    auto plan = plan_quantise(file, {.type = "q8_0"}).value();
    plan.bytes = INT64_MAX / 2;
    const std::string out = fresh("disk-out.gguf");
    const auto written = write_quantised(file, plan, out, 1);
    ASSERT_FALSE(written);
    EXPECT_NE(written.error().line().find("are free"), std::string::npos) << written.error().line();
    EXPECT_FALSE(fs::exists(out) || fs::exists(out + ".part"));
    EXPECT_FALSE(check_room("/no/such/folder/x.gguf", 1, ""));
    EXPECT_TRUE(check_room(out, 1, ""));
    // And never over the file that is read.
    const auto self = write_quantised(file, plan, file.format().parts[0], 1);
    ASSERT_FALSE(self);
    EXPECT_NE(self.error().line().find("the file that is read"), std::string::npos);
}

TEST(QuantiseFile, AnUnfinishedFileNeverReplacesAGoodOne) {
    const auto good = open_gguf(write_model("good.gguf")).value();
    const auto bad = open_gguf(write_model("bad.gguf", {.planted = INFINITY})).value();
    const std::string out = fresh("replaced.gguf");
    ASSERT_TRUE(write_quantised(good, plan_quantise(good, {.type = "q8_0"}).value(), out, 1));
    const auto before = test::read_bytes(out);
    ASSERT_FALSE(write_quantised(bad, plan_quantise(bad, {.type = "q4_0"}).value(), out, 2));
    EXPECT_EQ(test::read_bytes(out), before);
    ASSERT_TRUE(write_quantised(good, plan_quantise(good, {.type = "q4_0"}).value(), out, 2));
    EXPECT_LT(test::read_bytes(out).size(), before.size());
}

double weighed_error(const QuantisePlan& plan, const Checkpoint& written, const BudgetFacts& facts) {
    double sum = 0;
    for (const QuantisedTensor& tensor : plan.tensors) {
        const auto x = values_of(*tensor.source), y = values_of(*written.find(tensor.source->name));
        double error = 0, size = 0;
        for (size_t i = 0; i < x.size(); ++i) error += (x[i] - y[i]) * (x[i] - y[i]), size += x[i] * x[i];
        if (size > 0) sum += std::max(sensitivity_of(tensor.source->name, facts), 1.0) * error / size;
    }
    return sum;
}

TEST(QuantiseFile, AMeasuredChoiceBeatsTheMixOfItsSize) {
    const auto file = open_gguf(write_model("budget.gguf")).value();
    const BudgetFacts facts{.layers = 2};
    const auto make = [&](const char* type, int64_t size) {
        const auto plan = plan_quantise(file, {.type = type, .target_bytes = size, .threads = 2});
        EXPECT_TRUE(plan) << plan.error().line();
        const std::string out = fresh(std::string(type) + "-budget.gguf");
        EXPECT_TRUE(write_quantised(file, *plan, out, 2));
        const auto written = open_gguf(out).value();
        return std::pair(weighed_error(*plan, written, facts), int64_t(fs::file_size(out)));
    };
    const auto mix = make("q4_k_m", 0), measured = make("hq4", 0);
    EXPECT_LE(measured.second, mix.second + 1024);
    EXPECT_LT(measured.first, mix.first);
    const auto larger = make("hq5", 0);
    EXPECT_GT(larger.second, measured.second);
    EXPECT_LT(larger.first, measured.first);
    const auto sized = make("hq4", 100'000);
    EXPECT_LE(sized.second, 100'000);
    EXPECT_GT(sized.second, 92'000);
    expect_refused(file, {.type = "hq4", .target_bytes = 10'000}, {"no choice of types", "--size"});
}

TEST(QuantiseFile, GatesAndOutputsAreWeighed) {
    const BudgetFacts facts{.layers = 24, .is_tied = true};
    EXPECT_EQ(sensitivity_of("blk.3.ssm_alpha.weight", facts), 0);
    EXPECT_GT(sensitivity_of("token_embd.weight", facts), sensitivity_of("blk.0.ssm_out.weight", facts));
    EXPECT_GT(sensitivity_of("blk.0.ssm_out.weight", facts), sensitivity_of("blk.0.ffn_up.weight", facts));
}

TEST(QuantiseFile, ImportanceOfAnotherModelIsRefused) {
    const auto file = open_gguf(write_model("importance.gguf")).value();
    Imatrix imatrix;
    imatrix.importance["blk.0.attn_q.weight"] = std::vector<float>(128, 1.0f);
    expect_refused(file, {.type = "q4_k_m", .imatrix = &imatrix}, {"blk.0.attn_q.weight", "another model"});
    imatrix.importance["blk.0.attn_q.weight"] = std::vector<float>(256, 1.0f);
    const auto plan = plan_quantise(file, {.type = "q4_k_m", .imatrix = &imatrix, .imatrix_path = "a/b.gguf"}).value();
    EXPECT_NE(find(plan, "blk.0.attn_q.weight").importance, nullptr);
    EXPECT_EQ(plan.metadata.text("quantize.imatrix.file"), "b.gguf");
    EXPECT_TRUE(std::ranges::any_of(plan.notes, [](const std::string& n) { return n.find("not in the") != n.npos; }));
}

TEST(QuantiseFile, EveryExpertHasItsOwnImportance) {
    const auto file = open_gguf(write_model("experts.gguf")).value();
    Imatrix imatrix;
    std::vector<float> importance(4 * 256, 1e-4f);
    importance[256 + 7] = 1;  // column 7 of expert 1 alone
    imatrix.importance["blk.0.ffn_up_exps.weight"] = importance;
    const auto plan = plan_quantise(file, {.type = "pure-q2_k", .imatrix = &imatrix}).value();
    const std::string out = fresh("experts-out.gguf");
    ASSERT_TRUE(write_quantised(file, plan, out, 2));
    const auto written = open_gguf(out).value();
    const auto x = values_of(*file.find("blk.0.ffn_up_exps.weight"));
    const auto y = values_of(*written.find("blk.0.ffn_up_exps.weight"));
    double favoured = 0, other = 0;
    for (size_t row = 0; row < 16; ++row) {
        const size_t at = (16 + row) * 256 + 7, same = row * 256 + 7;
        favoured += (x[at] - y[at]) * (x[at] - y[at]);
        other += (x[same] - y[same]) * (x[same] - y[same]);
    }
    EXPECT_LT(favoured, other * 0.05);
}

TEST(QuantiseFile, SizesAreRead) {
    EXPECT_EQ(parse_size("1.5G"), 1'500'000'000);
    EXPECT_EQ(parse_size("800m"), 800'000'000);
    EXPECT_EQ(parse_size("1GiB"), 1 << 30);
    EXPECT_EQ(parse_size("4096"), 4096);
    for (const char* text : {"", "G", "-1G", "1X", "nan", "1e30", "0"}) EXPECT_FALSE(parse_size(text)) << text;
}

}  // namespace
}  // namespace hearth
