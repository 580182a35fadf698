// Hugging Face directories as checkpoints: config.json, tokenizer and safetensors become the keys, names and orders of
// GGUF files, so that the rest of the house knows one convention. Tensors are rearranged when they are read, never
// before.
//
// This room lies below the models and beside nothing: it reads files and knows published conventions; what a model
// computes it does not know. It is no part of files/, which knows no model, and no part of models/, whose files read
// like their papers and see GGUF terms only.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "files/checkpoint.h"

namespace hearth::huggingface {

struct OpenedDirectory {
    Checkpoint checkpoint;
    std::vector<std::string> notes;  // what of the directory is not in the checkpoint, in words
};

Result<OpenedDirectory> open_directory(const std::string& path);
bool is_directory(const std::string& path);

}  // namespace hearth::huggingface
