#include "models/plain_decoder.h"

#include <cmath>

namespace hearth {

RopeConfig PlainDecoder::read_sizes(Source& file) {
    info_ = read_info(file);
    heads_ = read_heads(file, info_.hidden);
    eps_ = float(file.number("attention.layer_norm_rms_epsilon"));
    intermediate_size_ = uniform_entry(file, "feed_forward_length", 1, 1 << 24);
    return read_rope(file, read_rotated(file, heads_.width), info_.context_tokens);
}

PlainDecoder::Attention PlainDecoder::load_attention(Source& file, const std::string& blk) const {
    return {.qkv = load_qkv(file, blk, heads_, info_.hidden),
            .output = file.weight(blk + "attn_output.weight", info_.hidden, heads_.query_width()),
            .norm = file.floats(blk + "attn_norm.weight", info_.hidden)};
}

void PlainDecoder::attend(Ops& ops, const Attention& w, const QueryKeyValue& heads, Tensor x, const LayerState& state,
                          const Step& step) const {
    const AttentionRule rule{.scale = 1 / std::sqrt(float(heads_.width))};
    const Tensor y = ops.attention(heads.query, heads.key, heads.value, rule, *state.kv, step);
    ops.add_to(x, ops.linear(y.joined(), w.output));
}

}  // namespace hearth
