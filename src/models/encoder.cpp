#include "models/encoder.h"

#include <algorithm>

namespace hearth {

void Encoder::read_sizes(Source& file) {
    info_.architecture = file.architecture();
    info_.name = std::string(file.metadata().text("general.name").value_or(""));
    info_.is_causal = false;
    info_.generates = false;
    info_.layers = file.integer("block_count", 1, 1 << 14);
    info_.context_tokens = file.integer("context_length", 1, 1 << 24);
    hidden_size_ = info_.hidden = file.integer("embedding_length", 1, 1 << 20);
    intermediate_size_ = file.integer("feed_forward_length", 1, 1 << 24);
    num_heads_ = file.integer("attention.head_count", 1, 1 << 16);
    if (hidden_size_ % num_heads_ != 0) file.problem("embedding_length is no multiple of attention.head_count");
    head_dim_ = std::max<int64_t>(1, hidden_size_ / num_heads_);
    eps_ = float(file.number("attention.layer_norm_epsilon"));
}

}  // namespace hearth
