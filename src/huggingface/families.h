// One line per published family: the names it goes by in config.json and how it becomes GGUF terms.
#pragma once

#include <string_view>

#include "huggingface/tokenizer.h"
#include "huggingface/translation.h"

namespace hearth::huggingface {

// Sets architecture, keys and tensors; says how the vocabulary is to be written. Problems go to `to.config`.
using Translate = TokenizerChoice (*)(Translation& to);

TokenizerChoice translate_bert(Translation& to);
TokenizerChoice translate_gemma3(Translation& to);
TokenizerChoice translate_gemma4(Translation& to);
TokenizerChoice translate_gpt_oss(Translation& to);
TokenizerChoice translate_lfm2(Translation& to);
TokenizerChoice translate_llama(Translation& to);
TokenizerChoice translate_llama4(Translation& to);
TokenizerChoice translate_ministral3(Translation& to);
TokenizerChoice translate_mistral4(Translation& to);
TokenizerChoice translate_nemotron_h(Translation& to);
TokenizerChoice translate_nomic_bert(Translation& to);
TokenizerChoice translate_phi3(Translation& to);
TokenizerChoice translate_qwen2(Translation& to);
TokenizerChoice translate_qwen3(Translation& to);
TokenizerChoice translate_qwen35(Translation& to);
TokenizerChoice translate_qwen3moe(Translation& to);
TokenizerChoice translate_smollm3(Translation& to);

// Mistral's own layout, which needs no name: params.json in place of config.json, in the latter's words.
Result<Config> read_mistral_params(const std::string& directory);
TokenizerChoice translate_mistral_own(Translation& to);

struct PublishedFamily {
    std::string_view model_type;  // of the text model's part
    Translate translate;
};

inline constexpr PublishedFamily kPublishedFamilies[] = {
    {"bert", translate_bert},           {"nomic_bert", translate_nomic_bert}, {"xlm-roberta", translate_bert},
    {"gemma3_text", translate_gemma3},  {"gemma4_text", translate_gemma4},    {"gpt_oss", translate_gpt_oss},
    {"lfm2", translate_lfm2},           {"lfm2_moe", translate_lfm2},         {"llama", translate_llama},
    {"llama4_text", translate_llama4},  {"ministral3", translate_ministral3}, {"mistral", translate_llama},
    {"mistral4", translate_mistral4},   {"mixtral", translate_llama},         {"nemotron_h", translate_nemotron_h},
    {"phi3", translate_phi3},           {"qwen2", translate_qwen2},           {"qwen3", translate_qwen3},
    {"qwen3_5", translate_qwen35},      {"qwen3_5_moe", translate_qwen35},    {"qwen3_5_moe_text", translate_qwen35},
    {"qwen3_5_text", translate_qwen35}, {"qwen3_moe", translate_qwen3moe},    {"smollm3", translate_smollm3},
};

// Rows of the embedding table; a problem when there is none.
int64_t embedding_rows(Translation& to, const char* name = "embed_tokens.weight");

struct AttentionSizes {
    int64_t hidden = 0, heads = 1, kv_heads = 1, head_dim = 1;
};
// head_count, head_count_kv and, where config.json has head_dim, key_length and value_length.
AttentionSizes write_attention_keys(Translation& to);
// The lines of a plain decoder: SwiGLU, separate q, k and v.
std::vector<Name> decoder_names(const Arrange& query = {}, const Arrange& key = {});
std::vector<Name> joined_names(std::vector<Name> first, std::span<const Name> second);
// Rows first, first + every, .. of the stack STEM_blocks, STEM_scales as MXFP4 blocks of the files, code by code.
struct RowsEvery {
    int64_t first, every;
};
void add_mxfp4(Translation& to, const std::string& gguf, const std::string& stem, RowsEvery rows);
// Keys that decoder models share under the same published names.
void write_decoder_keys(Translation& to);
// The head's own matrix, unless it is the embedding table.
void add_output(Translation& to);
// Towers of multimodal releases, which the text model does not need.
void leave_out_towers(Translation& to);

}  // namespace hearth::huggingface
