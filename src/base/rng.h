// Random numbers that are the same on every machine: xoshiro256** seeded by splitmix64.
#pragma once

#include <cstdint>

namespace hearth {

inline uint64_t splitmix64(uint64_t& state) {
    uint64_t z = (state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

class Rng {
public:
    explicit Rng(uint64_t seed) {
        for (uint64_t& word : state_) word = splitmix64(seed);
    }
    uint64_t next() {
        const uint64_t result = rotate(state_[1] * 5, 7) * 9, t = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= t;
        state_[3] = rotate(state_[3], 45);
        return result;
    }
    double uniform() { return double(next() >> 11) * 0x1p-53; }            // [0, 1)
    uint64_t below(uint64_t bound) { return bound ? next() % bound : 0; }  // the bias is below bound / 2^64
    float normal();                                                        // mean 0, deviation 1

private:
    static uint64_t rotate(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }
    uint64_t state_[4];
};

}  // namespace hearth
