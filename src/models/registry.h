// One line per family: the architecture names it answers to and how it is loaded.
#pragma once

#include <memory>

#include "models/drafter.h"
#include "models/model.h"
#include "models/source.h"

namespace hearth {

using LoadFamily = std::unique_ptr<Model> (*)(Source& source);

std::unique_ptr<Model> load_bert(Source& source);
std::unique_ptr<Model> load_gemma3(Source& source);
std::unique_ptr<Model> load_gemma4(Source& source);
std::unique_ptr<Model> load_gpt_oss(Source& source);
std::unique_ptr<Model> load_lfm2(Source& source);
std::unique_ptr<Model> load_llama(Source& source);
std::unique_ptr<Model> load_llama4(Source& source);
std::unique_ptr<Model> load_mistral3(Source& source);
std::unique_ptr<Model> load_mistral4(Source& source);
std::unique_ptr<Model> load_modern_bert(Source& source);
std::unique_ptr<Model> load_nemotron_h(Source& source);
std::unique_ptr<Model> load_phi3(Source& source);
std::unique_ptr<Model> load_qwen2(Source& source);
std::unique_ptr<Model> load_qwen3(Source& source);
std::unique_ptr<Model> load_qwen35(Source& source);
std::unique_ptr<Model> load_smollm3(Source& source);

std::unique_ptr<Drafter> load_gemma4_drafter(Source& source, const Model& trunk);
std::unique_ptr<Drafter> load_qwen35_drafter(Source& source, const Model& trunk);

struct Family {
    std::string_view architecture;
    LoadFamily load;
};

// One line each.
// clang-format off
inline constexpr Family kFamilies[] = {
    {"bert", load_bert},
    {"gemma-embedding", load_gemma3},
    {"gemma3", load_gemma3},
    {"gemma4", load_gemma4},
    {"gpt-oss", load_gpt_oss},
    {"lfm2", load_lfm2},
    {"lfm2moe", load_lfm2},
    {"llama", load_llama},
    {"llama4", load_llama4},
    {"mistral3", load_mistral3},
    {"mistral4", load_mistral4},
    {"modern-bert", load_modern_bert},
    {"nemotron_h", load_nemotron_h},
    {"nemotron_h_moe", load_nemotron_h},
    {"nomic-bert", load_bert},
    {"nomic-bert-moe", load_bert},
    {"phi3", load_phi3},
    {"qwen2", load_qwen2},
    {"qwen3", load_qwen3},
    {"qwen35", load_qwen35},
    {"qwen35moe", load_qwen35},
    {"qwen3moe", load_qwen3},
    {"qwen3vl", load_qwen3},
    {"qwen3vlmoe", load_qwen3},
    {"smollm3", load_smollm3},
};
// clang-format on

using LoadDrafter = std::unique_ptr<Drafter> (*)(Source& source, const Model& trunk);

struct DraftingFamily {
    std::string_view architecture;
    LoadDrafter load;
};

inline constexpr DraftingFamily kDraftingFamilies[] = {
    {"gemma4-assistant", load_gemma4_drafter},
    {"qwen35", load_qwen35_drafter},
    {"qwen35moe", load_qwen35_drafter},
};

}  // namespace hearth
