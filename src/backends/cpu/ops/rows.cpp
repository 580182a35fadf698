#include "backends/cpu/ops/rows.h"

#include <algorithm>
#include <cmath>

#include "backends/cpu/ops/lanes.h"

namespace hearth::cpu::plain {
#include "backends/cpu/ops/row_kernels.inc"
}
#if TARGET_X86
namespace hearth::cpu::avx2 {
TARGET_BEGIN(TARGET_AVX2)
#include "backends/cpu/ops/row_kernels.inc"
TARGET_END
}  // namespace hearth::cpu::avx2
namespace hearth::cpu::avx512 {
TARGET_BEGIN(TARGET_AVX512)
#include "backends/cpu/ops/row_kernels.inc"
TARGET_END
}  // namespace hearth::cpu::avx512
#endif

namespace hearth::cpu {

namespace {
const KernelTable<const RowKernels*> kTable {
#if TARGET_X86
    {Isa::avx512, &avx512::kRows}, {Isa::avx2, &avx2::kRows},
#endif
    {
        Isa::any, &plain::kRows
    }
};
}  // namespace

const RowKernels& row_kernels(Isa isa) {
    return *kTable.at(isa);
}

}  // namespace hearth::cpu
