// IQ2 and IQ3: words of magnitudes, signs beside them. With free signs a weight always takes its own. Where signs are
// stored in seven bits their number must be even; if it is odd, one weight takes the wrong sign, and the word and that
// weight are chosen together: the wrong sign of weight i costs P another 2 w|x| g_i, so every word pays for its
// cheapest weight.
#include <cstring>
#include <memory>

#include "tensor/formats/iq2_s.h"
#include "tensor/formats/iq2_xs.h"
#include "tensor/formats/iq2_xxs.h"
#include "tensor/formats/iq3_s.h"
#include "tensor/formats/iq3_xxs.h"
#include "tensor/quantise/code_words.h"
#include "tensor/quantise/kinds.h"

namespace hearth::quantisers {

namespace {

// The levels of a book and their squares, word by word along the lanes.
template <size_t kWords, size_t kWeights>
struct Levels {
    alignas(64) float level[kWeights][kWords];
    alignas(64) float square[kWeights][kWords];

    explicit Levels(const Grid<kWords, uint8_t, kWeights>& grid) {
        for (size_t i = 0; i < kWeights; ++i)
            for (size_t word = 0; word < kWords; ++word) {
                level[i][word] = grid[word][i];
                square[i][word] = level[i][word] * level[i][word];
            }
    }
};

// What tells one format from another. kTop: the largest level.
struct Iq2XxsKind {
    using Block = BlockIQ2_XXS;
    static constexpr int kWords = 256, kWeights = 8, kSub = 32;
    static constexpr bool kEvenSigns = true;
    static constexpr float kFactor = 0.125f, kTop = 43;
    static const auto& levels() {
        static const Levels<256, 8> table(kIq2XxsGrid);
        return table;
    }
};
struct Iq2XsKind {
    using Block = BlockIQ2_XS;
    static constexpr int kWords = 512, kWeights = 8, kSub = 16;
    static constexpr bool kEvenSigns = true;
    static constexpr float kFactor = 0.125f, kTop = 43;
    static const auto& levels() {
        static const Levels<512, 8> table(kIq2XsGrid);
        return table;
    }
};
struct Iq2SKind {
    using Block = BlockIQ2_S;
    static constexpr int kWords = 1024, kWeights = 8, kSub = 16;
    static constexpr bool kEvenSigns = false;
    static constexpr float kFactor = 0.125f, kTop = 43;
    static const auto& levels() {
        static const Levels<1024, 8> table(kIq2SGrid);
        return table;
    }
};
struct Iq3XxsKind {
    using Block = BlockIQ3_XXS;
    static constexpr int kWords = 256, kWeights = 4, kSub = 32;
    static constexpr bool kEvenSigns = true;
    static constexpr float kFactor = 0.25f, kTop = 62;
    static const auto& levels() {
        static const Levels<256, 4> table(kIq3XxsGrid);
        return table;
    }
};
struct Iq3SKind {
    using Block = BlockIQ3_S;
    static constexpr int kWords = 512, kWeights = 4, kSub = 32;
    static constexpr bool kEvenSigns = false;
    static constexpr float kFactor = 1, kTop = 15;
    static const auto& levels() {
        static const Levels<512, 4> table(kIq3SGrid);
        return table;
    }
};

// One group of 8 weights: its signs, and one or two words.
struct Choice {
    int words[2];
    uint8_t signs;
};

template <class Kind, class V>
class MagnitudeBook {
public:
    static constexpr int kLanes = sizeof(V) / sizeof(float), kWords = Kind::kWords, kWeights = Kind::kWeights;
    static constexpr int kHalves = 8 / kWeights, kGroups = 32, kSubs = 256 / Kind::kSub, kSubGroups = Kind::kSub / 8;
    static constexpr int kHighestCode = 15;
    static constexpr float kFactor = Kind::kFactor, kTopFrom = 0.5f, kTopTo = 1.1f;

    LANES_INLINE void take(const float* values, const float* weights) {
        for (int group = 0; group < kGroups; ++group) {
            uint8_t signs = 0;
            float largest = 0;
            for (int i = 0; i < 8; ++i) {
                const float x = std::min(std::max(values[8 * group + i], -1e12f), 1e12f);
                const float w = weights ? weights[8 * group + i] : 1;
                signs |= uint8_t((x < 0) << i);
                largest = std::max(largest, std::fabs(x));
                weighted_[group][i] = w * std::fabs(x);
                weight_[group][i] = w;
            }
            largest_[group] = largest;
            signs_[group] = signs;
            is_odd_[group] = Kind::kEvenSigns && __builtin_parity(signs);
            for (int half = 0; half < kHalves; ++half) plain_[group][half].count = wrong_[group][half].count = 0;
        }
    }

    float top(int sub) const {
        float largest = 0;
        for (int group = sub * kSubGroups; group < (sub + 1) * kSubGroups; ++group)
            largest = std::max(largest, largest_[group]);
        return largest / Kind::kTop;
    }

    LANES_INLINE void scan(int sub, const float* inverses) {
        for (int group = sub * kSubGroups; group < (sub + 1) * kSubGroups; ++group)
            for (int half = 0; half < kHalves; ++half) {
                if (!is_odd_[group] || kHalves == 2) scan_half<false>(group, half, inverses, plain_[group][half]);
                if (is_odd_[group]) scan_half<true>(group, half, inverses, wrong_[group][half]);
            }
    }

    // For the inverse scale t: the least of Q - t 2P, summed over the groups.
    float least(int sub, float inverse) const {
        float sum = 0;
        for (int group = sub * kSubGroups; group < (sub + 1) * kSubGroups; ++group) {
            const int wrong_half = wrong_half_of(group, inverse);
            for (int half = 0; half < kHalves; ++half) sum += least_of(list(group, half, wrong_half), inverse);
        }
        return sum;
    }

    // Chooses the words of a sub-block for one scale.
    WordSums choose(int sub, float inverse) {
        WordSums sums;
        for (int group = sub * kSubGroups; group < (sub + 1) * kSubGroups; ++group) {
            Choice& choice = choices[group];
            choice = {{0, 0}, signs_[group]};
            const int wrong_half = wrong_half_of(group, inverse);
            for (int half = 0; half < kHalves; ++half) {
                const ShortList& from = list(group, half, wrong_half);
                if (from.count == 0) {  // a sub-block of zeros was never scanned
                    if (half == wrong_half) choice.signs ^= 1;
                    continue;
                }
                const int place = from.best(inverse);
                choice.words[half] = from.words[place];
                sums.p += from.p[place] * 0.5f;
                sums.q += from.q[place];
                if (half == wrong_half) choice.signs ^= uint8_t(1 << cheapest(group, half, from.words[place]));
            }
        }
        return sums;
    }

    Choice choices[kGroups];

private:
    const ShortList& list(int group, int half, int wrong_half) const {
        return half == wrong_half ? wrong_[group][half] : plain_[group][half];
    }
    static float least_of(const ShortList& from, float inverse) {
        return from.count == 0 ? 0 : from.value(from.best(inverse), inverse);
    }

    // Which half takes the wrong sign; -1: none does.
    int wrong_half_of(int group, float inverse) const {
        if (!is_odd_[group]) return -1;
        if (kHalves == 1) return 0;
        const float first = least_of(wrong_[group][0], inverse) + least_of(plain_[group][1], inverse);
        const float second = least_of(plain_[group][0], inverse) + least_of(wrong_[group][1], inverse);
        return second < first ? 1 : 0;
    }

    // P and Q of a word (or of as many as V has lanes).
    template <bool kIsWrong, class W>
    LANES_INLINE void sums_of(int group, int half, int word, W& p, W& q) const {
        const auto& levels = Kind::levels();
        const float* weighted = weighted_[group] + half * kWeights;
        const float* weight = weight_[group] + half * kWeights;
        W sum_p = {}, sum_q = {}, cheapest = all<W>(INFINITY);
        for (int i = 0; i < kWeights; ++i) {
            const W term = load<W>(levels.level[i] + word) * weighted[i];
            sum_p += term;
            sum_q += load<W>(levels.square[i] + word) * weight[i];
            if (kIsWrong) cheapest = smaller(cheapest, term);
        }
        p = (kIsWrong ? sum_p - cheapest * 2.0f : sum_p) * 2.0f;
        q = sum_q;
    }

    template <bool kIsWrong>
    LANES_INLINE void scan_half(int group, int half, const float* inverses, ShortList& found) {
        Winners<V> winners;
        for (int word = 0; word < kWords; word += kLanes) {
            V p, q;
            sums_of<kIsWrong>(group, half, word, p, q);
            for (int k = 0; k < kScaleTries; ++k) winners.offer(k, q - p * inverses[k], word);
        }
        for (int k = 0; k < kScaleTries; ++k) {
            const int word = winners.word(k);
            float p, q;
            sums_of<kIsWrong>(group, half, word, p, q);
            found.add(word, p, q);
        }
    }

    int cheapest(int group, int half, int word) const {
        int best = 0;
        float least = INFINITY;
        for (int i = 0; i < kWeights; ++i) {
            const float term = Kind::levels().level[i][word] * weighted_[group][half * kWeights + i];
            if (term < least) least = term, best = half * kWeights + i;
        }
        return best;
    }

    float weighted_[kGroups][8], weight_[kGroups][8], largest_[kGroups];
    uint8_t signs_[kGroups];
    bool is_odd_[kGroups];
    ShortList plain_[kGroups][kHalves], wrong_[kGroups][kHalves];
};

// ---- packing: 32 groups of 8, and the codes of the sub-scales

void pack(const Choice* choices, const WordScales& scales, BlockIQ2_XXS& block) {
    for (int sub = 0; sub < 8; ++sub) {
        uint32_t bits = uint32_t(scales.codes[sub]) << 28;
        for (int group = 0; group < 4; ++group) {
            const Choice& choice = choices[4 * sub + group];
            block.records[sub].words[group] = uint8_t(choice.words[0]);
            bits |= uint32_t(choice.signs & 127) << 7 * group;
        }
        block.records[sub].signs_and_scale = bits;
    }
}
void pack_nibbles(const int* codes, int count, uint8_t* out) {
    for (int t = 0; t < count; t += 2) out[t / 2] = uint8_t(codes[t] | codes[t + 1] << 4);
}
void pack(const Choice* choices, const WordScales& scales, BlockIQ2_XS& block) {
    pack_nibbles(scales.codes, 16, block.scales);
    for (int group = 0; group < 32; ++group)
        block.words[group] = uint16_t(choices[group].words[0] | (choices[group].signs & 127) << 9);
}
void pack(const Choice* choices, const WordScales& scales, BlockIQ2_S& block) {
    pack_nibbles(scales.codes, 16, block.scales);
    std::memset(block.words_high, 0, sizeof block.words_high);
    for (int group = 0; group < 32; ++group) {
        const int word = choices[group].words[0];
        block.words[group] = uint8_t(word & 255);
        block.words_high[group / 4] |= uint8_t((word >> 8) << 2 * (group % 4));
        block.signs[group] = choices[group].signs;
    }
}
void pack(const Choice* choices, const WordScales& scales, BlockIQ3_XXS& block) {
    for (int sub = 0; sub < 8; ++sub) {
        uint32_t bits = uint32_t(scales.codes[sub]) << 28;
        for (int group = 0; group < 4; ++group) {
            const Choice& choice = choices[4 * sub + group];
            for (int half = 0; half < 2; ++half) block.words[8 * sub + 2 * group + half] = uint8_t(choice.words[half]);
            bits |= uint32_t(choice.signs & 127) << 7 * group;
        }
        block.signs_and_scales[sub] = bits;
    }
}
void pack(const Choice* choices, const WordScales& scales, BlockIQ3_S& block) {
    pack_nibbles(scales.codes, 8, block.scales);
    std::memset(block.words_high, 0, sizeof block.words_high);
    for (int group = 0; group < 32; ++group) {
        block.signs[group] = choices[group].signs;
        for (int half = 0; half < 2; ++half) {
            const int word = choices[group].words[half], k = 2 * group + half;
            block.words[k] = uint8_t(word & 255);
            block.words_high[k / 8] |= uint8_t((word >> 8) << k % 8);
        }
    }
}

template <class Kind, int kLanes>
LANES_INLINE void all_blocks(const Job& job) {
    const auto book = std::make_unique<MagnitudeBook<Kind, Floats<kLanes>>>();
    auto* block = reinterpret_cast<typename Kind::Block*>(job.out);
    for (int64_t at = 0; at < job.count; at += 256, ++block) {
        book->take(job.values + at, job.importance ? job.importance + at % job.columns : nullptr);
        const WordScales scales = fit_words(*book);
        // A block of zeros has not been given any words.
        if (scales.stored == 0) std::fill(book->choices, book->choices + 32, Choice{});
        block->scale = scales.stored;
        pack(book->choices, scales, *block);
    }
}

template <int kLanes>
LANES_INLINE void iq2_xxs_body(const Job& job) {
    all_blocks<Iq2XxsKind, kLanes>(job);
}
template <int kLanes>
LANES_INLINE void iq2_xs_body(const Job& job) {
    all_blocks<Iq2XsKind, kLanes>(job);
}
template <int kLanes>
LANES_INLINE void iq2_s_body(const Job& job) {
    all_blocks<Iq2SKind, kLanes>(job);
}
template <int kLanes>
LANES_INLINE void iq3_xxs_body(const Job& job) {
    all_blocks<Iq3XxsKind, kLanes>(job);
}
template <int kLanes>
LANES_INLINE void iq3_s_body(const Job& job) {
    all_blocks<Iq3SKind, kLanes>(job);
}

}  // namespace

JOB_ROWS(kIq2Xxs, iq2_xxs_body)
JOB_ROWS(kIq2Xs, iq2_xs_body)
JOB_ROWS(kIq2S, iq2_s_body)
JOB_ROWS(kIq3Xxs, iq3_xxs_body)
JOB_ROWS(kIq3S, iq3_s_body)

}  // namespace hearth::quantisers
