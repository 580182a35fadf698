#include "chat/own_templates.h"

#include <array>

namespace hearth::chat {

namespace {

constexpr std::string_view kChatMlForm =
    "{%- for message in messages -%}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}"
    "{%- endfor -%}{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}";

constexpr std::string_view kLlama3Form =
    "{{- bos_token -}}{%- for message in messages -%}{{- '<|start_header_id|>' + message.role + "
    "'<|end_header_id|>\\n\\n' "
    "+ message.content|trim + '<|eot_id|>' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}{%- endif -%}";

constexpr std::string_view kGemmaForm =
    "{{- bos_token -}}{%- for message in messages -%}{%- if message.role == 'system' -%}"
    "{{- raise_exception('System role not supported') -}}{%- endif -%}"
    "{{- '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\\n' + message.content|trim "
    "+ "
    "'<end_of_turn>\\n' -}}{%- endfor -%}{%- if add_generation_prompt -%}{{- '<start_of_turn>model\\n' -}}{%- endif "
    "-%}";

struct TurnForm {
    std::string_view begin, end;  // of a turn
    OwnTemplate own;
};

}  // namespace

OwnTemplate own_template(const Tokenizer& tokenizer) {
    static const std::array<TurnForm, 3> kForms{{
        {"<|im_start|>", "<|im_end|>", {"ChatML", kChatMlForm}},
        {"<|start_header_id|>", "<|eot_id|>", {"Llama 3", kLlama3Form}},
        {"<start_of_turn>", "<end_of_turn>", {"Gemma", kGemmaForm}},
    }};
    for (const TurnForm& form : kForms)
        if (tokenizer.find(form.begin) && tokenizer.find(form.end)) return form.own;
    return {};
}

}  // namespace hearth::chat
