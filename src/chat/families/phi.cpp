// Phi-3, Phi-4: no form for tools.
#include "chat/families/families.h"

namespace hearth::chat {

const Family kPhi{
    .name = "phi",
    .matches =
        [](const TemplateFacts& facts) {
            if (facts.source.empty()) return facts.architecture.starts_with("phi");
            return facts.says("<|im_sep|>") || (facts.says("<|assistant|>") && facts.says("<|end|>"));
        },
    .channels = thoughts(),
    .stops = {"<|end|>", "<|im_end|>", "<|endoftext|>"},
    .end_thought = "\n</think>\n\n",
    .thinking = {.temperature = 0.8f, .top_p = 0.95f, .top_k = 0},
    .plain = {.temperature = 0.0f},
};

}  // namespace hearth::chat
