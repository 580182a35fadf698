// libFuzzer entry, see tokenizer_check.h.
#include <cstdint>

#include "tokenizer_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    hearth::check_detokenizer({reinterpret_cast<const char*>(data), size});
    return 0;
}
