// Nemotron Nano v2: a word in the system text switches thinking.
#include "chat/families/families.h"

namespace hearth::chat {

const Family kNemotron2{
    .name = "nemotron2",
    .matches = [](const TemplateFacts& facts) { return facts.says("<TOOLCALL>"); },
    .channels = with_json_calls(thoughts(), "<TOOLCALL>", "</TOOLCALL>"),
    .stops = {"<SPECIAL_12>"},
    .on_word = "/think",
    .off_word = "/no_think",
    .end_thought = "\n</think>\n\n",
    .thinking = {.temperature = 0.6f, .top_p = 0.95f, .top_k = 0},
    .plain = {.temperature = 0.0f},
};

}  // namespace hearth::chat
