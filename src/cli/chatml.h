// The plain ChatML form of a conversation, as token ids: what people write never turns into a special token.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/tokenizer.h"

namespace hearth::cli {

class ChatMl {
public:
    static Result<ChatMl> make(const Tokenizer& tokenizer);
    Result<> add_message(std::vector<int32_t>& tokens, std::string_view role, std::string_view text) const;
    Result<> open_answer(std::vector<int32_t>& tokens) const;
    Result<> close_message(std::vector<int32_t>& tokens) const;

private:
    ChatMl(const Tokenizer& tokenizer, int32_t start, int32_t end) : tokenizer_(&tokenizer), start_(start), end_(end) {}
    Result<> add_text(std::vector<int32_t>& tokens, std::string_view text) const;

    const Tokenizer* tokenizer_;
    int32_t start_, end_;
};

}  // namespace hearth::cli
