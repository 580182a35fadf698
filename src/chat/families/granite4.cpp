// Granite 4.
#include "chat/families/families.h"

namespace hearth::chat {

const Family kGranite4{
    .name = "granite4",
    .matches = [](const TemplateFacts& facts) { return facts.says("<|start_of_role|>") && facts.says("<tool_call>"); },
    .channels = with_tagged_calls(Channels{}),
    .stops = {"<|end_of_text|>"},
    .plain = {.temperature = 0.0f},
};

}  // namespace hearth::chat
