// DeepSeek R1 and what was distilled from it.
#include "chat/families/families.h"

namespace hearth::chat {

static Channels channels_of_deepseek() {
    Channels channels = thoughts();
    channels.calls = CallSyntax::deepseek;
    channels[Mark::call_open] = "<｜tool▁calls▁begin｜>";
    channels[Mark::call_close] = "<｜tool▁calls▁end｜>";
    channels[Mark::item] = "<｜tool▁call▁begin｜>";
    channels[Mark::item_name] = "<｜tool▁sep｜>";
    channels[Mark::item_end] = "<｜tool▁call▁end｜>";
    return channels;
}

const Family kDeepseek{
    .name = "deepseek",
    .matches = [](const TemplateFacts& facts) { return facts.says("<｜Assistant｜>"); },
    .channels = channels_of_deepseek(),
    .stops = {"<｜end▁of▁sentence｜>"},
    .end_thought = "\n</think>\n\n",
    .thinking = {.temperature = 0.6f, .top_p = 0.95f, .top_k = 0},
    .plain = {.temperature = 0.6f, .top_p = 0.95f, .top_k = 0},
};

}  // namespace hearth::chat
