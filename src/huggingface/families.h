// One line per published family: the names it goes by in config.json and how it becomes GGUF terms.
#pragma once

#include <string_view>

#include "huggingface/tokenizer.h"
#include "huggingface/translation.h"

namespace hearth::huggingface {

// Sets architecture, keys and tensors; says how the vocabulary is to be written. Problems go to `to.config`.
using Translate = TokenizerChoice (*)(Translation& to);

TokenizerChoice translate_llama(Translation& to);
TokenizerChoice translate_qwen35(Translation& to);

struct PublishedFamily {
    std::string_view model_type;  // of the text model's part
    Translate translate;
};

inline constexpr PublishedFamily kPublishedFamilies[] = {
    {"llama", translate_llama},
    {"mistral", translate_llama},
    {"mixtral", translate_llama},
    {"qwen3_5", translate_qwen35},
    {"qwen3_5_text", translate_qwen35},
    {"qwen3_5_moe", translate_qwen35},
    {"qwen3_5_moe_text", translate_qwen35},
};

// Rows of the embedding table; a problem when there is none.
int64_t embedding_rows(Translation& to, const char* name = "embed_tokens.weight");

// Keys that decoder models share under the same published names.
void write_decoder_keys(Translation& to);
// The head's own matrix, unless it is the embedding table.
void add_output(Translation& to);
// Towers of multimodal releases, which the text model does not need.
void leave_out_towers(Translation& to);

}  // namespace hearth::huggingface
