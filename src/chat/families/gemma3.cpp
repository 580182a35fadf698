// Gemma 2, 3 and 3n: neither thoughts nor a form for calls.
#include "chat/families/families.h"

namespace hearth::chat {

const Family kGemma3{
    .name = "gemma3",
    .matches =
        [](const TemplateFacts& facts) {
            if (facts.source.empty()) return facts.architecture.starts_with("gemma");
            return facts.says("<start_of_turn>");
        },
    .channels = {},
    .stops = {"<end_of_turn>", "<eos>"},
    .plain = {.temperature = 1.0f, .top_p = 0.95f, .min_p = 0.0f, .top_k = 64},
};

}  // namespace hearth::chat
