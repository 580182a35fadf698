// The tests' own reader of vocabularies: GGUF metadata of a file (or .xz of one), independent of src/files.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/shared_data.h"
#include "text/tokenizer.h"

namespace hearth::test {

struct VocabularyFile {
    std::string bytes;  // of the whole file; the views point into it
    std::vector<std::string_view> tokens, merges;
    std::vector<float> scores;
    std::vector<int32_t> types;
    VocabularySource source;
};

// Reads "x.gguf" or "x.gguf.xz" (through the xz program). Fails the test and returns null when it cannot.
std::unique_ptr<VocabularyFile> read_vocabulary(const std::string& path);

std::string from_hex(std::string_view hex);

}  // namespace hearth::test
