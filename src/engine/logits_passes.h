// Passes over a whole row of logits: everything that touches all 250,000 values, written so that the compiler turns it
// into as wide registers as the machine has. Additions run in one order whatever that width is, so the bits are the
// same everywhere.
#pragma once

#include <algorithm>
#include <array>
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

// Sum of all weights; also by block, and of every value, unless those are null. `weights` has room for whole blocks;
// blocks in which nothing is_nothing() exceeds stay unwritten.
double weigh_blocks(RowView row, Weighing weighing, double* block_mass, float* weights = nullptr);

struct Moments {
    double total = 0, first = 0;  // sums of weight and of weight * (logit - best)
};
Moments weighted_moments(RowView row, Weighing weighing, float* weights);

// Values by their distance from `origin`, a float. Forbidden ones are farther than everything.
constexpr size_t kRadii = 4;
using Radii = std::array<float, kRadii>;
// Sums of the weights, as weigh_blocks() wrote them, within each radius; by the look of every so many blocks.
constexpr size_t kSample = 16;  // every sixteenth block is enough for a first guess
std::array<double, kRadii> mass_within(RowView row, const float* weights, Weighing weighing, float origin,
                                       const Radii& radii, size_t every = 1);
// Appends the values farther than `after` and not beyond `upto`.
void gather_between(RowView row, float origin, float after, float upto, std::vector<Candidate>& out);
// Copies the values within the radius and forbids the others; renews the bests of blocks, which may be those of `row`.
void keep_within(RowView row, float origin, float radius, float* values, float* block_best);
// How many values there are from `at_least` on, by the look of a sample.
size_t estimate_count(RowView row, float at_least);

// Sets the weight of every candidate and returns their sum.
double weigh_candidates(std::span<Candidate> candidates, Weighing weighing);

}  // namespace hearth
