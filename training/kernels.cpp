// The parts of Ember's training step that are no matrix products, forwards and backwards, for one thread. Python calls
// them by ctypes and leaves the products to torch. Documents lie behind one another without padding: `start` holds
// where each begins and, last, where the rest ends; nothing reaches over such a border. Half is bfloat16.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

using Half = uint16_t;
constexpr int64_t S = 64;     // width of every head
constexpr int64_t kTaps = 4;  // of the causal convolution
constexpr int64_t kRotated = 16;
constexpr int64_t kChunk = 16;  // tokens between two kept states of the delta rule
constexpr float kEps = 1e-6f;

inline float wide(Half half) {
    return std::bit_cast<float>(uint32_t(half) << 16);
}
inline Half narrow(float x) {
    const uint32_t bits = std::bit_cast<uint32_t>(x);
    return Half((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
inline float sigmoid(float x) {
    return 1 / (1 + std::exp(-x));
}

using Lanes = float __attribute__((vector_size(64)));
constexpr int64_t kLanes = 16, kRow = S / kLanes;
inline Lanes load(const float* from) {
    Lanes to;
    std::memcpy(&to, from, sizeof to);
    return to;
}
inline void store(float* to, Lanes from) {
    std::memcpy(to, &from, sizeof from);
}
inline Lanes spread(float x) {
    return Lanes{} + x;
}
using Lanes8 = float __attribute__((vector_size(32)));
using Lanes4 = float __attribute__((vector_size(16)));
inline float total(Lanes x) {
    const Lanes8 a = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
                     __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
    const Lanes4 b = __builtin_shufflevector(a, a, 0, 1, 2, 3) + __builtin_shufflevector(a, a, 4, 5, 6, 7);
    const Lanes4 c = b + __builtin_shufflevector(b, b, 2, 3, 0, 1);
    return c[0] + c[1];
}

// Lane i is the sum over the lanes of x[i].
inline Lanes totals(const Lanes (&x)[kLanes]) {
    Lanes pairs[8], quads[4], halves[2];
    for (int64_t i = 0; i < 8; ++i)
        pairs[i] =
            __builtin_shufflevector(x[2 * i], x[2 * i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29) +
            __builtin_shufflevector(x[2 * i], x[2 * i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    for (int64_t i = 0; i < 4; ++i)
        quads[i] = __builtin_shufflevector(pairs[2 * i], pairs[2 * i + 1], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12,
                                           13, 28, 29) +
                   __builtin_shufflevector(pairs[2 * i], pairs[2 * i + 1], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27,
                                           14, 15, 30, 31);
    for (int64_t i = 0; i < 2; ++i)
        halves[i] = __builtin_shufflevector(quads[2 * i], quads[2 * i + 1], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19,
                                            24, 25, 26, 27) +
                    __builtin_shufflevector(quads[2 * i], quads[2 * i + 1], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23,
                                            28, 29, 30, 31);
    return __builtin_shufflevector(halves[0], halves[1], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
           __builtin_shufflevector(halves[0], halves[1], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}

int64_t chunks(int64_t tokens) {
    return (tokens + kChunk - 1) / kChunk;
}

// One token forwards: state <- keep state + k change^T with change = write (v - keep state^T k).
void delta_step(float* state, const float* q, const float* k, const float* v, float keep, float write, float scale,
                float* change, float* out) {
    Lanes read[kRow] = {}, asked[kRow] = {};
    for (int64_t key = 0; key < S; ++key)
        for (int64_t r = 0; r < kRow; ++r) {
            const Lanes cell = load(state + key * S + r * kLanes);
            read[r] += cell * k[key];
            asked[r] += cell * q[key];
        }
    float k_dot_q = 0;
    for (int64_t key = 0; key < S; ++key) k_dot_q += k[key] * q[key];
    Lanes d[kRow];
    for (int64_t r = 0; r < kRow; ++r) {
        d[r] = write * (load(v + r * kLanes) - keep * read[r]);
        store(change + r * kLanes, d[r]);
        store(out + r * kLanes, scale * (keep * asked[r] + d[r] * k_dot_q));
    }
    for (int64_t key = 0; key < S; ++key)
        for (int64_t r = 0; r < kRow; ++r) {
            float* cell = state + key * S + r * kLanes;
            store(cell, keep * load(cell) + d[r] * k[key]);
        }
}

struct StepGradient {
    float keep, write;
};

// One token backwards. `before` is the state as it was, `future` the gradient of the state behind the token on entry
// and of the state before it on return. q's and k's gradients are added to, since value heads share them.
StepGradient delta_step_back(const float* before, float* future, const float* q, const float* k, const float* change,
                             const float* d_out, float keep, float write, float scale, float* dq, float* dk,
                             float* dv) {
    Lanes given[kRow], changed[kRow], d_change[kRow] = {};
    for (int64_t r = 0; r < kRow; ++r) {
        given[r] = scale * load(d_out + r * kLanes);
        changed[r] = load(change + r * kLanes);
    }
    Lanes both = {};
    for (int64_t r = 0; r < kRow; ++r) both += given[r] * changed[r];
    const float change_dot_given = total(both);
    for (int64_t first = 0; first < S; first += kLanes) {
        Lanes dots[kLanes];
        for (int64_t i = 0; i < kLanes; ++i) {
            Lanes dot = {};
            const Lanes q_now = spread(q[first + i]), k_now = spread(k[first + i]);
            for (int64_t r = 0; r < kRow; ++r) {
                float* cell = future + (first + i) * S + r * kLanes;
                const Lanes now = load(cell) + given[r] * q_now;
                store(cell, now);
                d_change[r] += now * k_now;
                dot += now * changed[r];
            }
            dots[i] = dot;
        }
        store(dk + first, load(dk + first) + totals(dots));
    }
    Lanes d_read[kRow], d_write = {};
    for (int64_t r = 0; r < kRow; ++r) {
        store(dv + r * kLanes, write * d_change[r]);
        d_read[r] = -write * d_change[r];
        d_write += d_change[r] * changed[r];
    }
    Lanes d_keep[kRow] = {};
    for (int64_t first = 0; first < S; first += kLanes) {
        Lanes dots_k[kLanes], dots_q[kLanes];
        for (int64_t i = 0; i < kLanes; ++i) {
            Lanes dot_k = {}, dot_q = {};
            const Lanes k_now = spread(k[first + i]);
            for (int64_t r = 0; r < kRow; ++r) {
                float* cell = future + (first + i) * S + r * kLanes;
                const Lanes old = load(before + (first + i) * S + r * kLanes);
                const Lanes decayed = load(cell) + d_read[r] * k_now;
                d_keep[r] += decayed * old;
                dot_k += old * d_read[r];
                dot_q += old * given[r];
                store(cell, keep * decayed);
            }
            dots_k[i] = dot_k, dots_q[i] = dot_q;
        }
        store(dk + first, load(dk + first) + keep * totals(dots_k));
        store(dq + first, load(dq + first) + keep * totals(dots_q) + load(k + first) * change_dot_given);
    }
    // change is linear in write. A write of 0 is a sigmoid's lower limit, where its slope is 0 too.
    StepGradient gradient{0, write == 0 ? 0 : total(d_write) / write};
    for (int64_t r = 0; r < kRow; ++r) gradient.keep += total(d_keep[r]);
    return gradient;
}

}  // namespace

extern "C" {

// x += delta (unless there is none), y = (1 + weight) x / rms(x).
void add_norm(float* x, const Half* delta, const float* weight, Half* hat, Half* y, float* inverse, int64_t rows,
              int64_t width) {
    for (int64_t row = 0; row < rows; ++row, x += width, hat += width, y += width) {
        if (delta)
            for (int64_t i = 0; i < width; ++i) x[i] += wide(delta[row * width + i]);
        float sum = 0;
        for (int64_t i = 0; i < width; ++i) sum += x[i] * x[i];
        const float inv = 1 / std::sqrt(sum / float(width) + kEps);
        inverse[row] = inv;
        for (int64_t i = 0; i < width; ++i) {
            const float h = x[i] * inv;
            hat[i] = narrow(h);
            y[i] = narrow(h * (1 + weight[i]));
        }
    }
}

// dx += what y's gradient makes of it; dx_half is a copy of the sum.
void norm_back(const Half* dy, const Half* hat, const float* inverse, const float* weight, float* dx, Half* dx_half,
               float* d_weight, int64_t rows, int64_t width) {
    for (int64_t row = 0; row < rows; ++row, dy += width, hat += width, dx += width, dx_half += width) {
        float dot = 0;
        for (int64_t i = 0; i < width; ++i) {
            const float g = wide(dy[i]), h = wide(hat[i]);
            d_weight[i] += g * h;
            dot += g * (1 + weight[i]) * h;
        }
        dot /= float(width);
        for (int64_t i = 0; i < width; ++i) {
            dx[i] += inverse[row] * (wide(dy[i]) * (1 + weight[i]) - wide(hat[i]) * dot);
            dx_half[i] = narrow(dx[i]);
        }
    }
}

void swiglu(const Half* gate_up, Half* y, int64_t rows, int64_t width) {
    for (int64_t row = 0; row < rows; ++row, gate_up += 2 * width, y += width)
        for (int64_t i = 0; i < width; ++i) {
            const float gate = wide(gate_up[i]);
            y[i] = narrow(gate * sigmoid(gate) * wide(gate_up[width + i]));
        }
}

void swiglu_back(const Half* gate_up, const Half* dy, Half* d_gate_up, int64_t rows, int64_t width) {
    for (int64_t row = 0; row < rows; ++row, gate_up += 2 * width, d_gate_up += 2 * width, dy += width)
        for (int64_t i = 0; i < width; ++i) {
            const float gate = wide(gate_up[i]), up = wide(gate_up[width + i]), g = wide(dy[i]), s = sigmoid(gate);
            d_gate_up[i] = narrow(g * up * s * (1 + gate * (1 - s)));
            d_gate_up[width + i] = narrow(g * gate * s);
        }
}

// in: rows of `stride`, first q, k and v side by side. q and k come out with length 1.
void conv(const Half* in, int64_t stride, const float* taps, const int64_t* start, int64_t documents, int64_t key_heads,
          int64_t value_heads, float* q, float* k, float* v, float* inverse) {
    const int64_t channels = (2 * key_heads + value_heads) * S, keys = key_heads * S;
    std::vector<float> u(static_cast<size_t>(channels));
    for (int64_t document = 0; document < documents; ++document)
        for (int64_t t = start[document]; t < start[document + 1]; ++t) {
            const int64_t first = std::max<int64_t>(0, kTaps - 1 - (t - start[document]));
            std::fill(u.begin(), u.end(), 0.f);
            for (int64_t tap = first; tap < kTaps; ++tap) {
                const Half* from = in + (t - (kTaps - 1) + tap) * stride;
                for (int64_t i = 0; i < channels; ++i) u[size_t(i)] += taps[tap * channels + i] * wide(from[i]);
            }
            for (int64_t i = 0; i < channels; ++i) u[size_t(i)] *= sigmoid(u[size_t(i)]);
            for (int64_t head = 0; head < 2 * key_heads; ++head) {
                const float* from = u.data() + head * S;
                float sum = 0;
                for (int64_t i = 0; i < S; ++i) sum += from[i] * from[i];
                const float inv = 1 / std::max(std::sqrt(sum), kEps);
                inverse[t * 2 * key_heads + head] = inv;
                float* to = head < key_heads ? q + t * keys + head * S : k + t * keys + (head - key_heads) * S;
                for (int64_t i = 0; i < S; ++i) to[i] = from[i] * inv;
            }
            std::copy(u.begin() + 2 * keys, u.end(), v + t * value_heads * S);
        }
}

void conv_back(const Half* in, int64_t stride, const float* taps, const int64_t* start, int64_t documents,
               int64_t key_heads, int64_t value_heads, const float* q, const float* k, const float* inverse,
               const float* dq, const float* dk, const float* dv, Half* d_in, float* d_taps) {
    const int64_t channels = (2 * key_heads + value_heads) * S, keys = key_heads * S;
    std::vector<float> ring(size_t(kTaps * channels)), c(static_cast<size_t>(channels));
    const auto row = [&](int64_t t) { return ring.data() + (t & (kTaps - 1)) * channels; };
    for (int64_t document = 0; document < documents; ++document) {
        const int64_t begin = start[document], end = start[document + 1];
        for (int64_t t = begin; t < end + kTaps - 1; ++t) {
            float* now = row(t);
            if (t < end) {
                const int64_t first = std::max<int64_t>(0, kTaps - 1 - (t - begin));
                std::fill(c.begin(), c.end(), 0.f);
                for (int64_t tap = first; tap < kTaps; ++tap) {
                    const Half* from = in + (t - (kTaps - 1) + tap) * stride;
                    for (int64_t i = 0; i < channels; ++i) c[size_t(i)] += taps[tap * channels + i] * wide(from[i]);
                }
                for (int64_t head = 0; head < 2 * key_heads; ++head) {
                    const bool is_q = head < key_heads;
                    const int64_t at = t * keys + (is_q ? head : head - key_heads) * S;
                    const float *hat = (is_q ? q : k) + at, *g = (is_q ? dq : dk) + at;
                    const float inv = inverse[t * 2 * key_heads + head];
                    float dot = 0;
                    for (int64_t i = 0; i < S; ++i) dot += hat[i] * g[i];
                    for (int64_t i = 0; i < S; ++i) now[head * S + i] = inv * (g[i] - hat[i] * dot);
                }
                std::copy(dv + t * value_heads * S, dv + (t + 1) * value_heads * S, now + 2 * keys);
                for (int64_t i = 0; i < channels; ++i) {
                    const float x = c[size_t(i)], s = sigmoid(x);
                    now[i] *= s * (1 + x * (1 - s));
                }
                for (int64_t tap = first; tap < kTaps; ++tap) {
                    const Half* from = in + (t - (kTaps - 1) + tap) * stride;
                    float* to = d_taps + tap * channels;
                    for (int64_t i = 0; i < channels; ++i) to[i] += now[i] * wide(from[i]);
                }
            } else {
                std::fill(now, now + channels, 0.f);
            }
            const int64_t done = t - (kTaps - 1);
            if (done < begin) continue;
            Half* to = d_in + done * stride;
            const float *w = taps, *d0 = row(done + 3), *d1 = row(done + 2), *d2 = row(done + 1), *d3 = row(done);
            for (int64_t i = 0; i < channels; ++i)
                to[i] = narrow(w[i] * d0[i] + w[channels + i] * d1[i] + w[2 * channels + i] * d2[i] +
                               w[3 * channels + i] * d3[i]);
        }
    }
}

// Per value head: a, b -> the share of the state that is kept and how strongly is written.
void gates(const Half* a, const Half* b, int64_t stride, const float* a_log, const float* dt_bias, float* keep,
           float* write, int64_t rows, int64_t heads) {
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t head = 0; head < heads; ++head) {
            const float x = wide(a[row * stride + head]) + dt_bias[head];
            const float softplus = x > 20 ? x : std::log1p(std::exp(x));
            keep[row * heads + head] = std::exp(-std::exp(a_log[head]) * softplus);
            write[row * heads + head] = sigmoid(wide(b[row * stride + head]));
        }
}

void gates_back(const Half* a, int64_t stride, const float* a_log, const float* dt_bias, const float* keep,
                const float* write, const float* d_keep, const float* d_write, Half* da, Half* db, float* d_a_log,
                float* d_dt_bias, int64_t rows, int64_t heads) {
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t head = 0; head < heads; ++head) {
            const int64_t i = row * heads + head;
            const float x = wide(a[row * stride + head]) + dt_bias[head], rate = std::exp(a_log[head]);
            const float softplus = x > 20 ? x : std::log1p(std::exp(x));
            const float d_log = d_keep[i] * keep[i], dx = -d_log * rate * sigmoid(x);
            d_a_log[head] -= d_log * rate * softplus;
            d_dt_bias[head] += dx;
            da[row * stride + head] = narrow(dx);
            db[row * stride + head] = narrow(d_write[i] * write[i] * (1 - write[i]));
        }
}

int64_t kept_states(const int64_t* start, int64_t documents) {
    int64_t count = 0;
    for (int64_t document = 0; document < documents; ++document) count += chunks(start[document + 1] - start[document]);
    return count;
}

// The gated delta rule in its step form: a state fits the first-level cache, so chunks would save nothing. kept:
// [kept_states][value_heads][S][S], the state in front of every chunk.
void delta(const float* q, const float* k, const float* v, const float* keep, const float* write, const int64_t* start,
           int64_t documents, int64_t key_heads, int64_t value_heads, float* change, float* out, float* kept) {
    const float scale = 1 / std::sqrt(float(S));
    const int64_t sharing = value_heads / key_heads;
    alignas(64) float state[S * S];
    int64_t base = 0;
    for (int64_t document = 0; document < documents; ++document) {
        const int64_t begin = start[document], end = start[document + 1];
        for (int64_t head = 0; head < value_heads; ++head) {
            std::memset(state, 0, sizeof state);
            for (int64_t t = begin; t < end; ++t) {
                if ((t - begin) % kChunk == 0)
                    std::memcpy(kept + ((base + (t - begin) / kChunk) * value_heads + head) * S * S, state,
                                sizeof state);
                const int64_t key = (t * key_heads + head / sharing) * S, value = t * value_heads + head;
                delta_step(state, q + key, k + key, v + value * S, keep[value], write[value], scale, change + value * S,
                           out + value * S);
            }
        }
        base += chunks(end - begin);
    }
}

void delta_back(const float* q, const float* k, const float* keep, const float* write, const int64_t* start,
                int64_t documents, int64_t key_heads, int64_t value_heads, const float* change, const float* kept,
                const float* d_out, float* dq, float* dk, float* dv, float* d_keep, float* d_write) {
    const float scale = 1 / std::sqrt(float(S));
    const int64_t sharing = value_heads / key_heads;
    alignas(64) static float states[kChunk][S * S];
    alignas(64) static float future[S * S];
    int64_t base = 0;
    for (int64_t document = 0; document < documents; ++document) {
        const int64_t begin = start[document], end = start[document + 1];
        std::fill(dq + begin * key_heads * S, dq + end * key_heads * S, 0.f);
        std::fill(dk + begin * key_heads * S, dk + end * key_heads * S, 0.f);
        for (int64_t head = 0; head < value_heads; ++head) {
            std::memset(future, 0, sizeof future);
            for (int64_t chunk = chunks(end - begin) - 1; chunk >= 0; --chunk) {
                const int64_t first = begin + chunk * kChunk, count = std::min(kChunk, end - first);
                std::memcpy(states[0], kept + ((base + chunk) * value_heads + head) * S * S, sizeof states[0]);
                for (int64_t i = 0; i + 1 < count; ++i) {
                    const int64_t value = (first + i) * value_heads + head;
                    const float* k_now = k + ((first + i) * key_heads + head / sharing) * S;
                    for (int64_t key = 0; key < S; ++key)
                        for (int64_t r = 0; r < kRow; ++r)
                            store(states[i + 1] + key * S + r * kLanes,
                                  keep[value] * load(states[i] + key * S + r * kLanes) +
                                      load(change + value * S + r * kLanes) * k_now[key]);
                }
                for (int64_t i = count - 1; i >= 0; --i) {
                    const int64_t t = first + i, key = (t * key_heads + head / sharing) * S,
                                  value = t * value_heads + head;
                    const StepGradient gradient =
                        delta_step_back(states[i], future, q + key, k + key, change + value * S, d_out + value * S,
                                        keep[value], write[value], scale, dq + key, dk + key, dv + value * S);
                    d_keep[value] = gradient.keep;
                    d_write[value] = gradient.write;
                }
            }
        }
        base += chunks(end - begin);
    }
}

// y = weight * x / rms(x) * silu(gate), per head.
void norm_gate(const float* x, const Half* gate, int64_t stride, const float* weight, Half* y, float* inverse,
               int64_t rows, int64_t heads) {
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t head = 0; head < heads; ++head, x += S, y += S) {
            const Half* z = gate + row * stride + head * S;
            float sum = 0;
            for (int64_t i = 0; i < S; ++i) sum += x[i] * x[i];
            const float inv = 1 / std::sqrt(sum / float(S) + kEps);
            inverse[row * heads + head] = inv;
            for (int64_t i = 0; i < S; ++i) {
                const float g = wide(z[i]);
                y[i] = narrow(x[i] * inv * weight[i] * g * sigmoid(g));
            }
        }
}

void norm_gate_back(const float* x, const Half* gate, int64_t stride, const float* weight, const float* inverse,
                    const Half* dy, float* dx, Half* d_gate, float* d_weight, int64_t rows, int64_t heads) {
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t head = 0; head < heads; ++head, x += S, dx += S, dy += S) {
            const Half* z = gate + row * stride + head * S;
            Half* dz = d_gate + row * stride + head * S;
            const float inv = inverse[row * heads + head];
            float dot = 0, d_hat[S];
            for (int64_t i = 0; i < S; ++i) {
                const float g = wide(z[i]), s = sigmoid(g), d = wide(dy[i]), hat = x[i] * inv;
                d_weight[i] += d * hat * g * s;
                dz[i] = narrow(d * hat * weight[i] * s * (1 + g * (1 - s)));
                d_hat[i] = d * weight[i] * g * s;
                dot += d_hat[i] * hat;
            }
            dot /= float(S);
            for (int64_t i = 0; i < S; ++i) dx[i] = inv * (d_hat[i] - x[i] * inv * dot);
        }
}

// in: per query head 64 values and 64 of its gate, then keys, then values. Out, per query head: q (times 1/8, since
// scores are divided by the root of the width) and k with norm and rotation, and v.
void heads_in(const Half* in, int64_t stride, const float* q_weight, const float* k_weight, const float* angles,
              const int64_t* position, int64_t rows, int64_t heads, int64_t kv_heads, Half* q, Half* k, Half* v,
              float* inverse) {
    const int64_t sharing = heads / kv_heads, all = heads + kv_heads;
    for (int64_t row = 0; row < rows; ++row) {
        const float *cosines = angles + position[row] * kRotated, *sines = cosines + kRotated / 2;
        for (int64_t head = 0; head < all; ++head) {
            const bool is_q = head < heads;
            const Half* from = in + row * stride + (is_q ? head * 2 * S : heads * 2 * S + (head - heads) * S);
            const float* weight = is_q ? q_weight : k_weight;
            float x[S], sum = 0;
            for (int64_t i = 0; i < S; ++i) sum += wide(from[i]) * wide(from[i]);
            const float inv = 1 / std::sqrt(sum / float(S) + kEps), scale = is_q ? inv / std::sqrt(float(S)) : inv;
            inverse[row * all + head] = inv;
            for (int64_t i = 0; i < S; ++i) x[i] = wide(from[i]) * scale * (1 + weight[i]);
            for (int64_t i = 0; i < kRotated / 2; ++i) {
                const float a = x[i], b = x[i + kRotated / 2];
                x[i] = a * cosines[i] - b * sines[i];
                x[i + kRotated / 2] = a * sines[i] + b * cosines[i];
            }
            if (is_q) {
                for (int64_t i = 0; i < S; ++i) q[(head * rows + row) * S + i] = narrow(x[i]);
            } else {
                const Half* value = in + row * stride + (heads * 2 + kv_heads + head - heads) * S;
                for (int64_t copy = 0; copy < sharing; ++copy) {
                    const int64_t to = (((head - heads) * sharing + copy) * rows + row) * S;
                    for (int64_t i = 0; i < S; ++i) k[to + i] = narrow(x[i]);
                    std::memcpy(v + to, value, size_t(S) * sizeof(Half));
                }
            }
        }
    }
}

void heads_in_back(const Half* in, int64_t stride, const float* q_weight, const float* k_weight, const float* angles,
                   const int64_t* position, int64_t rows, int64_t heads, int64_t kv_heads, const float* inverse,
                   const Half* dq, const Half* dk, const Half* dv, Half* d_in, float* d_q_weight, float* d_k_weight) {
    const int64_t sharing = heads / kv_heads, all = heads + kv_heads;
    for (int64_t row = 0; row < rows; ++row) {
        const float *cosines = angles + position[row] * kRotated, *sines = cosines + kRotated / 2;
        for (int64_t head = 0; head < all; ++head) {
            const bool is_q = head < heads;
            const int64_t at = row * stride + (is_q ? head * 2 * S : heads * 2 * S + (head - heads) * S);
            const Half* from = in + at;
            const float* weight = is_q ? q_weight : k_weight;
            float g[S] = {};
            if (is_q) {
                for (int64_t i = 0; i < S; ++i) g[i] = wide(dq[(head * rows + row) * S + i]) / std::sqrt(float(S));
            } else {
                float value[S] = {};
                for (int64_t copy = 0; copy < sharing; ++copy) {
                    const int64_t to = (((head - heads) * sharing + copy) * rows + row) * S;
                    for (int64_t i = 0; i < S; ++i) g[i] += wide(dk[to + i]), value[i] += wide(dv[to + i]);
                }
                Half* d_value = d_in + row * stride + (heads * 2 + kv_heads + head - heads) * S;
                for (int64_t i = 0; i < S; ++i) d_value[i] = narrow(value[i]);
            }
            for (int64_t i = 0; i < kRotated / 2; ++i) {
                const float a = g[i], b = g[i + kRotated / 2];
                g[i] = a * cosines[i] + b * sines[i];
                g[i + kRotated / 2] = b * cosines[i] - a * sines[i];
            }
            const float inv = inverse[row * all + head];
            float* d_weight = is_q ? d_q_weight : d_k_weight;
            float dot = 0;
            for (int64_t i = 0; i < S; ++i) {
                const float hat = wide(from[i]) * inv;
                d_weight[i] += g[i] * hat;
                g[i] *= 1 + weight[i];
                dot += g[i] * hat;
            }
            dot /= float(S);
            for (int64_t i = 0; i < S; ++i) d_in[at + i] = narrow(inv * (g[i] - wide(from[i]) * inv * dot));
        }
    }
}

// scores: [heads][rows][columns] of one document, row i sees the columns up to first + i.
void causal_softmax(Half* scores, int64_t heads, int64_t rows, int64_t columns, int64_t first) {
    std::vector<float> p(static_cast<size_t>(columns));
    for (int64_t line = 0; line < heads * rows; ++line, scores += columns) {
        const int64_t seen = first + line % rows + 1;
        float most = -3e38f, sum = 0;
        for (int64_t i = 0; i < seen; ++i) most = std::max(most, wide(scores[i]));
        for (int64_t i = 0; i < seen; ++i) {
            p[size_t(i)] = std::exp(wide(scores[i]) - most);
            sum += p[size_t(i)];
        }
        sum = 1 / sum;
        for (int64_t i = 0; i < seen; ++i) scores[i] = narrow(p[size_t(i)] * sum);
        std::fill(scores + seen, scores + columns, Half(0));
    }
}

void causal_softmax_back(const Half* p, Half* g, int64_t heads, int64_t rows, int64_t columns, int64_t first) {
    for (int64_t line = 0; line < heads * rows; ++line, p += columns, g += columns) {
        const int64_t seen = first + line % rows + 1;
        float dot = 0;
        for (int64_t i = 0; i < seen; ++i) dot += wide(p[i]) * wide(g[i]);
        for (int64_t i = 0; i < seen; ++i) g[i] = narrow(wide(p[i]) * (wide(g[i]) - dot));
        std::fill(g + seen, g + columns, Half(0));
    }
}

// y = x * sigmoid(gate); x lies head by head, the gates in `in` behind each query head.
void heads_out(const Half* x, const Half* in, int64_t stride, Half* y, int64_t rows, int64_t heads) {
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t head = 0; head < heads; ++head)
            for (int64_t i = 0; i < S; ++i)
                y[(row * heads + head) * S + i] = narrow(wide(x[(head * rows + row) * S + i]) *
                                                         sigmoid(wide(in[row * stride + (head * 2 + 1) * S + i])));
}

void heads_out_back(const Half* x, const Half* in, int64_t stride, const Half* dy, Half* dx, Half* d_in, int64_t rows,
                    int64_t heads) {
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t head = 0; head < heads; ++head)
            for (int64_t i = 0; i < S; ++i) {
                const int64_t at = row * stride + (head * 2 + 1) * S + i, from = (head * rows + row) * S + i;
                const float s = sigmoid(wide(in[at])), g = wide(dy[(row * heads + head) * S + i]);
                dx[from] = narrow(g * s);
                d_in[at] = narrow(g * wide(x[from]) * s * (1 - s));
            }
}

// logits become weight * (p - one at the target); loss is -log p, unweighted; right says whether the target is highest.
void cross_entropy(Half* logits, const int64_t* target, const float* weight, float* loss, float* right, int64_t rows,
                   int64_t width) {
    std::vector<float> p(static_cast<size_t>(width));
    for (int64_t row = 0; row < rows; ++row, logits += width) {
        float most = -3e38f, sum = 0;
        for (int64_t i = 0; i < width; ++i) most = std::max(most, wide(logits[i]));
        for (int64_t i = 0; i < width; ++i) {
            p[size_t(i)] = std::exp(wide(logits[i]) - most);
            sum += p[size_t(i)];
        }
        const float at_target = wide(logits[target[row]]);
        loss[row] = std::log(sum) + most - at_target;
        right[row] = at_target >= most;
        const float scale = weight[row] / sum;
        for (int64_t i = 0; i < width; ++i) logits[i] = narrow(p[size_t(i)] * scale);
        logits[target[row]] = narrow(p[size_t(target[row])] * scale - weight[row]);
    }
}

void embed(const float* table, const int64_t* ids, float* x, int64_t rows, int64_t width) {
    for (int64_t row = 0; row < rows; ++row)
        std::memcpy(x + row * width, table + ids[row] * width, size_t(width) * sizeof(float));
}

void embed_back(const float* dx, const int64_t* ids, float* d_table, int64_t rows, int64_t width) {
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t i = 0; i < width; ++i) d_table[ids[row] * width + i] += dx[row * width + i];
}

// to += from
void add_half(float* to, const Half* from, int64_t count) {
    for (int64_t i = 0; i < count; ++i) to[i] += wide(from[i]);
}

}  // extern "C"
