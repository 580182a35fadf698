// Rotary embeddings: every published scaling scheme is a choice of one frequency per pair, made here, once.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "models/source.h"
#include "ops/ops.h"

namespace hearth {

struct RopeConfig {
    int64_t dims = 0;  // rotated values of a head; pairs = dims / 2
    double base = 10000;
    bool adjacent = false;
    std::string scaling = "none";  // none, linear, yarn, longrope: linear beside a table of divisors
    double factor = 1, original_context = 0, attention_factor = 1;
    double beta_fast = 32, beta_slow = 1, log_multiplier = 0;
    std::span<const float> divisors;    // one per pair, optional; >= 1e29: the pair does not turn
    std::array<int64_t, 4> sections{};  // interleaved multi-axis form; all zero: one axis
};

Rope make_rope(const RopeConfig& config);
// The scaling keys that all families share: rope.scaling.{type, factor, original_context_length, attn_factor}.
RopeConfig read_rope(Source& source, int64_t dims, int64_t context_tokens);
// The keys of YaRN that few families let a file say: rope.scaling.{yarn_beta_fast, yarn_beta_slow}, and the
// yarn_log_multiplier, which takes back some or all (1) of the magnitude.
void read_yarn(Source& source, RopeConfig& config);

}  // namespace hearth
