// ModernBERT, and nomic-bert with experts: no run of another engine was recorded, so each is held against its formulas
// in double, written down here a second time.
#include <cmath>

#include "base/rng.h"
#include "files/gguf_writer.h"
#include "models/embedding_run.h"

namespace hearth {
namespace {

using Vector = std::vector<double>;
using Rows = std::vector<Vector>;

// Named random matrices: the file's content and the oracle's.
class Tiny {
public:
    void matrix(const std::string& name, int64_t out, int64_t in, double size) { fill(name, {out, in}, 0, size); }
    void vector(const std::string& name, int64_t width, double around) { fill(name, {width}, around, 0.1); }
    const std::vector<float>& at(const std::string& name) const { return values_.at(name); }

    // y = W x
    Vector times(const std::string& name, const Vector& x, int64_t stack = 0) const {
        const auto& w = at(name);
        const auto& shape = shapes_.at(name);
        const size_t out = size_t(shape[shape.size() - 2]), in = size_t(shape.back());
        Vector y(out);
        for (size_t row = 0; row < out; ++row)
            for (size_t i = 0; i < in; ++i) y[row] += double(w[(size_t(stack) * out + row) * in + i]) * x[i];
        return y;
    }
    Vector plus(Vector x, const std::string& name) const {
        for (size_t i = 0; i < x.size(); ++i) x[i] += double(at(name)[i]);
        return x;
    }
    Vector norm(const Vector& x, const std::string& name) const {
        double mean = 0, squares = 0;
        for (const double value : x) mean += value / double(x.size());
        for (const double value : x) squares += (value - mean) * (value - mean) / double(x.size());
        Vector y(x.size());
        for (size_t i = 0; i < x.size(); ++i) {
            y[i] = (x[i] - mean) / std::sqrt(squares + 1e-5) * double(at(name + ".weight")[i]);
            if (values_.contains(name + ".bias")) y[i] += double(at(name + ".bias")[i]);
        }
        return y;
    }
    void stack(const std::string& name, int64_t count, int64_t out, int64_t in, double size) {
        fill(name, {count, out, in}, 0, size);
    }

    // Keys and tokenizer come from a recorded file of the family's kind.
    std::string write(const std::string& name, const std::string& family,
                      const std::vector<std::pair<std::string, MetadataValue>>& keys) const {
        const auto source = open_gguf(test::shared_path("reference/bert/nomic-a.gguf"));
        const std::string path = test::temporary_directory() + "/" + name;
        GgufWriter writer(path);
        writer.set_text("general.architecture", family);
        for (const auto& entry : source->metadata().entries())
            if (entry.key.starts_with("tokenizer.")) writer.set(entry.key, entry.value);
        for (const auto& [key, value] : keys) writer.set(family + "." + key, value);
        for (const auto& [tensor, shape] : shapes_) writer.declare(tensor, DType::f32, shape);
        EXPECT_TRUE(writer.start());
        for (const auto& [tensor, shape] : shapes_)
            EXPECT_TRUE(writer.write(std::as_bytes(std::span(values_.at(tensor)))));
        EXPECT_TRUE(writer.finish());
        return path;
    }

private:
    void fill(const std::string& name, std::vector<int64_t> shape, double around, double size) {
        int64_t count = 1;
        for (const int64_t dimension : shape) count *= dimension;
        auto& values = values_[name];
        for (int64_t i = 0; i < count; ++i) values.push_back(float(around + size * double(rng_.normal())));
        shapes_[name] = std::move(shape);
    }
    Rng rng_{7};
    std::map<std::string, std::vector<float>> values_;
    std::map<std::string, std::vector<int64_t>> shapes_;
};

constexpr int64_t kHidden = 32, kWide = 48, kHeads = 4, kHead = 8, kVocabulary = 512;

double gelu(double x) {
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}
double silu(double x) {
    return x / (1 + std::exp(-x));
}

// Attention over one text: q, k, v in one row each; `reach`: how far a token sees on either side.
Rows attend(const Rows& qkv, double base, int64_t reach) {
    const int64_t count = int64_t(qkv.size());
    Rows out(qkv.size(), Vector(kHidden));
    const auto turned = [&](int64_t token, int64_t begin) {
        Vector x(qkv[size_t(token)].begin() + begin, qkv[size_t(token)].begin() + begin + kHead);
        for (int64_t pair = 0; pair < kHead / 2; ++pair) {
            const double angle = double(token) * std::pow(base, -2.0 * double(pair) / double(kHead));
            const double a = x[size_t(pair)], b = x[size_t(pair + kHead / 2)];
            x[size_t(pair)] = a * std::cos(angle) - b * std::sin(angle);
            x[size_t(pair + kHead / 2)] = a * std::sin(angle) + b * std::cos(angle);
        }
        return x;
    };
    for (int64_t head = 0; head < kHeads; ++head)
        for (int64_t query = 0; query < count; ++query) {
            const Vector q = turned(query, head * kHead);
            double total = 0;
            Vector sum(kHead);
            for (int64_t key = std::max<int64_t>(0, query - reach); key <= std::min(count - 1, query + reach); ++key) {
                const Vector k = turned(key, kHidden + head * kHead);
                double score = 0;
                for (size_t i = 0; i < kHead; ++i) score += q[i] * k[i];
                const double weight = std::exp(score / std::sqrt(double(kHead)));
                total += weight;
                for (size_t i = 0; i < kHead; ++i)
                    sum[i] += weight * qkv[size_t(key)][size_t(2 * kHidden + head * kHead) + i];
            }
            for (size_t i = 0; i < kHead; ++i) out[size_t(query)][size_t(head * kHead) + i] = sum[i] / total;
        }
    return out;
}

Vector sum_of(Vector a, const Vector& b) {
    for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
    return a;
}

Vector embedding(const Tiny& file, int32_t id) {
    const auto& table = file.at("token_embd.weight");
    return {table.begin() + id * kHidden, table.begin() + (id + 1) * kHidden};
}

const std::vector<int32_t> kText = [] {
    Rng rng(3);
    std::vector<int32_t> ids;
    for (int i = 0; i < 90; ++i) ids.push_back(int32_t(rng.below(kVocabulary)));
    return ids;
}();

std::vector<std::pair<std::string, MetadataValue>> common_keys() {
    return {{"block_count", MetadataValue::of(uint32_t{4})},
            {"context_length", MetadataValue::of(uint32_t{128})},
            {"embedding_length", MetadataValue::of(uint32_t(kHidden))},
            {"feed_forward_length", MetadataValue::of(uint32_t(kWide))},
            {"attention.head_count", MetadataValue::of(uint32_t(kHeads))},
            {"attention.layer_norm_epsilon", MetadataValue::of(1e-5f)},
            {"attention.causal", MetadataValue::of(false)}};
}

void expect_rows(const std::string& path, const Rows& truth) {
    std::vector<float> expected;
    for (const Vector& row : truth) expected.insert(expected.end(), row.begin(), row.end());
    for (test::RunOptions options : test::every_row()) {
        options.context = 128;
        const auto engine = test::open_engine(path, options);
        ASSERT_TRUE(engine);
        const auto reading = test::read_texts(*engine, {kText}, RowKind::hidden, Pooling::mean)[0];
        ASSERT_EQ(reading.rows.size(), expected.size()) << reading.error;
        EXPECT_LE(test::relative_rms(reading.rows, expected), 1e-5) << test::describe(options);
    }
}

void expect_hostile_files_are_survived(const std::string& path) {
    test::expect_every_tensor_is_checked(path, {});
    test::expect_absurd_numbers_are_survived(path);
}

TEST(ModernBert, RowsAreThoseOfItsFormulas) {
    NEED_SHARED("reference/bert");
    for (const std::string activation : {"gelu", "silu"}) {
        Tiny file;
        file.matrix("token_embd.weight", kVocabulary, kHidden, 1);
        file.vector("token_embd_norm.weight", kHidden, 1);
        file.vector("output_norm.weight", kHidden, 1);
        for (int i = 0; i < 4; ++i) {
            const std::string blk = fmt::format("blk.{}.", i);
            if (i > 0) file.vector(blk + "attn_norm.weight", kHidden, 1);
            file.vector(blk + "ffn_norm.weight", kHidden, 1);
            file.matrix(blk + "attn_qkv.weight", 3 * kHidden, kHidden, 0.2);
            file.matrix(blk + "attn_output.weight", kHidden, kHidden, 0.2);
            file.matrix(blk + "ffn_up.weight", 2 * kWide, kHidden, 0.2);
            file.matrix(blk + "ffn_down.weight", kHidden, kWide, 0.2);
        }
        auto keys = common_keys();
        keys.emplace_back("attention.sliding_window", MetadataValue::of(uint32_t{20}));
        keys.emplace_back("attention.sliding_window_pattern", MetadataValue::of(uint32_t{3}));
        keys.emplace_back("rope.freq_base", MetadataValue::of(160000.0f));
        keys.emplace_back("rope.freq_base_swa", MetadataValue::of(10000.0f));
        keys.emplace_back("hidden_activation", MetadataValue::text_of(activation));

        Rows x;
        for (const int32_t id : kText) x.push_back(file.norm(embedding(file, id), "token_embd_norm"));
        for (int i = 0; i < 4; ++i) {
            const std::string blk = fmt::format("blk.{}.", i);
            Rows qkv;
            for (const Vector& row : x)
                qkv.push_back(file.times(blk + "attn_qkv.weight", i == 0 ? row : file.norm(row, blk + "attn_norm")));
            const bool is_global = i % 3 == 0;
            const Rows seen = attend(qkv, is_global ? 160000 : 10000, is_global ? 1000 : 10);
            for (size_t token = 0; token < x.size(); ++token) {
                x[token] = sum_of(x[token], file.times(blk + "attn_output.weight", seen[token]));
                const Vector wide = file.times(blk + "ffn_up.weight", file.norm(x[token], blk + "ffn_norm"));
                Vector gated(kWide);
                for (size_t j = 0; j < kWide; ++j)
                    gated[j] = (activation == "gelu" ? gelu(wide[j]) : silu(wide[j])) * wide[kWide + j];
                x[token] = sum_of(x[token], file.times(blk + "ffn_down.weight", gated));
            }
        }
        for (Vector& row : x) row = file.norm(row, "output_norm");
        const std::string path = file.write("modern.gguf", "modern-bert", keys);
        expect_rows(path, x);
        if (activation == "gelu") expect_hostile_files_are_survived(path);
    }
}

TEST(NomicBertMoe, RowsAreThoseOfItsFormulas) {
    NEED_SHARED("reference/bert");
    constexpr int64_t kExperts = 5, kUsed = 2;
    Tiny file;
    file.matrix("token_embd.weight", kVocabulary, kHidden, 1);
    file.matrix("token_types.weight", 1, kHidden, 1);
    const auto norm = [&](const std::string& name) {
        file.vector(name + ".weight", kHidden, 1);
        file.vector(name + ".bias", kHidden, 0);
    };
    const auto biased = [&](const std::string& name, int64_t out, int64_t in) {
        file.matrix(name + ".weight", out, in, 0.2);
        file.vector(name + ".bias", out, 0);
    };
    norm("token_embd_norm");
    for (int i = 0; i < 4; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        biased(blk + "attn_qkv", 3 * kHidden, kHidden);
        biased(blk + "attn_output", kHidden, kHidden);
        norm(blk + "attn_output_norm");
        norm(blk + "layer_output_norm");
        if (i % 2 == 1) {
            file.matrix(blk + "ffn_gate_inp.weight", kExperts, kHidden, 0.5);
            file.stack(blk + "ffn_up_exps.weight", kExperts, kWide, kHidden, 0.2);
            file.stack(blk + "ffn_down_exps.weight", kExperts, kHidden, kWide, 0.2);
        } else {
            biased(blk + "ffn_up", kWide, kHidden);
            biased(blk + "ffn_down", kHidden, kWide);
        }
    }
    auto keys = common_keys();
    keys.emplace_back("rope.freq_base", MetadataValue::of(10000.0f));
    keys.emplace_back("moe_every_n_layers", MetadataValue::of(uint32_t{2}));
    keys.emplace_back("expert_count", MetadataValue::of(uint32_t(kExperts)));
    keys.emplace_back("expert_used_count", MetadataValue::of(uint32_t(kUsed)));

    Rows x;
    for (const int32_t id : kText)
        x.push_back(file.norm(file.plus(embedding(file, id), "token_types.weight"), "token_embd_norm"));
    for (int i = 0; i < 4; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        Rows qkv;
        for (const Vector& row : x)
            qkv.push_back(file.plus(file.times(blk + "attn_qkv.weight", row), blk + "attn_qkv.bias"));
        const Rows seen = attend(qkv, 10000, 1000);
        for (size_t token = 0; token < x.size(); ++token) {
            const Vector output =
                file.plus(file.times(blk + "attn_output.weight", seen[token]), blk + "attn_output.bias");
            const Vector h = file.norm(sum_of(x[token], output), blk + "attn_output_norm");
            Vector y(kHidden);
            if (i % 2 == 1) {
                const Vector scores = file.times(blk + "ffn_gate_inp.weight", h);
                double total = 0;
                for (const double score : scores) total += std::exp(score);
                std::vector<int64_t> order{0, 1, 2, 3, 4};
                std::ranges::sort(order, std::greater(), [&](int64_t e) { return scores[size_t(e)]; });
                for (int64_t rank = 0; rank < kUsed; ++rank) {
                    Vector wide = file.times(blk + "ffn_up_exps.weight", h, order[size_t(rank)]);
                    for (double& value : wide) value = gelu(value);
                    const Vector one = file.times(blk + "ffn_down_exps.weight", wide, order[size_t(rank)]);
                    const double share = std::exp(scores[size_t(order[size_t(rank)])]) / total;
                    for (size_t j = 0; j < y.size(); ++j) y[j] += share * one[j];
                }
            } else {
                Vector wide = file.plus(file.times(blk + "ffn_up.weight", h), blk + "ffn_up.bias");
                for (double& value : wide) value = gelu(value);
                y = file.plus(file.times(blk + "ffn_down.weight", wide), blk + "ffn_down.bias");
            }
            x[token] = file.norm(sum_of(h, y), blk + "layer_output_norm");
        }
    }
    const std::string path = file.write("moe.gguf", "nomic-bert-moe", keys);
    expect_rows(path, x);
    expect_hostile_files_are_survived(path);
}

}  // namespace
}  // namespace hearth
