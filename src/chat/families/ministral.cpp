// Ministral 3 and Magistral, those that think: the default system text teaches it.
#include "chat/families/families.h"

namespace hearth::chat {

const Family kMinistral{
    .name = "ministral",
    .matches = [](const TemplateFacts& facts) { return facts.says("[INST]") && facts.says("[THINK]"); },
    .channels = with_name_json_calls(thoughts("[THINK]", "[/THINK]")),
    .stops = {"</s>"},
    .thinks_by_default = true,
    .end_thought = "[/THINK]",
    .thinking = {.temperature = 0.7f, .top_p = 0.95f, .top_k = 0},
    .plain = {.temperature = 0.1f, .top_k = 0},
    .thought_key = ThoughtKey::content_part,
    .has_nine_letter_ids = true,
};

}  // namespace hearth::chat
