// libFuzzer entry, see requests_check.h.
#include <cstdint>

#include "requests_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    hearth::check_request({reinterpret_cast<const char*>(data), size});
    return 0;
}
