// QwQ: Qwen 2.5 that always thinks.
#include "chat/families/families.h"

namespace hearth::chat {

const Family kQwq{
    .name = "qwq",
    .matches =
        [](const TemplateFacts& facts) {
            return facts.says("<tool_call>") && facts.says("<|im_start|>") && facts.says("<think>\\n");
        },
    .channels = with_tagged_calls(thoughts()),
    .stops = {"<|im_end|>", "<|endoftext|>"},
    .thinking_variable = "enable_thinking",  // of repaired templates
    .end_thought = "\n</think>\n\n",
    .thinking = {.temperature = 0.6f, .top_p = 0.95f, .top_k = 30},
};

}  // namespace hearth::chat
