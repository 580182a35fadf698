#include "engine/model_card.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>

namespace hearth {

namespace {

// Recipes that mix types are called after the commonest one, with a letter for how much is spent on the others.
std::string_view letter_of(DType type, int64_t file_type) {
    const bool is_three = type == DType::q3_k && file_type >= 11 && file_type <= 13;
    const bool is_four = type == DType::q4_k && (file_type == 14 || file_type == 15);
    const bool is_five = type == DType::q5_k && (file_type == 16 || file_type == 17);
    if (is_three) return file_type == 11 ? "_S" : file_type == 12 ? "_M" : "_L";
    if (is_four || is_five) return file_type % 2 == 0 ? "_S" : "_M";
    return "";
}

}  // namespace

ModelCard card_of(const Checkpoint& checkpoint) {
    ModelCard card;
    const Metadata& file = checkpoint.metadata();
    card.family = std::string(file.text("general.architecture").value_or(""));
    card.bytes = checkpoint.format().total_bytes;
    const auto& parts = checkpoint.format().parts;
    card.format = !parts.empty() && parts[0].ends_with(".safetensors") ? "safetensors" : "gguf";
    std::map<DType, int64_t> elements;
    for (const StoredTensor& tensor : checkpoint.tensors()) {
        card.parameters += tensor.elements();
        elements[tensor.type] += tensor.elements();
    }
    const auto most = std::ranges::max_element(elements, {}, [](const auto& one) { return one.second; });
    if (most == elements.end()) return card;
    std::string name(name_of(most->first));
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return char(std::toupper(c)); });
    card.weight_type = name + std::string(letter_of(most->first, file.integer("general.file_type").value_or(-1)));
    return card;
}

std::string parameters_text(int64_t parameters) {
    const double count = double(parameters);
    if (count >= 1e9) return fmt::format("{:.1f}B", count / 1e9);
    if (count >= 1e6) return fmt::format("{:.1f}M", count / 1e6);
    return fmt::format("{:.1f}K", count / 1e3);
}

}  // namespace hearth
