// Qwen3-Coder: the calls of Qwen 3.5, no thoughts.
#include "chat/families/families.h"

namespace hearth::chat {

const Family kQwen3Coder{
    .name = "qwen3-coder",
    .matches = [](const TemplateFacts& facts) { return facts.says("<function=") && facts.says("<|im_start|>"); },
    .channels = with_tagged_calls(Channels{}, TaggedForm::xml),
    .stops = {"<|im_end|>", "<|endoftext|>"},
    .plain = {.temperature = 0.7f, .top_p = 0.8f, .repetition_penalty = 1.05f, .top_k = 20},
};

}  // namespace hearth::chat
