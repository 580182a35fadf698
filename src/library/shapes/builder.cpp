// The parts of a model that all families have in common, and the scale of random weights that keeps activations in
// their usual range.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "library/shapes/shape.h"
#include "library/vocabularies.h"

namespace hearth {

std::string repeated(std::string_view pattern, int64_t times) {
    std::string text;
    for (int64_t i = 0; i < times; ++i) text += pattern;
    return text;
}

std::string pattern_of_length(std::string_view pattern, int64_t length) {
    std::string text;
    for (int64_t i = 0; i < length; ++i) text += pattern[size_t(i) % pattern.size()];
    return text;
}

int64_t BuiltTensor::elements() const {
    int64_t product = 1;
    for (int64_t dimension : shape) product *= dimension;
    return product;
}

ModelBuilder::ModelBuilder(const Shape& shape) : prefix_(shape.architecture + ".") {}

void ModelBuilder::key(std::string_view name, ShapeValue value) {
    const std::string full = prefix_ + std::string(name);
    for (auto& [known, old] : keys_)
        if (known == full) {
            old = std::move(value);
            return;
        }
    keys_.emplace_back(full, std::move(value));
}

void ModelBuilder::matrix(const std::string& block, std::string_view name, int64_t inputs, int64_t outputs,
                          double gain) {
    tensors_.push_back(
        {block + std::string(name) + ".weight", {outputs, inputs}, Fill::matrix(gain / std::sqrt(double(inputs))), {}});
}

void ModelBuilder::expert_matrix(const std::string& block, std::string_view name, int64_t inputs, int64_t outputs,
                                 int64_t experts, double gain, std::optional<DType> only) {
    tensors_.push_back({block + std::string(name) + ".weight",
                        {experts, outputs, inputs},
                        Fill::matrix(gain / std::sqrt(double(inputs))),
                        only});
}

void ModelBuilder::small(const std::string& name, std::vector<int64_t> shape, Fill fill) {
    tensors_.push_back({name, std::move(shape), std::move(fill), DType::f32});
}

void ModelBuilder::norm(const std::string& block, std::string_view name, int64_t width, double mean) {
    small(block + std::string(name) + ".weight", {width}, Fill::around(mean, 0.1));
}

void ModelBuilder::bias(const std::string& block, std::string_view name, int64_t width) {
    small(block + std::string(name) + ".bias", {width}, Fill::around(0.0, 0.05));
}

void ModelBuilder::gated_feed_forward(const std::string& block, int64_t width, int64_t inner, double gain,
                                      std::string_view suffix) {
    const std::string end(suffix);
    matrix(block, "ffn_gate" + end, width, inner);
    matrix(block, "ffn_up" + end, width, inner);
    matrix(block, "ffn_down" + end, inner, width, gain);
}

void ModelBuilder::router(const std::string& block, const Shape& s) {
    small(block + "ffn_gate_inp.weight", {s.experts, s.width}, Fill::around(0.0, 2.0 / std::sqrt(double(s.width))));
}

void ModelBuilder::gated_experts(const std::string& block, const Shape& s, double gain, std::optional<DType> only) {
    router(block, s);
    expert_matrix(block, "ffn_gate_exps", s.width, s.expert_width, s.experts, 1.0, only);
    expert_matrix(block, "ffn_up_exps", s.width, s.expert_width, s.experts, 1.0, only);
    expert_matrix(block, "ffn_down_exps", s.expert_width, s.width, s.experts, gain, only);
}

ModelBuilder ModelBuilder::built(const Shape& s) {
    ModelBuilder m(s);
    m.key("block_count", s.layers() + s.drafting_layers);
    m.key("context_length", s.context);
    m.key("embedding_length", s.width);
    m.key("attention.head_count", s.heads);
    m.key("attention.head_count_kv", s.kv_heads);
    m.key(s.eps_key, s.eps);
    if (s.experts > 0) {
        m.key("expert_count", s.experts);
        m.key("expert_used_count", s.experts_used);
        m.key("expert_feed_forward_length", s.expert_width);
    }
    // An embedding that also makes the logits is scaled as an output matrix; signs in the last norm keep it from
    // favouring the token just read.
    const int64_t words = find_vocabulary(s.vocabulary)->size;
    constexpr double kOutputGain = 2.0;
    m.matrix("", "token_embd", s.width, words, s.is_tied ? kOutputGain : 0.5 * std::sqrt(double(s.width)));
    if (!s.last_norm.empty()) m.small(s.last_norm + ".weight", {s.width}, Fill::signs());
    if (!s.is_tied) m.matrix("", "output", s.width, words, kOutputGain);
    s.build(m, s);
    return m;
}

std::string fewer_layers(const Shape& s, int64_t wanted) {
    const std::set<char> all(s.kinds.begin(), s.kinds.end());
    const int64_t total = s.layers(), last_start = s.starts_anywhere ? total - wanted : 0;
    std::string best;
    int64_t best_distance = 0;
    for (int64_t start = 0; wanted > 0 && wanted <= total && start <= last_start; ++start) {
        const std::string part = s.kinds.substr(size_t(start), size_t(wanted));
        if (std::set<char>(part.begin(), part.end()) != all) continue;
        int64_t distance = 0;
        for (char kind : all) {
            const int64_t here = std::count(part.begin(), part.end(), kind);
            const int64_t whole = std::count(s.kinds.begin(), s.kinds.end(), kind);
            distance += std::abs(here * total - whole * wanted);
        }
        if (best.empty() || distance < best_distance) best = part, best_distance = distance;
    }
    return best;
}

int64_t fewest_layers(const Shape& shape) {
    int64_t layers = 1;
    while (layers < shape.layers() && fewer_layers(shape, layers).empty()) ++layers;
    return layers;
}

}  // namespace hearth
