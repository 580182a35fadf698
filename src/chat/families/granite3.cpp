// Granite 3.3: asked to think, it marks the answer as well.
#include "chat/families/families.h"

namespace hearth::chat {

static Channels channels_of_granite3() {
    Channels channels = with_json_calls(thoughts(), "<|tool_call|>", "");
    channels[Mark::noise_open] = "<response>";
    channels[Mark::noise_close] = "</response>";
    return channels;
}

const Family kGranite3{
    .name = "granite3",
    .matches = [](const TemplateFacts& facts) { return facts.says("<|start_of_role|>"); },
    .channels = channels_of_granite3(),
    .stops = {"<|end_of_text|>"},
    .thinking_variable = "thinking",
    .end_thought = "</think><response>",
    .thinking = {.temperature = 0.0f},
    .plain = {.temperature = 0.0f},
};

}  // namespace hearth::chat
