// One GGUF file: its header parsed and its tensor table checked against the file's real size. Sets of parts are
// gguf.cpp's matter.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "files/checkpoint.h"
#include "files/problems.h"

namespace hearth {

struct GgufPart {
    MappedFile file;
    uint32_t version = 0;
    uint64_t alignment = 32;
    Metadata metadata;
    std::vector<StoredTensor> tensors;  // `part` is left at 0
};

Result<GgufPart> read_gguf_part(const std::string& path);

}  // namespace hearth
