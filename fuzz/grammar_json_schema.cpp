// libFuzzer entry, see grammar_check.h.
#include <cstdint>

#include "grammar_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    hearth::check_json_schema({reinterpret_cast<const char*>(data), size});
    return 0;
}
