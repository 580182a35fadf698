// libFuzzer entry: any bytes as an importance matrix.
#include <cstdint>

#include "imatrix_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    hearth::check_imatrix(std::as_bytes(std::span(data, size)));
    return 0;
}
