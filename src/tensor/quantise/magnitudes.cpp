// IQ2 and IQ3: words of magnitudes, signs beside them. With free signs a weight always takes its own. Where signs are
// stored in seven bits their number must be even; if it is odd, one weight takes the wrong sign, and the word and that
// weight are chosen together: the wrong sign of weight i costs P another 2 w|x| g_i, so every word pays for its
// cheapest weight.
#include <cstring>
#include <memory>
#include <vector>

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
    // Per half group: 2P, Q, and 2P with one wrong sign.
    static constexpr int kTables = Kind::kEvenSigns ? 3 : 2;

    MagnitudeBook() : tables_(size_t(kGroups * kHalves * kTables * kWords)) {}

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
                weight_[i] = w;
            }
            largest_[group] = largest;
            signs_[group] = signs;
            is_odd_[group] = Kind::kEvenSigns && __builtin_parity(signs);
            for (int half = 0; half < kHalves; ++half) build(group, half);
        }
    }

    float top(int sub) const {
        float largest = 0;
        for (int group = sub * kSubGroups; group < (sub + 1) * kSubGroups; ++group)
            largest = std::max(largest, largest_[group]);
        return largest / Kind::kTop;
    }

    // For four inverse scales t: the least of Q - t 2P over all words, summed over the groups.
    LANES_INLINE void least(int sub, const float* inverses, float* out) {
        for (int k = 0; k < 4; ++k) out[k] = 0;
        for (int group = sub * kSubGroups; group < (sub + 1) * kSubGroups; ++group) {
            float plain[2][4], wrong[2][4];
            for (int half = 0; half < kHalves; ++half) {
                if (!is_odd_[group] || kHalves == 2)
                    least_of(table(group, half, 0), group, half, inverses, plain[half]);
                if (is_odd_[group]) least_of(table(group, half, 2), group, half, inverses, wrong[half]);
            }
            for (int k = 0; k < 4; ++k) {
                if (kHalves == 1)
                    out[k] += is_odd_[group] ? wrong[0][k] : plain[0][k];
                else
                    out[k] += !is_odd_[group] ? plain[0][k] + plain[1][k]
                                              : std::min(wrong[0][k] + plain[1][k], plain[0][k] + wrong[1][k]);
            }
        }
    }

    // Chooses the words of a sub-block for one scale.
    LANES_INLINE WordSums choose(int sub, float inverse) {
        WordSums sums;
        for (int group = sub * kSubGroups; group < (sub + 1) * kSubGroups; ++group) {
            Choice& choice = choices[group];
            choice.signs = signs_[group];
            int wrong_half = -1;
            if (is_odd_[group]) {
                wrong_half = 0;
                if (kHalves == 2) {
                    const float first = value_at(group, 0, 2, best_word(group, 0, 2, inverse), inverse) +
                                        value_at(group, 1, 0, best_word(group, 1, 0, inverse), inverse);
                    const float second = value_at(group, 0, 0, best_word(group, 0, 0, inverse), inverse) +
                                         value_at(group, 1, 2, best_word(group, 1, 2, inverse), inverse);
                    wrong_half = second < first ? 1 : 0;
                }
            }
            for (int half = 0; half < kHalves; ++half) {
                const int which = half == wrong_half ? 2 : 0, word = best_word(group, half, which, inverse);
                choice.words[half] = word;
                sums.p += table(group, half, which)[word] * 0.5f;
                sums.q += table(group, half, 1)[word];
                if (which == 2) choice.signs ^= uint8_t(1 << cheapest(group, half, word));
            }
        }
        return sums;
    }

    Choice choices[kGroups];

private:
    float* table(int group, int half, int which) {
        return tables_.data() + size_t(((group * kHalves + half) * kTables + which) * kWords);
    }

    LANES_INLINE void build(int group, int half) {
        const auto& levels = Kind::levels();
        float* p = table(group, half, 0);
        float* q = table(group, half, 1);
        const float* weighted = weighted_[group] + half * kWeights;
        const float* weight = weight_ + half * kWeights;
        const bool is_odd = is_odd_[group];
        for (int word = 0; word < kWords; word += kLanes) {
            V sum_p = {}, sum_q = {}, cheapest = all<V>(INFINITY);
            for (int i = 0; i < kWeights; ++i) {
                const V term = load<V>(levels.level[i] + word) * weighted[i];
                sum_p += term;
                sum_q += load<V>(levels.square[i] + word) * weight[i];
                if (Kind::kEvenSigns) cheapest = smaller(cheapest, term);
            }
            store(p + word, sum_p * 2.0f);
            store(q + word, sum_q);
            if (Kind::kEvenSigns && is_odd) store(table(group, half, 2) + word, (sum_p - cheapest * 2.0f) * 2.0f);
        }
    }

    LANES_INLINE void least_of(const float* p, int group, int half, const float* inverses, float* out) {
        const float* q = table(group, half, 1);
        V least[4] = {all<V>(INFINITY), all<V>(INFINITY), all<V>(INFINITY), all<V>(INFINITY)};
        for (int word = 0; word < kWords; word += kLanes) {
            const V p_now = load<V>(p + word), q_now = load<V>(q + word);
            for (int k = 0; k < 4; ++k) least[k] = smaller(q_now - p_now * inverses[k], least[k]);
        }
        for (int k = 0; k < 4; ++k) out[k] = least_lane(least[k]);
    }

    LANES_INLINE float value_at(int group, int half, int which, int word, float inverse) {
        return table(group, half, 1)[word] - table(group, half, which)[word] * inverse;
    }

    LANES_INLINE int best_word(int group, int half, int which, float inverse) {
        const float* p = table(group, half, which);
        const float* q = table(group, half, 1);
        V least = all<V>(INFINITY);
        for (int word = 0; word < kWords; word += kLanes)
            least = smaller(load<V>(q + word) - load<V>(p + word) * inverse, least);
        const float wanted = least_lane(least);
        for (int word = 0; word < kWords; word += kLanes) {
            float lanes[kLanes];
            const V value = load<V>(q + word) - load<V>(p + word) * inverse;
            bool is_here = false;
            store(lanes, value);
            for (int lane = 0; lane < kLanes; ++lane) is_here |= lanes[lane] == wanted;
            if (!is_here) continue;
            for (int lane = 0; lane < kLanes; ++lane)
                if (lanes[lane] == wanted) return word + lane;
        }
        return 0;
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

    std::vector<float> tables_;
    float weighted_[kGroups][8], weight_[8], largest_[kGroups];
    uint8_t signs_[kGroups];
    bool is_odd_[kGroups];
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
