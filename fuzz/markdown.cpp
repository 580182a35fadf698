// libFuzzer entry, see markdown_check.h.
#include <cstdint>

#include "markdown_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    hearth::check_markdown({reinterpret_cast<const char*>(data), size});
    return 0;
}
