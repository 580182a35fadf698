// Which instruction set the kernels use: chosen once from what this machine runs, or forced by name so that every
// variant can be tested on one machine and named in a bug report.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "base/result.h"

namespace hearth::cpu {

// A kernel row. avx2 includes FMA and F16C; avxvnni adds the 256-bit VEX form of vpdpbusd; avx512 is F, BW, DQ, VL and
// VNNI. neon is what every 64-bit ARM processor has; dotprod adds sdot, i8mm smmla.
enum class Isa : uint8_t { any, avx2, avxvnni, avx512, neon, dotprod, i8mm };

inline constexpr Isa kAllIsas[] = {Isa::any, Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::neon, Isa::dotprod, Isa::i8mm};

bool machine_runs(Isa isa);
bool machine_has_avx512_bf16();     // vdpbf16ps: an addition to the avx512 row
Isa chosen_isa();                   // the best row this machine runs; asked of the hardware once
std::string_view name_of(Isa isa);  // "generic" for any

// The row that HEARTH_CPU or an option names; an error when the name is unknown or this machine cannot run it.
Result<Isa> parse_isa(std::string_view name);

// Whether a kernel written for `kernel` may run where the row `chosen` was asked for.
constexpr bool covers(Isa chosen, Isa kernel) {
    switch (kernel) {
        case Isa::any:
            return true;
        case Isa::avx2:
            return chosen == Isa::avx2 || chosen == Isa::avxvnni || chosen == Isa::avx512;
        case Isa::neon:
            return chosen == Isa::neon || chosen == Isa::dotprod || chosen == Isa::i8mm;
        case Isa::dotprod:
            return chosen == Isa::dotprod || chosen == Isa::i8mm;
        default:
            return chosen == kernel;
    }
}

// Variants of one kernel, best first; the last is for Isa::any and always there.
template <class Kernel>
struct KernelTable {
    struct Row {
        Isa isa;
        Kernel kernel;
    };
    static constexpr int kMostRows = 6;
    Row rows[kMostRows];
    int count;

    constexpr KernelTable(std::initializer_list<Row> list) : rows{}, count(0) {
        for (const Row& row : list) rows[count++] = row;
    }
    constexpr const Kernel& at(Isa chosen) const {
        for (int row = 0; row + 1 < count; ++row) {
            if (covers(chosen, rows[row].isa)) return rows[row].kernel;
        }
        return rows[count - 1].kernel;
    }
};

}  // namespace hearth::cpu
