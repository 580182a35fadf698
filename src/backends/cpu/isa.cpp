#include "backends/cpu/isa.h"

#include <fmt/format.h>

#include <iterator>
#include <string>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace hearth::cpu {
namespace {

constexpr std::string_view kNames[] = {"generic", "avx2", "avxvnni", "avx512", "neon", "dotprod", "i8mm"};
static_assert(std::size(kNames) == std::size(kAllIsas));

#if defined(__x86_64__)
struct CpuId {
    uint32_t eax, ebx, ecx, edx;
};
// For features that compilers have no name for everywhere: F16C (leaf 1, ECX bit 29), AVX-VNNI (leaf 7.1, EAX bit 4).
CpuId cpuid(uint32_t leaf, uint32_t subleaf) {
    CpuId id{leaf, 0, subleaf, 0};
    asm volatile("cpuid" : "+a"(id.eax), "=b"(id.ebx), "+c"(id.ecx), "=d"(id.edx));
    return id;
}
#endif

bool ask_hardware(Isa isa) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && (cpuid(1, 0).ecx >> 29 & 1);
    switch (isa) {
        case Isa::any:
            return true;
        case Isa::avx2:
            return avx2;
        case Isa::avxvnni:
            return avx2 && (cpuid(7, 1).eax >> 4 & 1);
        case Isa::avx512:
            return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512vnni");
        default:
            return false;
    }
#elif defined(__aarch64__)
    switch (isa) {
        case Isa::any:
        case Isa::neon:
            return true;
        case Isa::dotprod:
            return getauxval(AT_HWCAP) >> 20 & 1;
        case Isa::i8mm:  // the row runs kernels of dotprod as well
            return (getauxval(AT_HWCAP) >> 20 & 1) && (getauxval(AT_HWCAP2) >> 13 & 1);
        default:
            return false;
    }
#else
    return isa == Isa::any;
#endif
}

}  // namespace

bool machine_runs(Isa isa) {
    static const uint32_t runs = [] {
        uint32_t bits = 0;
        for (Isa each : kAllIsas) bits |= uint32_t(ask_hardware(each)) << int(each);
        return bits;
    }();
    return runs >> int(isa) & 1;
}

bool machine_has_avx512_bf16() {
#if defined(__x86_64__)
    static const bool has = machine_runs(Isa::avx512) && __builtin_cpu_supports("avx512bf16");
    return has;
#else
    return false;
#endif
}

Isa chosen_isa() {
    static const Isa best = [] {
        for (Isa isa : {Isa::avx512, Isa::avxvnni, Isa::avx2, Isa::i8mm, Isa::dotprod, Isa::neon}) {
            if (machine_runs(isa)) return isa;
        }
        return Isa::any;
    }();
    return best;
}

std::string_view name_of(Isa isa) {
    return kNames[int(isa)];
}

Result<Isa> parse_isa(std::string_view name) {
    std::string known, runnable;
    for (Isa isa : kAllIsas) {
        known += (known.empty() ? "" : ", ") + std::string(name_of(isa));
        if (machine_runs(isa)) runnable += (runnable.empty() ? "" : ", ") + std::string(name_of(isa));
    }
    for (Isa isa : kAllIsas) {
        if (name_of(isa) != name) continue;
        if (machine_runs(isa)) return isa;
        return fail(ErrorKind::device, fmt::format("this processor cannot run the {} kernels", name),
                    fmt::format("choose one of: {}", runnable));
    }
    return fail(ErrorKind::bad_request, fmt::format("unknown instruction set \"{}\"", name),
                fmt::format("known names: {}", known));
}

}  // namespace hearth::cpu
