// GLM 4.5 to 4.7: the marks of the roles end a turn.
#include "chat/families/families.h"

namespace hearth::chat {

const Family kGlm{
    .name = "glm4",
    .matches = [](const TemplateFacts& facts) { return facts.says("[gMASK]"); },
    .channels = with_tagged_calls(thoughts(), TaggedForm::key_value),
    .stops = {"<|user|>", "<|observation|>", "<|endoftext|>"},
    .thinking_variable = "enable_thinking",
    .thinks_by_default = true,
    .end_thought = "</think>\n",
    .thinking = {.temperature = 1.0f, .top_p = 0.95f, .top_k = 0},
    .plain = {.temperature = 1.0f, .top_p = 0.95f, .top_k = 0},
};

}  // namespace hearth::chat
