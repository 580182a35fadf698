#include "engine/machine.h"

#include "backends/cpu/isa.h"
#include "backends/cpu/roof.h"
#include "base/os.h"

namespace hearth {

std::string kernel_row() {
    return std::string(cpu::name_of(cpu::chosen_isa()));
}

Result<> check_kernel_row(const std::string& name) {
    TRY(cpu::parse_isa(name));
    return {};
}

Result<MachineRoof> measure_machine(int threads, const std::string& row) {
    ThreadPool pool(threads > 0 ? threads : physical_cores_allowed());
    const cpu::Roof roof = TRY(cpu::measure_roof(pool, row.empty() ? cpu::chosen_isa() : TRY(cpu::parse_isa(row))));
    return MachineRoof{roof.read_bytes_per_second, roof.int8_ops_per_second, roof.f32_ops_per_second};
}

}  // namespace hearth
