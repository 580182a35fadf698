#include "chat/prompt_places.h"

#include <algorithm>
#include <string>

namespace hearth::chat {

namespace {

// Spans and pieces of them that are looked at for all messages together: a hostile conversation has as many as it
// likes.
constexpr int64_t kMostSteps = 1'000'000;

std::string_view stripped(std::string_view text) {
    const size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") + 1 - first);
}

// The texts of a message, in order.
std::vector<std::string_view> texts_of(const Json& message) {
    std::vector<std::string_view> texts;
    const auto add = [&](const Json* text) {
        if (!text || !text->is_string()) return;
        if (const std::string_view core = stripped(text->as_string()); !core.empty()) texts.push_back(core);
    };
    const Json* content = message.find("content");
    if (content && content->is_array())
        for (const Json& part : content->items()) add(part.find("text"));
    else
        add(content);
    return texts;
}

bool is_of_system(const Json& message) {
    const Json* role = message.find("role");
    return role && role->is_string() && (role->as_string() == "system" || role->as_string() == "developer");
}

}  // namespace

PromptPlaces::PromptPlaces(const Json& messages, const Rendered& rendered, std::span<const int32_t> tokens,
                           const Tokenizer& tokenizer) {
    if (!messages.is_array() || rendered.text.size() > UINT32_MAX) return;
    messages_ = int64_t(messages.items().size());
    find_words(messages, rendered);
    for (size_t at = 0; (at = rendered.text.find('\n', at)) != std::string::npos; ++at) breaks_.push_back(uint32_t(at));
    follow_tokens(rendered.text, tokens, tokenizer);
}

void PromptPlaces::find_words(const Json& messages, const Rendered& rendered) {
    const std::string_view text = rendered.text;
    size_t next = 0;  // span
    int64_t steps = 0;
    for (size_t i = 0; i < messages.items().size(); ++i) {
        const Json& message = messages.items()[i];
        std::optional<Words> found;
        for (const std::string_view words : texts_of(message))
            for (size_t at = next; at < rendered.input.size(); ++at) {
                if (++steps > kMostSteps) return;
                const InputSpan& span = rendered.input[at];
                if (span.end - span.begin < words.size()) continue;
                const std::string_view said = text.substr(span.begin, span.end - span.begin);
                const size_t lead = said.find_first_not_of(" \t\r\n");
                const bool needs_all = words.size() < 16;
                // What is compared counts too.
                steps += int64_t((std::min(lead, said.size()) + words.size() + (needs_all ? said.size() : 0)) / 256);
                // Several parts may come as one; else only the whole will do: "a" also begins "assistant".
                const bool is_there = lead != said.npos && said.substr(lead).starts_with(words) &&
                                      (!needs_all || stripped(said) == words);
                if (!is_there) continue;
                const size_t begin = span.begin + lead;
                if (!found) found = Words{int64_t(i), is_of_system(message), begin, begin};
                found->end = begin + words.size();
                next = at + 1;
                break;
            }
        if (found) words_.push_back(*found);
    }
}

// A border is where the turn opens that a message stands in: of the special tokens between its words and those before,
// the second, since the first ends the turn before; in front of the first message the last. Where there is none, as
// behind a system text that became part of a turn, the words themselves.
void PromptPlaces::follow_tokens(std::string_view text, std::span<const int32_t> tokens, const Tokenizer& tokenizer) {
    size_t at = 0, message = 0;
    std::vector<int64_t> specials;  // since the words of the message before
    for (size_t i = 0; i < tokens.size(); ++i) {
        std::string_view piece = tokenizer.piece(tokens[i], true);
        const bool is_unwritten = i == 0 && tokens[i] == tokenizer.special().bos && !text.starts_with(piece);
        if (is_unwritten) piece = {};
        const bool has_extra_blank =
            !piece.empty() && piece[0] == ' ' && !text.substr(at).starts_with(piece);  // of SentencePiece
        if (has_extra_blank) piece.remove_prefix(1);
        if (!text.substr(at).starts_with(piece)) return;
        begins_.push_back(uint32_t(at));
        while (message < words_.size() && words_[message].begin < at + piece.size()) {
            int64_t border = at == words_[message].begin ? int64_t(i) : 0;
            if (!specials.empty()) border = message == 0 ? specials.back() : specials[specials.size() > 1 ? 1 : 0];
            if (border > 0 && (borders_.empty() || border > borders_.back())) borders_.push_back(border);
            specials.clear();
            ++message;
        }
        const TokenType type = tokenizer.type(tokens[i]);
        const bool is_special = type == TokenType::control || type == TokenType::user_defined;
        if (is_special && (message == 0 || at >= words_[message - 1].end)) specials.push_back(int64_t(i));
        at += piece.size();
    }
}

std::optional<PromptPlaces::Place> PromptPlaces::at(int64_t token) const {
    if (token < 0 || token >= int64_t(begins_.size())) return std::nullopt;
    const size_t byte = begins_[size_t(token)];
    const auto behind = std::ranges::upper_bound(words_, byte, {}, [](const Words& words) { return words.begin; });
    // A token may begin with white space that stands before the words.
    auto words = behind;
    const size_t end = size_t(token) + 1 < begins_.size() ? begins_[size_t(token) + 1] : byte + 1;
    if (behind == words_.end() || behind->begin >= end) {
        if (behind == words_.begin()) return std::nullopt;
        words = behind - 1;
        if (byte >= words->end) return std::nullopt;
    }
    const auto before = std::ranges::lower_bound(breaks_, uint32_t(words->begin));
    const auto until = std::ranges::lower_bound(breaks_, uint32_t(std::max(byte, words->begin)));
    return Place{.message = words->message,
                 .line = 1 + (until - before),
                 .is_system = words->is_system,
                 .is_last = words->message + 1 == messages_};
}

}  // namespace hearth::chat
