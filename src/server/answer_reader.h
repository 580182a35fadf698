// Follows the engine's events of one answer: puts the reply together, and finds out which tokens belong to thoughts and
// which to the answer. A guide holds back text until its meaning is certain, so a token's part may be known only later.
#pragma once

#include <optional>

#include "server/request.h"

namespace hearth::server {

class AnswerReader {
public:
    AnswerReader(const Tokenizer& tokenizer, bool is_chat, bool begins_in_thought, bool has_scores)
        : tokenizer_(tokenizer),
          is_chat_(is_chat),
          has_scores_(has_scores),
          part_(begins_in_thought ? chat::ReplyPart::thinking : chat::ReplyPart::answer) {}

    // Of a token, or of the last event; `part` gets what has become certain.
    void take(const Event& event, AnswerPart& part);
    AnswerEnd end(const Event& last);

private:
    struct Waiting {
        int32_t token;
        std::optional<TokenScore> score;
    };
    void settle(chat::ReplyPart part, size_t count, AnswerPart& out);
    void drop_marks(std::string_view answer);
    TokenScore score_of(const Event& event) const;

    const Tokenizer& tokenizer_;
    const bool is_chat_, has_scores_;
    chat::ReplyPart part_;          // that the last certain text belongs to
    std::vector<Waiting> waiting_;  // tokens whose part is not certain yet
    chat::Reply reply_;
    int64_t thinking_tokens_ = 0;
};

}  // namespace hearth::server
