// Mistral Small 3.x, Devstral and Ministral 3 Instruct.
#include "chat/families/families.h"

namespace hearth::chat {

const Family kMistralSmall{
    .name = "mistral-small",
    .matches =
        [](const TemplateFacts& facts) {
            return (facts.says("[INST]") && facts.says("[ARGS]")) || facts.architecture == "mistral3";
        },
    .channels = with_name_json_calls(Channels{}),
    .stops = {"</s>"},
    .plain = {.temperature = 0.15f, .top_k = 0},
    .has_nine_letter_ids = true,
};

}  // namespace hearth::chat
