// Llama 3: a call is an answer that consists of one JSON object, or stands behind <|python_tag|>.
#include "chat/families/families.h"

namespace hearth::chat {

static Channels channels_of_llama3() {
    Channels channels;
    channels.calls = CallSyntax::bare;
    channels[Mark::call_open] = "<|python_tag|>";
    return channels;
}

const Family kLlama3{
    .name = "llama3",
    .matches = [](const TemplateFacts& facts) { return facts.says("<|start_header_id|>"); },
    .channels = channels_of_llama3(),
    .stops = {"<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"},
    .plain = {.temperature = 0.6f, .top_p = 0.9f, .top_k = 0},
};

}  // namespace hearth::chat
