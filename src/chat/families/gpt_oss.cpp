// gpt-oss, which speaks harmony.
#include "chat/families/families.h"

namespace hearth::chat {

static Channels channels_of_harmony() {
    Channels channels;
    channels.calls = CallSyntax::harmony;
    channels[Mark::start] = "<|start|>";
    channels[Mark::channel] = "<|channel|>";
    channels[Mark::message] = "<|message|>";
    channels[Mark::constrain] = "<|constrain|>";
    channels[Mark::end] = "<|end|>";
    return channels;
}

const Family kGptOss{
    .name = "gpt-oss",
    .matches =
        [](const TemplateFacts& facts) {
            if (facts.source.empty()) return facts.architecture == "gpt-oss";
            return facts.says("<|channel|>") && facts.says("<|message|>");
        },
    .channels = channels_of_harmony(),
    .stops = {"<|return|>", "<|call|>"},
    .thinks_by_default = true,
    .end_thought = "<|end|><|start|>assistant<|channel|>final<|message|>",
    .thinking = {.temperature = 1.0f, .top_p = 1.0f, .top_k = 0},
    .plain = {.temperature = 1.0f, .top_p = 1.0f, .top_k = 0},
    .thought_key = ThoughtKey::thinking,
    .has_developer = true,
};

}  // namespace hearth::chat
