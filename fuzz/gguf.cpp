// libFuzzer entry: any bytes as a GGUF file.
#include <cstdint>

#include "gguf_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    hearth::check_gguf(std::as_bytes(std::span(data, size)));
    return 0;
}
