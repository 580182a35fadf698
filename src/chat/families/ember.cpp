// Ember, the demo model: speaks the form of Qwen 3.5, and thinks only when asked to.
#include "chat/families/families.h"

namespace hearth::chat {

const Family kEmber{
    .name = "ember",
    .matches = [](const TemplateFacts& facts) { return facts.says("in the form that Qwen 3.5 models read"); },
    .channels = with_tagged_calls(thoughts(), TaggedForm::xml),
    .stops = {"<|im_end|>", "<|endoftext|>"},
    .thinking_variable = "enable_thinking",
    .end_thought = "\n</think>\n\n",
    .thinking = {.temperature = 0.3f, .top_p = 0.8f, .top_k = 20},
    .plain = {.temperature = 0.3f, .top_p = 0.8f, .top_k = 20},
};

}  // namespace hearth::chat
