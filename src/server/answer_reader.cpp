#include "server/answer_reader.h"

namespace hearth::server {

using chat::ReplyPart;

TokenScore AnswerReader::score_of(const Event& event) const {
    TokenScore score{event.token, std::string(tokenizer_.piece(event.token)), event.logprob, {}};
    for (const TokenLogprob& one : event.top)
        score.top.push_back({one.id, std::string(tokenizer_.piece(one.id, true)), one.logprob});
    return score;
}

// The first `count` waiting tokens belong to `part`.
void AnswerReader::settle(ReplyPart part, size_t count, AnswerPart& out) {
    for (size_t i = 0; i < count; ++i) {
        if (part == ReplyPart::thinking) ++thinking_tokens_;
        if (part == ReplyPart::answer && waiting_[i].score) out.scores.push_back(std::move(*waiting_[i].score));
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + std::ptrdiff_t(count));
}

// Marks and white space in front of an answer's first words are no part of it: those waiting tokens of which nothing
// stands in the text that came out.
void AnswerReader::drop_marks(std::string_view answer) {
    if (!has_scores_) return;
    size_t marks = 0;
    while (marks + 1 < waiting_.size()) {
        if (!waiting_[marks].score) {
            ++marks;
            continue;
        }
        std::string_view bytes = waiting_[marks].score->bytes;
        const size_t begin = bytes.find_first_not_of(" \t\r\n");
        if (begin == std::string_view::npos) {
            if (answer.starts_with(bytes[0])) break;
        } else {
            bytes = bytes.substr(begin, bytes.find_last_not_of(" \t\r\n") + 1 - begin);
            if (answer.find(bytes) != std::string_view::npos || bytes.find(answer) != std::string_view::npos) break;
        }
        ++marks;
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + std::ptrdiff_t(marks));
}

void AnswerReader::take(const Event& event, AnswerPart& part) {
    const bool is_token = event.kind == Event::Kind::token;
    if (is_token) {
        Waiting& token = waiting_.emplace_back(Waiting{event.token, std::nullopt});
        // Control tokens are no part of anything that was said.
        if (has_scores_ && !tokenizer_.piece(event.token).empty()) token.score = score_of(event);
    }
    if (is_chat_)
        part.events = event.guide;
    else if (!event.text.empty())
        part.events.push_back({int32_t(ReplyPart::answer), 0, event.text});
    if (!part.events.empty()) {
        const GuideEvent& first = part.events.front();
        if (ReplyPart(first.kind) == ReplyPart::answer && reply_.answer.empty()) drop_marks(first.text);
        // What was held back belongs to the first text that comes out, the token itself to the last.
        settle(ReplyPart(first.kind), waiting_.size() - (is_token ? 1 : 0), part);
        part_ = ReplyPart(part.events.back().kind);
        settle(part_, waiting_.size(), part);
    } else if (!is_token) {
        settle(part_, waiting_.size(), part);
    }
    reply_.add(part.events);
}

AnswerEnd AnswerReader::end(const Event& last) {
    AnswerEnd end{.reason = last.reason, .loop = last.loop, .reply = std::move(reply_), .usage = {last.usage}};
    if (!last.stop_string.empty()) end.reply.stopped = last.stop_string;
    end.usage.thinking_tokens = thinking_tokens_;
    return end;
}

}  // namespace hearth::server
