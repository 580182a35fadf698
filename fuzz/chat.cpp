// libFuzzer entry, see chat_check.h.
#include <cstdint>

#include "chat_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    hearth::check_chat({reinterpret_cast<const char*>(data), size});
    return 0;
}
