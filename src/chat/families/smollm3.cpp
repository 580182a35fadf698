// SmolLM 3.
#include "chat/families/families.h"

namespace hearth::chat {

const Family kSmollm3{
    .name = "smollm3",
    .matches =
        [](const TemplateFacts& facts) {
            if (facts.source.empty()) return facts.architecture == "smollm3";
            return facts.says("Reasoning Mode: ");
        },
    .channels = with_tagged_calls(thoughts()),
    .stops = {"<|im_end|>"},
    .thinking_variable = "enable_thinking",
    .thinks_by_default = true,
    .end_thought = "\n</think>\n\n",
    .thinking = {.temperature = 0.6f, .top_p = 0.95f, .top_k = 0},
    .plain = {.temperature = 0.6f, .top_p = 0.95f, .top_k = 0},
};

}  // namespace hearth::chat
