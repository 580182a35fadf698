// Qwen 3.5 and 3.6.
#include "chat/families/families.h"

namespace hearth::chat {

const Family kQwen35{
    .name = "qwen3.5",
    .matches =
        [](const TemplateFacts& facts) {
            if (facts.source.empty()) return facts.architecture.starts_with("qwen35");
            return facts.says("<function=") && facts.says("<|im_start|>") && facts.says("<think>");
        },
    .channels = with_tagged_calls(thoughts(), TaggedForm::xml),
    .stops = {"<|im_end|>", "<|endoftext|>"},
    .thinking_variable = "enable_thinking",
    .end_thought = "\n</think>\n\n",
    // The presence penalty keeps small ones from thinking in circles.
    .thinking = {.temperature = 1.0f, .top_p = 0.95f, .min_p = 0.0f, .presence_penalty = 1.5f, .top_k = 20},
    .plain = {.temperature = 0.7f, .top_p = 0.8f, .min_p = 0.0f, .presence_penalty = 1.5f, .top_k = 20},
};

}  // namespace hearth::chat
