// One scale for 128 or 256 values and next to no levels: a sign each, or a sign and nothing. Both have exact answers.
// Signs alone: the scale is the weighted mean magnitude. With a zero: some largest magnitudes keep their sign, and for
// k of them the error falls as (sum w|x|)^2 / (sum w) over them grows; with equal weights those are the k largest.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "tensor/formats/q1_0.h"
#include "tensor/formats/tq1_0.h"
#include "tensor/formats/tq2_0.h"
#include "tensor/quantise/kinds.h"
#include "tensor/quantise/tile.h"

namespace hearth::quantisers {

namespace {

struct Source {
    const float* values;
    const float* weights;  // null: all 1

    float weight(int i) const { return weights ? weights[i] : 1; }
};

Source source_at(const Job& job, int64_t at) {
    return {job.values + at, job.importance ? job.importance + at % job.columns : nullptr};
}

void quantise(const Source& from, BlockQ1_0& block) {
    float sum = 0, weight = 0;
    for (int i = 0; i < 128; ++i) {
        sum += from.weight(i) * std::min(std::fabs(from.values[i]), 1e12f);
        weight += from.weight(i);
    }
    block.scale = stored_scale(sum / weight);
    std::memset(block.codes, 0, sizeof block.codes);
    for (int i = 0; i < 128; ++i) block.codes[i / 8] |= uint8_t((from.values[i] >= 0) << i % 8);
}

// The scale of 256 trits.
float trit_scale(const Source& from) {
    float sizes[256];
    int order[256];
    for (int i = 0; i < 256; ++i) sizes[i] = std::min(std::fabs(from.values[i]), 1e12f);
    std::iota(order, order + 256, 0);
    std::sort(order, order + 256, [&](int a, int b) { return sizes[a] != sizes[b] ? sizes[a] > sizes[b] : a < b; });
    float sum = 0, weight = 0, best_gain = 0, best = 0;
    for (int k = 0; k < 256; ++k) {
        const int i = order[k];
        sum += from.weight(i) * sizes[i];
        weight += from.weight(i);
        if (sum * sum > best_gain * weight) best_gain = sum * sum / weight, best = sum / weight;
    }
    return best;
}

// 0, 1, 2 for -scale, 0, scale. The zero of a scale that vanished is code 1 too.
void choose_trits(const float* values, float scale, uint8_t* trits) {
    for (int i = 0; i < 256; ++i)
        trits[i] = uint8_t(scale > 0 && std::fabs(values[i]) > scale / 2 ? (values[i] > 0 ? 2 : 0) : 1);
}

void put_trits(const uint8_t* trits, BlockTQ2_0& block) {
    std::memset(block.codes, 0, sizeof block.codes);
    for (int i = 0; i < 256; ++i) block.codes[32 * (i / 128) + i % 32] |= uint8_t(trits[i] << 2 * (i % 128 / 32));
}

// Five trits as the fraction whose digits in base 3 they are.
void put_trits(const uint8_t* trits, BlockTQ1_0& block) {
    const auto gather = [&](uint8_t* codes, int bytes, int count) {
        for (int i = 0; i < bytes; ++i) {
            int value = 0;
            for (int n = 0; n < 5; ++n) value = 3 * value + (n < count ? trits[n * bytes + i] : 0);
            codes[i] = uint8_t((value * 256 + 242) / 243);
        }
        trits += bytes * count;
    };
    gather(block.codes, 32, 5);
    gather(block.codes + 32, 16, 5);
    gather(block.last_codes, 4, 4);
}

template <class Block>
void quantise_trits(const Source& from, Block& block) {
    block.scale = stored_scale(trit_scale(from));
    uint8_t trits[256];
    choose_trits(from.values, half_to_float(block.scale), trits);
    put_trits(trits, block);
}
void quantise(const Source& from, BlockTQ1_0& block) {
    quantise_trits(from, block);
}
void quantise(const Source& from, BlockTQ2_0& block) {
    quantise_trits(from, block);
}

template <class Block>
void all_blocks(const Job& job) {
    auto* block = reinterpret_cast<Block*>(job.out);
    for (int64_t at = 0; at < job.count; at += Block::kElements) quantise(source_at(job, at), *block++);
}

}  // namespace

const JobRows kQ1_0{all_blocks<BlockQ1_0>};
const JobRows kTq1_0{all_blocks<BlockTQ1_0>};
const JobRows kTq2_0{all_blocks<BlockTQ2_0>};

}  // namespace hearth::quantisers
