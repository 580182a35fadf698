// hq4 and hq5: which type each tensor gets when the whole file may have so many bytes. Every matrix is tried in every
// type on some of its rows; what the errors mean for the model is weighed by the part the matrix plays; then bytes go
// where they remove most of the weighed error.
//
// The weighing. The error of a product is noise on its output. The outputs of the L layers add up in the residual
// stream, so noise in one layer is about 1/L of what the same relative noise would be in the output matrix, which
// nothing averages, or in the embedding, on which all layers build. Within a layer the matrices that feed recurrent
// state, short convolutions and attention count two to four times a feed-forward matrix: so much more did single roles
// in five bits move the logits of the reference models. The gates that decide how long a recurrent state lives are tiny
// and never go below q8_0; the first eighth of the layers counts twice.
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "files/checkpoint.h"
#include "tensor/dtype.h"

namespace hearth {

struct BudgetTensor {
    const StoredTensor* source;
    const std::vector<float>* importance;  // of all its columns, planes one after the other; null: none
    DType fixed;                           // its type if it has no choice
    bool has_choice;
};

struct BudgetFacts {
    int64_t layers = 1;
    bool is_tied = false;  // the embedding is the output matrix too
    int level = 4;         // 4 or 5: the least types of fragile matrices
    int64_t target_bytes = 0;
    int threads = 1;
};

struct BudgetChoice {
    std::vector<DType> types;
    std::vector<std::string> notes;
};

// Fails when no choice of types is small enough.
Result<BudgetChoice> choose_for_budget(const Checkpoint& file, std::span<const BudgetTensor> tensors,
                                       const BudgetFacts& facts, const std::function<bool(double share)>& progress);

// How much an error of this matrix matters, in layers' worth; 0: it is a gate, and never below q8_0.
double sensitivity_of(std::string_view name, const BudgetFacts& facts);

}  // namespace hearth
