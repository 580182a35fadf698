// Gemma 4: thoughts are channels with a name, strings of calls stand between marks, and results follow in the same turn
// (so the model opens one and must be stopped there).
#include "chat/families/families.h"

namespace hearth::chat {

static Channels channels_of_gemma4() {
    Channels channels = thoughts("<|channel>", "<channel|>");
    channels.thought_has_name = channels.hides_stray_close = true;
    channels.calls = CallSyntax::gemma;
    channels[Mark::call_open] = "<|tool_call>";
    channels[Mark::call_close] = "<tool_call|>";
    channels[Mark::quote] = "<|\"|>";
    return channels;
}

const Family kGemma4{
    .name = "gemma4",
    .matches =
        [](const TemplateFacts& facts) {
            if (facts.source.empty()) return facts.architecture.starts_with("gemma4");
            return facts.says("<|turn>");
        },
    .channels = channels_of_gemma4(),
    .stops = {"<turn|>", "<eos>", "<|tool_response>"},
    .thinking_variable = "enable_thinking",
    .end_thought = "\n<channel|>",
    .thinking = {.temperature = 1.0f, .top_p = 0.95f, .top_k = 64},
    .plain = {.temperature = 1.0f, .top_p = 0.95f, .top_k = 64},
    .has_developer = true,
};

}  // namespace hearth::chat
