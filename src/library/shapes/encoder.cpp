// BERT and its heirs, which read a text both ways and write none: vectors and scores. Kinds: dense (D) and experts (E)
// in the layers of nomic-embed; the whole text (G) and the neighbourhood (L) in those of ModernBERT.
#include <cmath>

#include "library/shapes/shape.h"

namespace hearth {
namespace {

constexpr int64_t kMean = 1, kFirst = 2, kRank = 4;

void norm(ModelBuilder& m, const std::string& block, std::string_view name, int64_t width) {
    m.norm(block, name, width);
    m.bias(block, name, width);
}

void common_keys(ModelBuilder& m, const Shape& s) {
    m.key("feed_forward_length", s.feed_forward);
    m.key("attention.causal", false);
    for (const auto& [name, value] : s.more_keys) m.key(name, value);
}

// Two kinds of segment, but one where the vocabulary has no mark for a second.
void embedding(ModelBuilder& m, const Shape& s) {
    const int64_t segments = s.vocabulary.starts_with("xlm-r") ? 1 : 2;
    m.small("token_types.weight", {segments, s.width}, Fill::around(0.0, 0.1));
    norm(m, "", "token_embd_norm", s.width);
}

void build_bert(ModelBuilder& m, const Shape& s) {
    common_keys(m, s);
    embedding(m, s);
    m.small("position_embd.weight", {s.context, s.width}, Fill::around(0.0, 0.1));
    const auto biased = [&](const std::string& b, std::string_view name, int64_t inputs, int64_t outputs) {
        m.matrix(b, name, inputs, outputs);
        m.bias(b, name, outputs);
    };
    for (int64_t layer = 0; layer < s.layers(); ++layer) {
        const std::string b = "blk." + std::to_string(layer) + ".";
        for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"}) biased(b, name, s.width, s.width);
        norm(m, b, "attn_output_norm", s.width);
        biased(b, "ffn_up", s.width, s.feed_forward);
        biased(b, "ffn_down", s.feed_forward, s.width);
        norm(m, b, "layer_output_norm", s.width);
    }
    if (s.purpose != Purpose::reranking) return;
    biased("", "cls", s.width, s.width);
    biased("cls.", "output", s.width, 1);
}

void build_nomic(ModelBuilder& m, const Shape& s) {
    const bool has_biases = s.experts > 0;
    common_keys(m, s);
    m.key("rope.freq_base", s.rope_base);
    if (s.experts > 0) m.key("moe_every_n_layers", int64_t{2});
    embedding(m, s);
    const auto matrix = [&](const std::string& b, std::string_view name, int64_t inputs, int64_t outputs) {
        m.matrix(b, name, inputs, outputs);
        if (has_biases) m.bias(b, name, outputs);
    };
    for (int64_t layer = 0; layer < s.layers(); ++layer) {
        const std::string b = "blk." + std::to_string(layer) + ".";
        matrix(b, "attn_qkv", s.width, 3 * s.width);
        matrix(b, "attn_output", s.width, s.width);
        norm(m, b, "attn_output_norm", s.width);
        if (s.kinds[size_t(layer)] == 'E') {
            m.router(b, s);
            m.expert_matrix(b, "ffn_up_exps", s.width, s.expert_width, s.experts);
            m.expert_matrix(b, "ffn_down_exps", s.expert_width, s.width, s.experts);
        } else {
            if (s.experts == 0) m.matrix(b, "ffn_gate", s.width, s.feed_forward);
            matrix(b, "ffn_up", s.width, s.feed_forward);
            matrix(b, "ffn_down", s.feed_forward, s.width);
        }
        norm(m, b, "layer_output_norm", s.width);
    }
}

void build_modern(ModelBuilder& m, const Shape& s) {
    common_keys(m, s);
    m.key("rope.freq_base", s.rope_base);
    m.key("rope.freq_base_swa", 1e4);
    m.key("attention.sliding_window", s.window);
    m.key("attention.sliding_window_pattern", int64_t{3});
    m.norm("", "token_embd_norm", s.width);
    for (int64_t layer = 0; layer < s.layers(); ++layer) {
        const std::string b = "blk." + std::to_string(layer) + ".";
        if (layer > 0) m.norm(b, "attn_norm", s.width);
        m.matrix(b, "attn_qkv", s.width, 3 * s.width);
        m.matrix(b, "attn_output", s.width, s.width);
        m.norm(b, "ffn_norm", s.width);
        m.matrix(b, "ffn_up", s.width, 2 * s.feed_forward);  // gate and up in one
        m.matrix(b, "ffn_down", s.feed_forward, s.width);
    }
}

struct Row {
    const char* name;
    const char* architecture;
    const char* vocabulary;
    const char* kinds;
    int64_t width, layers, feed_forward, heads, context;
    double eps;
    int64_t pooling;
    double rope_base = 0;
    int64_t window = 0, experts = 0, experts_used = 0;
};

constexpr Row kRows[] = {
    {"all-minilm:22m", "bert", "bert", "D", 384, 6, 1536, 12, 512, 1e-12, kMean},
    {"bge-small:33m", "bert", "bert", "D", 384, 12, 1536, 12, 512, 1e-12, kFirst},
    {"bge-base:109m", "bert", "bert", "D", 768, 12, 3072, 12, 512, 1e-12, kFirst},
    {"bge-large:335m", "bert", "bert", "D", 1024, 24, 4096, 16, 512, 1e-12, kFirst},
    {"bge-m3:567m", "bert", "xlm-r", "D", 1024, 24, 4096, 16, 8192, 1e-5, kFirst},
    {"bge-reranker-v2-m3:568m", "bert", "xlm-r", "D", 1024, 24, 4096, 16, 8192, 1e-5, kRank},
    {"nomic-embed:v1.5", "nomic-bert", "bert-nomic", "D", 768, 12, 3072, 12, 2048, 1e-12, kMean, 1000},
    {"nomic-embed:v2-moe", "nomic-bert-moe", "xlm-r-nomic", "DE", 768, 12, 3072, 12, 512, 1e-5, kMean, 10000, 0, 8, 2},
    {"modernbert:base", "modern-bert", "modernbert", "GLL", 768, 22, 1152, 12, 8192, 1e-5, kFirst, 160000, 128},
    {"modernbert:large", "modern-bert", "modernbert", "GLL", 1024, 28, 2624, 16, 8192, 1e-5, kFirst, 160000, 128},
};

}  // namespace

std::vector<Shape> encoder_shapes() {
    std::vector<Shape> shapes;
    for (const Row& row : kRows) {
        const std::string_view architecture = row.architecture;
        const bool is_modern = architecture == "modern-bert";
        shapes.push_back({.name = row.name,
                          .architecture = row.architecture,
                          .vocabulary = row.vocabulary,
                          .purpose = row.pooling == kRank ? Purpose::reranking : Purpose::embedding,
                          .kinds = pattern_of_length(row.kinds, row.layers),
                          .width = row.width,
                          .feed_forward = row.feed_forward,
                          .heads = row.heads,
                          .kv_heads = row.heads,
                          .context = row.context,
                          .eps = row.eps,
                          .rope_base = row.rope_base,
                          .eps_key = "attention.layer_norm_epsilon",
                          .last_norm = is_modern ? "output_norm" : "",
                          .is_tied = true,  // nothing makes logits
                          .experts = row.experts,
                          .experts_used = row.experts_used,
                          .expert_width = row.experts ? row.feed_forward : 0,
                          .window = row.window,
                          .more_keys = {{"pooling_type", row.pooling}},
                          .build = architecture == "bert" ? build_bert
                                   : is_modern            ? build_modern
                                                          : build_nomic});
    }
    return shapes;
}

}  // namespace hearth
