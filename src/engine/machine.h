// What the commands ask about the processor, without knowing a backend.
#pragma once

#include <string>

#include "base/result.h"

namespace hearth {

std::string kernel_row();                            // the row of the kernel table that is used here: "avx512"
Result<> check_kernel_row(const std::string& name);  // an error when unknown or not for this machine

struct MachineRoof {
    double read_bytes_per_second = 0, int8_ops_per_second = 0, f32_ops_per_second = 0;  // 0: not known
};
Result<MachineRoof> measure_machine(int threads, const std::string& row);

}  // namespace hearth
