// libFuzzer entry, see jinja_check.h.
#include <cstdint>

#include "jinja_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    hearth::check_jinja({reinterpret_cast<const char*>(data), size});
    return 0;
}
