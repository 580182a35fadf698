// One line per family: the architecture names it answers to and how it is loaded.
#pragma once

#include <memory>

#include "models/model.h"
#include "models/source.h"

namespace hearth {

using LoadFamily = std::unique_ptr<Model> (*)(Source& source);

std::unique_ptr<Model> load_lfm2(Source& source);
std::unique_ptr<Model> load_nemotron_h(Source& source);
std::unique_ptr<Model> load_qwen35(Source& source);

struct Family {
    std::string_view architecture;
    LoadFamily load;
};

inline constexpr Family kFamilies[] = {
    {"lfm2", load_lfm2},
    {"lfm2moe", load_lfm2},
    {"nemotron_h", load_nemotron_h},
    {"nemotron_h_moe", load_nemotron_h},
    {"qwen35", load_qwen35},
    {"qwen35moe", load_qwen35},
};

}  // namespace hearth
