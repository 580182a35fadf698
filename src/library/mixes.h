// Which type each tensor gets under a named quantisation mix ("q4_k_m"): the choices of llama-quantize, from shapes and
// names alone.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tensor/dtype.h"

namespace hearth {

// When a clause of a rule applies. n is the number of layers, i the running number of the matrix among its kind.
enum class MixWhen : uint8_t {
    never,
    always,
    more,             // i < n/8, i >= 7n/8, or every third between: the half that earns more bits
    first_eighth,     // i < n/8
    first_sixteenth,  // i < n/16
    middle,           // n/8 <= i < 7n/8
    first_two,
    first_four,
    grouped,               // at least four query heads share one value head
    grouped_or_experts,    // that, or at least four experts
    imatrix_first_eighth,  // an importance matrix is given, and i < n/8
    plain_first_eighth,    // none is given, and i < n/8
    plain,                 // none is given
};

struct MixClause {
    MixWhen when = MixWhen::never;
    DType type = DType::f32;
};

// The first clause that applies decides; none: the base type of the mix.
using MixRule = std::array<MixClause, 2>;

struct Mix {
    std::string_view name;  // as people type it: "q4_k_m"
    uint32_t file_type;     // general.file_type
    DType base;             // most matrices
    DType output;           // the matrix that makes the logits
    MixRule embedding, value, attention_output, query_key, gate_up, down;
    DType value_of_8_experts, key_of_8_experts, attention_output_of_8_experts;  // the Mixtral rule
    bool only_experts = false;   // base holds for stacks of experts alone, every other matrix gets `output`
    bool is_pure = false;        // no rules at all: the base everywhere
    bool needs_imatrix = false;  // too few bits to be good without one (allowed here: random weights do not mind)
};

struct MixTensor {
    std::string_view name;
    std::span<const int64_t> shape;  // outermost first
    DType stored;                    // what it is now; kept when it is never quantised or quantised already
};

struct MixFacts {
    std::string_view architecture;
    int64_t layers = 0;               // block_count, drafting layers included
    int64_t heads = 0, kv_heads = 0;  // of layer 0; 0 where that layer has no attention
    int64_t experts = 0;
    bool has_imatrix = false;
};

std::span<const Mix> mixes();
// A mix ("q4_k_m"), or a weight type that is not the name of a mix ("q4_k", "mxfp4"), or "pure-" and a weight type:
// that type for every matrix. Any case. Unknown names fail with a list of what exists.
Result<Mix> find_mix(std::string_view name);

// One type per tensor, in their order. Fails only for a tensor whose rows no type can hold.
Result<std::vector<DType>> choose_types(const Mix& mix, std::span<const MixTensor> tensors, const MixFacts& facts);

bool is_never_quantised(std::string_view name, size_t dimensions);

}  // namespace hearth
