// Mistral Nemo and what came before it: calls are a list of objects.
#include "chat/families/families.h"

namespace hearth::chat {

const Family kMistralNemo{
    .name = "mistral",
    .matches = [](const TemplateFacts& facts) { return facts.says("[INST]"); },
    .channels = with_name_json_calls(Channels{}),
    .stops = {"</s>"},
    .plain = {.temperature = 0.3f, .top_k = 0},
    .has_nine_letter_ids = true,
};

}  // namespace hearth::chat
