// What this machine can do at most, measured now: the roof that every speed is compared with.
#pragma once

#include "backends/cpu/isa.h"
#include "backends/cpu/threads.h"
#include "base/result.h"

namespace hearth::cpu {

struct Roof {
    double read_bytes_per_second = 0;  // streaming over more memory than any cache holds
    double int8_ops_per_second = 0;    // multiply and add counted as two; 0 where the row has no such instruction
    double f32_ops_per_second = 0;     // likewise
};

// About a second and `buffer_bytes` of memory.
Result<Roof> measure_roof(ThreadPool& pool, Isa isa, size_t buffer_bytes = size_t{1} << 30);

}  // namespace hearth::cpu
