// Passes over a whole row of logits: everything that touches all 250,000 values, written so that the compiler turns it
// into as wide registers as the machine has. Additions run in one order whatever that width is, so the bits are the
// same everywhere.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/logits_row.h"

namespace hearth {

constexpr size_t kRowBlock = 64;  // a multiple of 32, so that a block is whole words of a mask

struct RowView {
    const float* values;
    size_t size;
    const float* block_best;  // the greatest value of every kRowBlock
};

// What a logit weighs beside the best one: e^((logit - best) / temperature).
struct Weighing {
    float best, scale;  // scale = log2(e) / temperature

    Weighing(float best_logit, float inverse_temperature)
        : best(best_logit), scale(std::min(1.44269504f * inverse_temperature, 1e30f)) {}
    bool is_nothing(float logit) const { return (logit - best) * scale < -115.0f; }  // nothing so weak can be drawn
};

// Fills in the greatest value of every block; false when a value is NaN or +inf.
bool find_block_bests(std::span<const float> row, float* block_best);

// Sum of all weights; also by block unless `block_mass` is null.
double weigh_blocks(RowView row, Weighing weighing, double* block_mass);

struct Moments {
    double total = 0, first = 0;  // sums of weight and of weight * (logit - best)
};
Moments weighted_moments(RowView row, Weighing weighing);

// Values in classes of distance from `origin`: a nearer value is never in a later class. Forbidden ones are in the
// last.
constexpr int32_t kDistanceClasses = 1024;
void mass_by_class(RowView row, float origin, Weighing weighing, std::vector<double>& mass);
// Appends the values of one class.
void gather_class(RowView row, float origin, int32_t distance_class, std::vector<Candidate>& out);
// Copies the values of the classes up to `last` and forbids the others; renews the bests of blocks, which may be those
// of `row`.
void keep_classes(RowView row, float origin, int32_t last, float* values, float* block_best);

// Sets the weight of every candidate and returns their sum.
double weigh_candidates(std::span<Candidate> candidates, Weighing weighing);

}  // namespace hearth
