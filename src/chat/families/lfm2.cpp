// LFM 2 and 2.5: calls are written as Python.
#include "chat/families/families.h"

namespace hearth::chat {

static Channels channels_of_lfm2() {
    Channels channels = thoughts();
    channels.calls = CallSyntax::python;
    channels[Mark::call_open] = "<|tool_call_start|>";
    channels[Mark::call_close] = "<|tool_call_end|>";
    return channels;
}

const Family kLfm2{
    .name = "lfm2",
    .matches =
        [](const TemplateFacts& facts) {
            if (facts.source.empty()) return facts.architecture.starts_with("lfm2");
            return facts.says("List of tools: ");
        },
    .channels = channels_of_lfm2(),
    .stops = {"<|im_end|>"},
    .end_thought = "</think>",
    .thinking = {.temperature = 0.1f, .repetition_penalty = 1.05f, .top_k = 50},
    .plain = {.temperature = 0.3f, .min_p = 0.15f, .repetition_penalty = 1.05f, .top_k = 0},
    .thought_key = ThoughtKey::thinking,
};

}  // namespace hearth::chat
