#include "backends/cpu/ops/rows.h"

#include <algorithm>
#include <cmath>

#define KERNELS "backends/cpu/ops/row_kernels.inc"
#define KERNEL_TABLE kRows
#include "backends/cpu/ops/every_row.inc"

namespace hearth::cpu {

const RowKernels& row_kernels(Isa isa) {
    return *kEveryRow.at(isa);
}

}  // namespace hearth::cpu
