#include "cli/chatml.h"

#include <string>

namespace hearth::cli {

Result<ChatMl> ChatMl::make(const Tokenizer& tokenizer) {
    const auto start = tokenizer.find("<|im_start|>"), end = tokenizer.find("<|im_end|>");
    if (!start || !end)
        return fail(ErrorKind::unsupported, "this model has no ChatML tokens (<|im_start|>, <|im_end|>)",
                    "use --raw to continue a text");
    return ChatMl(tokenizer, *start, *end);
}

Result<> ChatMl::add_text(std::vector<int32_t>& tokens, std::string_view text) const {
    return tokenizer_->encode(text, {.parse_special = false, .add_special = false, .user_defined = false}, tokens);
}

// Role and text are tokenised as one run, as they are when a rendered template is: merges cross from one into the
// other.
Result<> ChatMl::add_message(std::vector<int32_t>& tokens, std::string_view role, std::string_view text) const {
    tokens.push_back(start_);
    TRY(add_text(tokens, std::string(role) + "\n" + std::string(text)));
    return close_message(tokens);
}

Result<> ChatMl::open_answer(std::vector<int32_t>& tokens) const {
    tokens.push_back(start_);
    return add_text(tokens, "assistant\n");
}

Result<> ChatMl::close_message(std::vector<int32_t>& tokens) const {
    tokens.push_back(end_);
    return add_text(tokens, "\n");
}

}  // namespace hearth::cli
