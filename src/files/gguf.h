// Opens GGUF files, versions 2 and 3, single or split. One report names every problem of a file; nothing is allocated
// beyond a small multiple of what the file really holds, and a file that shrinks while it is opened is an error like
// any other.
#pragma once

#include <string>

#include "base/result.h"
#include "files/checkpoint.h"

namespace hearth {

// The first part of a split set opens all of it; naming a later part opens the same set from its first part.
Result<Checkpoint> open_gguf(const std::string& path);

}  // namespace hearth
