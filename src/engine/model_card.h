// What a file is, in the words of people: its family, its size, how its weights are stored.
#pragma once

#include <cstdint>
#include <string>

#include "files/checkpoint.h"

namespace hearth {

struct ModelCard {
    std::string family;       // general.architecture: "qwen35"
    int64_t parameters = 0;   // elements of all tensors
    std::string weight_type;  // of most of them: "Q4_K_M", "BF16"
    uint64_t bytes = 0;       // of all its files
    std::string format;       // "gguf", or "safetensors" for a directory as Hugging Face publishes it
};

ModelCard card_of(const Checkpoint& checkpoint);
std::string parameters_text(int64_t parameters);  // "8.03B", "4.1M"

}  // namespace hearth
