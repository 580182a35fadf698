// IQ1: words of -1, 0, 1 plus a shift of +-1/8 that several words share. With the shift e the word's levels are g + e:
//   P = sum w x g + e sum w x,   Q = sum w g^2 + 2 e sum w g + e^2 sum w
// so three sums a word serve both shifts.
#include <cstring>
#include <memory>
#include <vector>

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

    ShiftedBook() : tables_(size_t(kGroups * 3 * kWords)) {}

    LANES_INLINE void take(const float* values, const float* weights) {
        for (int group = 0; group < kGroups; ++group) {
            float weighted[8], weight[8], largest = 0, sum = 0, sum_w = 0;
            for (int i = 0; i < 8; ++i) {
                const float x = std::min(std::max(values[8 * group + i], -1e12f), 1e12f);
                weight[i] = weights ? weights[8 * group + i] : 1;
                weighted[i] = weight[i] * x;
                sum += weighted[i];
                sum_w += weight[i];
                largest = std::max(largest, std::fabs(x));
            }
            largest_[group] = largest;
            shift_p_[group] = sum * 0.25f;
            shift_q_[group] = sum_w * 0.015625f;
            build(group, weighted, weight);
        }
    }

    float top(int sub) const {
        float largest = 0;
        for (int group = sub * kSubGroups; group < (sub + 1) * kSubGroups; ++group)
            largest = std::max(largest, largest_[group]);
        return largest;
    }

    LANES_INLINE void least(int sub, const float* inverses, float* out) {
        float up[4] = {}, down[4] = {};
        for (int k = 0; k < 4; ++k) out[k] = 0;
        for (int group = sub * kSubGroups; group < (sub + 1) * kSubGroups; ++group) {
            least_of(group, inverses, up, down);
            if ((group + 1) % kShiftGroups) continue;
            for (int k = 0; k < 4; ++k) {
                out[k] += std::min(up[k], down[k]);
                up[k] = down[k] = 0;
            }
        }
    }

    LANES_INLINE WordSums choose(int sub, float inverse) {
        WordSums sums;
        for (int first = sub * kSubGroups; first < (sub + 1) * kSubGroups; first += kShiftGroups) {
            int up_words[kShiftGroups], down_words[kShiftGroups];
            float up = 0, down = 0;
            for (int i = 0; i < kShiftGroups; ++i) {
                up += best_word(first + i, 1, inverse, up_words[i]);
                down += best_word(first + i, -1, inverse, down_words[i]);
            }
            const bool is_down = down < up;
            const float sign = is_down ? -1.0f : 1.0f;
            for (int i = 0; i < kShiftGroups; ++i) {
                const int group = first + i, word = is_down ? down_words[i] : up_words[i];
                choices[group] = {word, is_down};
                sums.p += (table(group, 0)[word] + sign * shift_p_[group]) * 0.5f;
                sums.q += table(group, 1)[word] + sign * table(group, 2)[word] + shift_q_[group];
            }
        }
        return sums;
    }

    ShiftedChoice choices[kGroups];

private:
    // 0: 2 sum w x g, 1: sum w g^2, 2: sum w g / 4
    float* table(int group, int which) { return tables_.data() + size_t((group * 3 + which) * kWords); }

    LANES_INLINE void build(int group, const float* weighted, const float* weight) {
        const TernaryLevels& book = levels();
        for (int word = 0; word < kWords; word += kLanes) {
            V p = {}, q = {}, s = {};
            for (int i = 0; i < 8; ++i) {
                const V g = load<V>(book.level[i] + word), wg = g * weight[i];
                p += g * weighted[i];
                q += g * wg;
                s += wg;
            }
            store(table(group, 0) + word, p * 2.0f);
            store(table(group, 1) + word, q);
            store(table(group, 2) + word, s * 0.25f);
        }
    }

    // Adds the group's part for both shifts.
    LANES_INLINE void least_of(int group, const float* inverses, float* up, float* down) {
        V least_up[4], least_down[4];
        for (int k = 0; k < 4; ++k) least_up[k] = least_down[k] = all<V>(INFINITY);
        for (int word = 0; word < kWords; word += kLanes) {
            const V p = load<V>(table(group, 0) + word), q = load<V>(table(group, 1) + word),
                    s = load<V>(table(group, 2) + word);
            const V q_up = q + s, q_down = q - s;
            for (int k = 0; k < 4; ++k) {
                const V scaled = p * inverses[k];
                least_up[k] = smaller(q_up - scaled, least_up[k]);
                least_down[k] = smaller(q_down - scaled, least_down[k]);
            }
        }
        for (int k = 0; k < 4; ++k) {
            up[k] += least_lane(least_up[k]) + shift_q_[group] - inverses[k] * shift_p_[group];
            down[k] += least_lane(least_down[k]) + shift_q_[group] + inverses[k] * shift_p_[group];
        }
    }

    LANES_INLINE float best_word(int group, int direction, float inverse, int& best) {
        const float* p = table(group, 0);
        const float* q = table(group, 1);
        const float* s = table(group, 2);
        const float sign = float(direction);
        V least = all<V>(INFINITY);
        for (int word = 0; word < kWords; word += kLanes)
            least = smaller((load<V>(q + word) + load<V>(s + word) * sign) - load<V>(p + word) * inverse, least);
        const float wanted = least_lane(least);
        best = 0;
        for (int word = 0; word < kWords; word += kLanes) {
            float lanes[kLanes];
            store(lanes, (load<V>(q + word) + load<V>(s + word) * sign) - load<V>(p + word) * inverse);
            bool is_here = false;
            for (int lane = 0; lane < kLanes; ++lane) is_here |= lanes[lane] == wanted;
            if (!is_here) continue;
            for (int lane = kLanes; lane-- > 0;)
                if (lanes[lane] == wanted) best = word + lane;
            break;
        }
        return wanted + shift_q_[group] - sign * inverse * shift_p_[group];
    }

    std::vector<float> tables_;
    float largest_[kGroups], shift_p_[kGroups], shift_q_[kGroups];
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
