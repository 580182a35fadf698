// libFuzzer entry, see hf_check.h.
#include <cstdint>

#include "hf_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    hearth::check_hf_directory(std::as_bytes(std::span(data, size)));
    return 0;
}
