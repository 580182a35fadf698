// Nemotron 3 Nano.
#include "chat/families/families.h"

namespace hearth::chat {

const Family kNemotron3{
    .name = "nemotron3",
    .matches =
        [](const TemplateFacts& facts) {
            return facts.says("<function=") && facts.says("<|im_start|>") && facts.says("<think></think>");
        },
    .channels = with_tagged_calls(thoughts(), TaggedForm::xml),
    .stops = {"<|im_end|>"},
    .thinking_variable = "enable_thinking",
    .end_thought = "\n</think>\n",
    .thinking = {.temperature = 1.0f, .top_p = 1.0f, .top_k = 0},
    .plain = {.temperature = 0.6f, .top_p = 0.95f, .top_k = 0},
};

}  // namespace hearth::chat
