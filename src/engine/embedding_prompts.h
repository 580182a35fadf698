// The words that some embedding models were trained to find in front of a query or of a passage. Files do not carry
// them, so they are known by the model's name.
#pragma once

#include <optional>
#include <string_view>

namespace hearth {

struct EmbeddingPrompts {
    std::string_view query, passage;
};

// `name`: general.name of the file. Nothing for models that are not known; empty prompts for those that want none.
std::optional<EmbeddingPrompts> embedding_prompts(std::string_view name);

}  // namespace hearth
