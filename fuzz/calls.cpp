// libFuzzer entry, see calls_check.h.
#include <cstdint>

#include "calls_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    hearth::check_calls({reinterpret_cast<const char*>(data), size});
    return 0;
}
