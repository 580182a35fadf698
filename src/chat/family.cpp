#include "chat/family.h"

#include <algorithm>
#include <array>

#include "chat/families/families.h"

namespace hearth::chat {

Channels thoughts(std::string_view open, std::string_view close) {
    Channels channels;
    channels[Mark::think_open] = open;
    channels[Mark::think_close] = close;
    return channels;
}

Channels with_tagged_calls(Channels channels, TaggedForm form) {
    channels.calls = CallSyntax::tagged;
    channels.tagged = form;
    channels[Mark::call_open] = "<tool_call>";
    channels[Mark::call_close] = "</tool_call>";
    channels[Mark::function] = "<function=";
    channels[Mark::function_end] = "</function>";
    channels[Mark::parameter] = "<parameter=";
    channels[Mark::parameter_end] = "</parameter>";
    channels[Mark::parameter_end_line] = "\n</parameter>";
    channels[Mark::key] = "<arg_key>";
    channels[Mark::key_end] = "</arg_key>";
    channels[Mark::value] = "<arg_value>";
    channels[Mark::value_end] = "</arg_value>";
    return channels;
}

Channels with_json_calls(Channels channels, std::string_view open, std::string_view close) {
    channels.calls = CallSyntax::json;
    channels[Mark::call_open] = open;
    channels[Mark::call_close] = close;
    return channels;
}

Channels with_name_json_calls(Channels channels) {
    channels.calls = CallSyntax::name_json;
    channels[Mark::call_open] = "[TOOL_CALLS]";
    channels[Mark::call_id] = "[CALL_ID]";
    channels[Mark::arguments] = "[ARGS]";
    return channels;
}

// The order matters: the first that matches counts.
std::span<const Family* const> families() {
    static constexpr std::array kAll{
        &kGptOss,    &kGemma4, &kGemma3, &kGlm,        &kGranite4,  &kGranite3,     &kDeepseek,    &kNemotron2,
        &kNemotron3, &kEmber,  &kQwen35, &kQwen3Coder, &kMinistral, &kMistralSmall, &kMistralNemo, &kLlama3,
        &kPhi4Mini,  &kPhi,    &kLfm2,   &kSmollm3,    &kQwen3,     &kQwq,          &kQwen25,
    };
    return kAll;
}

Channels guess_channels(const TemplateFacts& facts) {
    Channels channels;
    for (const auto& [open, close] : {std::pair("<think>", "</think>"), std::pair("[THINK]", "[/THINK]")})
        if (facts.says(close)) channels = thoughts(open, close);
    if (facts.says("<tool_call>"))
        return with_tagged_calls(std::move(channels), facts.says("<function=")  ? TaggedForm::xml
                                                      : facts.says("<arg_key>") ? TaggedForm::key_value
                                                                                : TaggedForm::json);
    if (facts.says("[TOOL_CALLS]")) return with_name_json_calls(std::move(channels));
    if (facts.says("<|tool_call|>")) return with_json_calls(std::move(channels), "<|tool_call|>", "<|/tool_call|>");
    return channels;
}

const Family* find_family(const TemplateFacts& facts) {
    const auto found = std::ranges::find_if(families(), [&](const Family* family) { return family->matches(facts); });
    return found == families().end() ? nullptr : *found;
}

const Family* find_family(std::string_view name) {
    const auto found = std::ranges::find(families(), name, &Family::name);
    return found == families().end() ? nullptr : *found;
}

}  // namespace hearth::chat
