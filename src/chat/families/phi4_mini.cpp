// Phi-4-mini: the tools of a request stand in the system message.
#include "chat/families/families.h"

namespace hearth::chat {

static Channels channels_of_phi() {
    Channels channels = with_json_calls(thoughts(), "<|tool_call|>", "<|/tool_call|>");
    channels[Mark::call_open_too] = "functools[";
    return channels;
}

const Family kPhi4Mini{
    .name = "phi4-mini",
    .matches = [](const TemplateFacts& facts) { return facts.says("<|tool|>"); },
    .channels = channels_of_phi(),
    .stops = {"<|end|>", "<|im_end|>", "<|endoftext|>"},
    .end_thought = "\n</think>\n\n",
    .thinking = {.temperature = 0.8f, .top_p = 0.95f, .top_k = 0},
    .plain = {.temperature = 0.0f},
    .has_tools_in_system = true,
};

}  // namespace hearth::chat
