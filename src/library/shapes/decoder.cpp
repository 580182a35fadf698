// Llama and its near relatives: one attention and one gated feed-forward part per layer. They differ in biases, head
// norms, fused matrices and position keys; each difference is one line below.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "library/shapes/shape.h"
#include "library/vocabularies.h"

namespace hearth {
namespace {

// Llama 3's divisors of the rotation speeds: 1 for short wavelengths, `factor` for long ones, a smooth step between.
std::vector<float> llama3_divisors(int64_t head_width, double base, double factor) {
    constexpr double kTrainedContext = 8192, kLow = 1, kHigh = 4;
    std::vector<float> divisors;
    for (int64_t pair = 0; pair < head_width / 2; ++pair) {
        const double wavelength = 2 * std::numbers::pi * std::pow(base, 2.0 * double(pair) / double(head_width));
        const double step = std::clamp((kTrainedContext / wavelength - kLow) / (kHigh - kLow), 0.0, 1.0);
        divisors.push_back(float(1 / ((1 - step) / factor + step)));
    }
    return divisors;
}

// The published tables of Phi-4-mini grow from 1 to about 61; only their number of entries matters for speed.
void phi4_mini_tables(ModelBuilder& m, int64_t pairs) {
    std::vector<float> growing;
    for (int64_t pair = 0; pair < pairs; ++pair)
        growing.push_back(float(1 + 60 * std::pow(double(pair) / double(pairs - 1), 1.5)));
    m.small("rope_factors_short.weight", {pairs}, Fill::listed(std::vector<float>(size_t(pairs), 1.0f)));
    m.small("rope_factors_long.weight", {pairs}, Fill::listed(growing));
}

void gpt_oss_biases(ModelBuilder& m, const std::string& b, const Shape& s) {
    const auto bias = [&](const char* name, std::vector<int64_t> shape) {
        m.small(b + name + ".bias", std::move(shape), Fill::around(0.0, 0.05));
    };
    m.small(b + "attn_sinks.weight", {s.heads}, Fill::around(1.0, 1.0));
    bias("attn_q", {s.heads * s.head_width});
    bias("attn_k", {s.kv_heads * s.head_width});
    bias("attn_v", {s.kv_heads * s.head_width});
    bias("attn_output", {s.width});
    bias("ffn_gate_inp", {s.experts});
    bias("ffn_gate_exps", {s.experts, s.expert_width});
    bias("ffn_up_exps", {s.experts, s.expert_width});
    bias("ffn_down_exps", {s.experts, s.width});
}

void build(ModelBuilder& m, const Shape& s) {
    const bool is_oss = s.architecture == "gpt-oss", is_phi = s.architecture == "phi3";
    const bool is_qwen2 = s.architecture == "qwen2", has_head_norms = s.architecture.starts_with("qwen3");
    const int64_t query = s.heads * s.head_width, key = s.kv_heads * s.head_width;
    // Attention adds little to what embedding and feed-forward parts make; otherwise all positions, and their choice of
    // experts, become alike.
    const double stream = s.is_tied ? 8.0 / std::sqrt(double(s.width)) : 1.0;
    m.key("feed_forward_length", s.feed_forward);
    m.key("rope.freq_base", s.rope_base);
    m.key("rope.dimension_count", s.rotated ? s.rotated : s.head_width);
    m.key("vocab_size", find_vocabulary(s.vocabulary)->size);
    for (const auto& [name, value] : s.more_keys) m.key(name, value);
    if (s.purpose == Purpose::reranking) m.matrix("cls.", "output", s.width, 2);
    if (!is_phi) {
        m.key("attention.key_length", s.head_width);
        m.key("attention.value_length", s.head_width);
    }
    if (s.rope_factor > 0)
        m.small("rope_freqs.weight", {s.head_width / 2},
                Fill::listed(llama3_divisors(s.head_width, s.rope_base, s.rope_factor)));
    if (is_phi && s.rotated) phi4_mini_tables(m, s.rotated / 2);
    for (int64_t layer = 0; layer < s.layers(); ++layer) {
        const std::string b = "blk." + std::to_string(layer) + ".";
        m.norm(b, "attn_norm", s.width);
        m.norm(b, is_oss ? "post_attention_norm" : "ffn_norm", s.width);
        if (is_phi) {
            m.matrix(b, "attn_qkv", s.width, query + 2 * key);
        } else {
            m.matrix(b, "attn_q", s.width, query);
            m.matrix(b, "attn_k", s.width, key);
            m.matrix(b, "attn_v", s.width, key);
        }
        m.matrix(b, "attn_output", query, s.width, 0.4 * stream);
        if (is_qwen2) {
            m.small(b + "attn_q.bias", {query}, Fill::around(0.0, 0.3));
            m.small(b + "attn_k.bias", {key}, Fill::around(0.0, 0.3));
            m.small(b + "attn_v.bias", {key}, Fill::around(0.0, 0.3));
        }
        if (has_head_norms) {
            m.norm(b, "attn_q_norm", s.head_width);
            m.norm(b, "attn_k_norm", s.head_width);
        }
        if (is_oss) gpt_oss_biases(m, b, s);
        if (s.experts > 0) {
            // gpt-oss was trained with its experts in MXFP4: published files keep them so under every label.
            m.gated_experts(b, s, 3.0 * stream, is_oss ? std::optional(DType::mxfp4) : std::nullopt);
        } else if (is_phi) {
            m.matrix(b, "ffn_up", s.width, 2 * s.feed_forward);  // gate and up in one
            m.matrix(b, "ffn_down", s.feed_forward, s.width, 1.5 * stream);
        } else {
            m.gated_feed_forward(b, s.width, s.feed_forward, 1.5 * stream);
        }
    }
}

struct Row {
    const char* name;
    const char* architecture;
    const char* vocabulary;
    int64_t width, layers, feed_forward, heads, kv_heads, head_width, context;
    double rope_base, eps;
    bool is_tied;
    double rope_factor = 0;
    int64_t rotated = 0, experts = 0, experts_used = 0, expert_width = 0;
    const char* kinds = "A";
};

constexpr Row kRows[] = {
    {"llama3.2:1b", "llama", "llama3", 2048, 16, 8192, 32, 8, 64, 131072, 5e5, 1e-5, true, 32},
    {"llama3.2:3b", "llama", "llama3", 3072, 28, 8192, 24, 8, 128, 131072, 5e5, 1e-5, true, 32},
    {"llama3.1:8b", "llama", "llama3", 4096, 32, 14336, 32, 8, 128, 131072, 5e5, 1e-5, false, 8},

    {"mistral-small:24b", "llama", "mistral", 5120, 40, 32768, 32, 8, 128, 131072, 1e9, 1e-5, false},
    {"ministral3:3b", "mistral3", "mistral", 3072, 26, 9216, 32, 8, 128, 262144, 1e6, 1e-5, true},
    {"ministral3:8b", "mistral3", "mistral", 4096, 34, 14336, 32, 8, 128, 262144, 1e6, 1e-5, false},
    {"ministral3:14b", "mistral3", "mistral", 5120, 40, 16384, 32, 8, 128, 262144, 1e9, 1e-5, false},
    {"devstral-small2:24b", "mistral3", "mistral", 5120, 40, 32768, 32, 8, 128, 393216, 1e8, 1e-5, false},

    {"qwen2.5:0.5b", "qwen2", "qwen2.5", 896, 24, 4864, 14, 2, 64, 32768, 1e6, 1e-6, true},
    {"qwen2.5:1.5b", "qwen2", "qwen2.5", 1536, 28, 8960, 12, 2, 128, 32768, 1e6, 1e-6, true},
    {"qwen2.5:3b", "qwen2", "qwen2.5", 2048, 36, 11008, 16, 2, 128, 32768, 1e6, 1e-6, true},
    {"qwen2.5:7b", "qwen2", "qwen2.5-7b", 3584, 28, 18944, 28, 4, 128, 32768, 1e6, 1e-6, false},
    {"qwen3:0.6b", "qwen3", "qwen3", 1024, 28, 3072, 16, 8, 128, 40960, 1e6, 1e-6, true},
    {"qwen3:1.7b", "qwen3", "qwen3", 2048, 28, 6144, 16, 8, 128, 40960, 1e6, 1e-6, true},
    {"qwen3:4b", "qwen3", "qwen3", 2560, 36, 9728, 32, 8, 128, 40960, 1e6, 1e-6, true},
    {"qwen3:8b", "qwen3", "qwen3", 4096, 36, 12288, 32, 8, 128, 40960, 1e6, 1e-6, false},
    // Files of these have no output matrix: vectors and scores are made without.
    {"qwen3-embedding:0.6b", "qwen3", "qwen3-embedding", 1024, 28, 3072, 16, 8, 128, 32768, 1e6, 1e-6, true},
    {"qwen3-embedding:4b", "qwen3", "qwen3-embedding-4b", 2560, 36, 9728, 32, 8, 128, 40960, 1e6, 1e-6, true},
    {"qwen3-embedding:8b", "qwen3", "qwen3-embedding-4b", 4096, 36, 12288, 32, 8, 128, 40960, 1e6, 1e-6, true},
    {"qwen3-reranker:0.6b", "qwen3", "qwen3-reranker", 1024, 28, 3072, 16, 8, 128, 40960, 1e6, 1e-6, true},
    {"qwen3-reranker:4b", "qwen3", "qwen3-reranker", 2560, 36, 9728, 32, 8, 128, 40960, 1e6, 1e-6, true},
    {"qwen3-reranker:8b", "qwen3", "qwen3-reranker", 4096, 36, 12288, 32, 8, 128, 40960, 1e6, 1e-6, true},
    {"qwen3:30b-a3b", "qwen3moe", "qwen3", 2048, 48, 6144, 32, 4, 128, 40960, 1e6, 1e-6, false, 0, 0, 128, 8, 768},

    {"phi4-mini:3.8b", "phi3", "phi4-mini", 3072, 32, 8192, 24, 8, 128, 131072, 1e4, 1e-5, true, 0, 96},
    {"phi4:14b", "phi3", "phi4", 5120, 40, 17920, 40, 10, 128, 16384, 2.5e5, 1e-5, false},
    {"smollm3:3b", "smollm3", "smollm3", 2048, 36, 11008, 16, 4, 128, 65536, 5e6, 1e-6, true, 0, 0, 0, 0, 0, "RRRN"},
    // Kinds: sliding window (S) and full attention (F); smollm3: layers with (R) and without (N) rotation.
    {"gpt-oss:20b", "gpt-oss", "gpt-oss", 2880, 24, 2880, 64, 8, 64, 131072, 1.5e5, 1e-5, false, 0, 0, 32, 4, 2880,
     "SF"},
    {"gpt-oss:120b", "gpt-oss", "gpt-oss", 2880, 36, 2880, 64, 8, 64, 131072, 1.5e5, 1e-5, false, 0, 0, 128, 4, 2880,
     "SF"},
};

ShapeKeys mistral3_keys(double factor, int64_t original_context) {
    return {{"rope.scaling.type", "yarn"},
            {"rope.scaling.factor", factor},
            {"rope.scaling.original_context_length", original_context},
            {"rope.scaling.yarn_beta_fast", 32.0},
            {"rope.scaling.yarn_beta_slow", 1.0},
            {"rope.scaling.yarn_log_multiplier", 1.0},
            {"attention.temperature_scale", 0.1}};
}

ShapeKeys position_keys(const Row& row) {
    const std::string_view name = row.name, architecture = row.architecture;
    if (name.starts_with("ministral3")) return mistral3_keys(16, 16384);
    if (name.starts_with("devstral")) return mistral3_keys(48, 8192);
    if (architecture == "gpt-oss")
        return {{"rope.scaling.type", "yarn"},
                {"rope.scaling.factor", 32.0},
                {"rope.scaling.original_context_length", int64_t{4096}},
                {"attention.sliding_window", int64_t{128}}};
    if (name.starts_with("phi4-mini"))
        return {{"rope.scaling.original_context_length", int64_t{4096}},
                {"rope.scaling.attn_factor", std::sqrt(1 + std::log(32.0) / std::log(4096.0))},
                {"attention.sliding_window", int64_t{262144}}};
    if (name.starts_with("phi4:"))
        return {{"rope.scaling.original_context_length", int64_t{16384}}, {"attention.sliding_window", int64_t{0}}};
    return {};
}

Purpose purpose_of(const Row& row) {
    const std::string_view name = row.name;
    if (name.starts_with("qwen3-embedding")) return Purpose::embedding;
    if (name.starts_with("qwen3-reranker")) return Purpose::reranking;
    return Purpose::text;
}

ShapeKeys more_keys(const Row& row) {
    constexpr int64_t kLast = 3, kRank = 4;
    ShapeKeys keys = position_keys(row);
    const Purpose purpose = purpose_of(row);
    if (purpose == Purpose::embedding) keys.emplace_back("pooling_type", kLast);
    if (purpose == Purpose::reranking) {
        keys.emplace_back("pooling_type", kRank);
        keys.emplace_back("classifier.output_labels", std::vector<std::string>{"yes", "no"});
    }
    return keys;
}

}  // namespace

std::vector<Shape> decoder_shapes() {
    std::vector<Shape> shapes;
    for (const Row& row : kRows)
        shapes.push_back({.name = row.name,
                          .architecture = row.architecture,
                          .vocabulary = row.vocabulary,
                          .purpose = purpose_of(row),
                          .kinds = pattern_of_length(row.kinds, row.layers),
                          .width = row.width,
                          .feed_forward = row.feed_forward,
                          .heads = row.heads,
                          .kv_heads = row.kv_heads,
                          .head_width = row.head_width,
                          .context = row.context,
                          .eps = row.eps,
                          .rope_base = row.rope_base,
                          .is_tied = row.is_tied,
                          .experts = row.experts,
                          .experts_used = row.experts_used,
                          .expert_width = row.expert_width,
                          .rotated = row.rotated,
                          .rope_factor = row.rope_factor,
                          .more_keys = more_keys(row),
                          .build = build});
    return shapes;
}

}  // namespace hearth
