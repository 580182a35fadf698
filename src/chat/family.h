// What is particular to a family of models in a conversation: how it marks thoughts and calls, how thinking is switched
// and ended, which sampling its makers publish, what its template must be given. One file per family in families/.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "chat/channels.h"

namespace hearth::chat {

// What a family is recognised by.
struct TemplateFacts {
    std::string_view source;        // of the template
    std::string_view architecture;  // general.architecture, "" where only a template is known
    bool says(std::string_view text) const { return source.find(text) != std::string_view::npos; }
};

struct Sampling {
    std::optional<float> temperature, top_p, min_p, presence_penalty, repetition_penalty;
    std::optional<int32_t> top_k;
};

// The key of a message under which the template expects earlier thoughts.
enum class ThoughtKey : uint8_t {
    reasoning_content,
    thinking,
    content_part,  // {"type": "thinking", "thinking": ...}
};

struct Family {
    std::string_view name;
    bool (*matches)(const TemplateFacts& facts);  // looked at in the order of families()
    Channels channels;
    std::vector<std::string_view> stops;  // tokens that end a turn, beside those the vocabulary marks as such

    // How a request switches thinking. Without either a thought is ended as soon as it begins.
    std::string_view thinking_variable;  // of the template, a boolean
    std::string_view on_word, off_word;  // in the system text ("/no_think")
    bool thinks_by_default = false;      // when nothing is said and the prompt does not show it
    std::string_view end_thought;        // ends a thought early so that the answer follows; marks of the channels

    Sampling thinking, plain;

    ThoughtKey thought_key = ThoughtKey::reasoning_content;
    bool has_developer = false;        // the template knows the role
    bool has_nine_letter_ids = false;  // ids of calls are nine letters or digits
    bool has_tools_in_system = false;  // the template looks for them in the system message, as text
};

std::span<const Family* const> families();
// By the template; by the architecture where there is none. nullptr: none of ours.
const Family* find_family(const TemplateFacts& facts);
const Family* find_family(std::string_view name);
// For a template of no known family: by the marks that it names.
Channels guess_channels(const TemplateFacts& facts);

// Building blocks of families/*.cpp.
Channels thoughts(std::string_view open = "<think>", std::string_view close = "</think>");
// <tool_call>; `form` is what they are trained to write inside.
Channels with_tagged_calls(Channels channels, TaggedForm form = TaggedForm::json);
Channels with_json_calls(Channels channels, std::string_view open, std::string_view close);
Channels with_name_json_calls(Channels channels);  // Mistral's

}  // namespace hearth::chat
