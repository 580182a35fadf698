// IQ1: words of -1, 0, 1 plus a shift of +-1/8 that several words share. With the shift e the word's levels are g + e:
//   P = sum w x g + e sum w x,   Q = sum w g^2 + 2 e sum w g + e^2 sum w
// so three sums a word serve both shifts.
#include <cstring>
#include <memory>

#include "tensor/formats/iq1_m.h"
#include "tensor/formats/iq1_s.h"
#include "tensor/quantise/code_words.h"
#include "tensor/quantise/kinds.h"

namespace hearth::quantisers {

namespace {

constexpr int kWords = 2048;

struct TernaryLevels {
    alignas(64) float level[8][kWords];

    TernaryLevels() {
        for (int i = 0; i < 8; ++i)
            for (int word = 0; word < kWords; ++word) level[i][word] = kIq1Grid[size_t(word)][size_t(i)];
    }
};
const TernaryLevels& levels() {
    static const TernaryLevels table;
    return table;
}

struct ShiftedChoice {
    int word;
    bool is_down;  // the shift is -1/8
};

// kShiftGroups: how many groups of 8 share a shift. kSub: how many weights share a scale.
template <int kSub, int kShiftGroups, class V>
class ShiftedBook {
public:
    static constexpr int kLanes = sizeof(V) / sizeof(float), kGroups = 32, kSubs = 256 / kSub, kSubGroups = kSub / 8;
    static constexpr int kHighestCode = 7;
    static constexpr float kFactor = 1, kTopFrom = 0.3f, kTopTo = 0.95f;

    LANES_INLINE void take(const float* values, const float* weights) {
        for (int group = 0; group < kGroups; ++group) {
            float largest = 0;
            for (int i = 0; i < 8; ++i) {
                const float x = std::min(std::max(values[8 * group + i], -1e12f), 1e12f);
                weight_[group][i] = weights ? weights[8 * group + i] : 1;
                weighted_[group][i] = weight_[group][i] * x;
                largest = std::max(largest, std::fabs(x));
            }
            largest_[group] = largest;
            up_[group].count = down_[group].count = 0;
        }
    }

    float top(int sub) const {
        float largest = 0;
        for (int group = sub * kSubGroups; group < (sub + 1) * kSubGroups; ++group)
            largest = std::max(largest, largest_[group]);
        return largest;
    }

    LANES_INLINE void scan(int sub, const float* inverses) {
        for (int group = sub * kSubGroups; group < (sub + 1) * kSubGroups; ++group) scan_group(group, inverses);
    }

    float least(int sub, float inverse) const {
        float sum = 0;
        for (int first = sub * kSubGroups; first < (sub + 1) * kSubGroups; first += kShiftGroups) {
            float up = 0, down = 0;
            for (int group = first; group < first + kShiftGroups; ++group) {
                up += least_of(up_[group], inverse);
                down += least_of(down_[group], inverse);
            }
            sum += std::min(up, down);
        }
        return sum;
    }

    WordSums choose(int sub, float inverse) {
        WordSums sums;
        for (int first = sub * kSubGroups; first < (sub + 1) * kSubGroups; first += kShiftGroups) {
            float up = 0, down = 0;
            for (int group = first; group < first + kShiftGroups; ++group) {
                up += least_of(up_[group], inverse);
                down += least_of(down_[group], inverse);
            }
            const bool is_down = down < up;
            for (int group = first; group < first + kShiftGroups; ++group) {
                const ShortList& from = is_down ? down_[group] : up_[group];
                choices[group] = {0, is_down};
                if (from.count == 0) continue;  // a sub-block of zeros was never scanned
                const int place = from.best(inverse);
                choices[group].word = from.words[place];
                sums.p += from.p[place] * 0.5f;
                sums.q += from.q[place];
            }
        }
        return sums;
    }

    ShiftedChoice choices[kGroups];

private:
    static float least_of(const ShortList& from, float inverse) {
        return from.count == 0 ? 0 : from.value(from.best(inverse), inverse);
    }

    // sum w x g, sum w g^2, sum w g of a word (or of as many as W has lanes)
    template <class W>
    LANES_INLINE void sums_of(int group, int word, W& p, W& q, W& s) const {
        const TernaryLevels& book = levels();
        p = q = s = W{};
        for (int i = 0; i < 8; ++i) {
            const W g = load<W>(book.level[i] + word), wg = g * weight_[group][i];
            p += g * weighted_[group][i];
            q += g * wg;
            s += wg;
        }
        p *= 2.0f;
        s *= 0.25f;
    }

    LANES_INLINE void scan_group(int group, const float* inverses) {
        float sum = 0, sum_w = 0;
        for (int i = 0; i < 8; ++i) sum += weighted_[group][i], sum_w += weight_[group][i];
        const float shift_p = sum * 0.25f, shift_q = sum_w * 0.015625f;
        // What the shift adds to every word alike decides between the shifts, not between the words.
        Winners<V> up, down;
        for (int word = 0; word < kWords; word += kLanes) {
            V p, q, s;
            sums_of(group, word, p, q, s);
            const V q_up = q + s, q_down = q - s;
            for (int k = 0; k < kScaleTries; ++k) {
                const V scaled = p * inverses[k];
                up.offer(k, q_up - scaled, word);
                down.offer(k, q_down - scaled, word);
            }
        }
        for (int k = 0; k < kScaleTries; ++k) {
            float p, q, s;
            const int up_word = up.word(k), down_word = down.word(k);
            sums_of(group, up_word, p, q, s);
            up_[group].add(up_word, p + shift_p, (q + s) + shift_q);
            sums_of(group, down_word, p, q, s);
            down_[group].add(down_word, p - shift_p, (q - s) + shift_q);
        }
    }

    float weighted_[kGroups][8], weight_[kGroups][8], largest_[kGroups];
    ShortList up_[kGroups], down_[kGroups];
};

void pack(const ShiftedChoice* choices, const WordScales& scales, BlockIQ1_S& block) {
    block.scale = scales.stored;
    for (int sub = 0; sub < 8; ++sub) {
        int high = scales.codes[sub] << 12 | (choices[4 * sub].is_down ? 0x8000 : 0);
        for (int group = 0; group < 4; ++group) {
            const int word = choices[4 * sub + group].word;
            block.words[4 * sub + group] = uint8_t(word & 255);
            high |= (word >> 8) << 3 * group;
        }
        block.high[sub] = uint16_t(high);
    }
}

void pack(const ShiftedChoice* choices, const WordScales& scales, BlockIQ1_M& block) {
    std::memset(&block, 0, sizeof block);
    for (int group = 0; group < 32; ++group) {
        const int word = choices[group].word;
        block.words[group] = uint8_t(word & 255);
        block.high[group / 2] |= uint8_t((word >> 8 | (choices[group].is_down ? 8 : 0)) << 4 * (group % 2));
    }
    for (int word = 0; word < 4; ++word) {
        int bits = (scales.stored >> 4 * word & 15) << 12;
        for (int i = 0; i < 4; ++i) bits |= scales.codes[4 * word + i] << 3 * i;
        block.scales[word] = uint16_t(bits);
    }
}

template <class Block, int kSub, int kShiftGroups, int kLanes>
LANES_INLINE void all_blocks(const Job& job) {
    const auto book = std::make_unique<ShiftedBook<kSub, kShiftGroups, Floats<kLanes>>>();
    auto* block = reinterpret_cast<Block*>(job.out);
    for (int64_t at = 0; at < job.count; at += 256, ++block) {
        book->take(job.values + at, job.importance ? job.importance + at % job.columns : nullptr);
        const WordScales scales = fit_words(*book);
        // A block of zeros has not been given any words.
        if (scales.stored == 0) std::fill(book->choices, book->choices + 32, ShiftedChoice{0, false});
        pack(book->choices, scales, *block);
    }
}

template <int kLanes>
LANES_INLINE void iq1_s_body(const Job& job) {
    all_blocks<BlockIQ1_S, 32, 4, kLanes>(job);
}
template <int kLanes>
LANES_INLINE void iq1_m_body(const Job& job) {
    all_blocks<BlockIQ1_M, 16, 1, kLanes>(job);
}

}  // namespace

JOB_ROWS(kIq1S, iq1_s_body)
JOB_ROWS(kIq1M, iq1_m_body)

}  // namespace hearth::quantisers
