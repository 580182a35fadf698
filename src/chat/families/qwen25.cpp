// Qwen 2.5.
#include "chat/families/families.h"

namespace hearth::chat {

const Family kQwen25{
    .name = "qwen2.5",
    .matches =
        [](const TemplateFacts& facts) {
            if (facts.source.empty()) return facts.architecture.starts_with("qwen2");
            return facts.says("<tool_call>") && facts.says("<|im_start|>") && facts.says("You are Qwen");
        },
    .channels = with_tagged_calls(Channels{}),
    .stops = {"<|im_end|>", "<|endoftext|>"},
    .plain = {.temperature = 0.7f, .top_p = 0.8f, .repetition_penalty = 1.05f, .top_k = 20},
};

}  // namespace hearth::chat
