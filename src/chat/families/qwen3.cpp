// Qwen 3: the model opens its thought by itself.
#include "chat/families/families.h"

namespace hearth::chat {

const Family kQwen3{
    .name = "qwen3",
    .matches =
        [](const TemplateFacts& facts) {
            if (facts.source.empty()) return facts.architecture.starts_with("qwen3");
            return facts.says("<tool_call>") && facts.says("<|im_start|>") && facts.says("reasoning_content");
        },
    .channels = with_tagged_calls(thoughts()),
    .stops = {"<|im_end|>", "<|endoftext|>"},
    .thinking_variable = "enable_thinking",
    .thinks_by_default = true,
    .end_thought = "\n</think>\n\n",
    .thinking = {.temperature = 0.6f, .top_p = 0.95f, .min_p = 0.0f, .top_k = 20},
    .plain = {.temperature = 0.7f, .top_p = 0.8f, .min_p = 0.0f, .top_k = 20},
};

}  // namespace hearth::chat
