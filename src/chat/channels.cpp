#include "chat/channels.h"

#include <algorithm>

namespace hearth::chat {

Lexicon::Lexicon(Channels channels, const Tokenizer* tokenizer) : channels_(std::move(channels)) {
    for (int i = 0; i < kMarks; ++i) {
        const std::string& text = channels_.texts[size_t(i)];
        if (text.empty()) continue;
        const auto id = tokenizer ? tokenizer->find(text) : std::nullopt;
        const TokenType type = id ? tokenizer->type(*id) : TokenType::normal;
        if (type == TokenType::control || type == TokenType::user_defined)
            tokens_.emplace_back(*id, Mark(i));
        else
            spelled_.push_back(Mark(i));
    }
    // Of two marks with one text the first counts.
    std::ranges::stable_sort(tokens_, {}, &std::pair<int32_t, Mark>::first);
    // Where that end is a token, text does not read like it, with a line break in front or without.
    if (token(Mark::parameter_end)) std::erase(spelled_, Mark::parameter_end_line);
}

Mark Lexicon::find(int32_t token) const {
    const auto found = std::ranges::lower_bound(tokens_, token, {}, &std::pair<int32_t, Mark>::first);
    return found != tokens_.end() && found->first == token ? found->second : Mark::count;
}

std::optional<int32_t> Lexicon::token(Mark mark) const {
    const auto found = std::ranges::find(tokens_, mark, &std::pair<int32_t, Mark>::second);
    return found != tokens_.end() ? std::optional(found->first) : std::nullopt;
}

Lexicon::Match Lexicon::match(std::string_view text, MarkSet active) const {
    Match best;
    size_t longest = 0;
    for (const Mark mark : spelled_) {
        if (!active.contains(mark)) continue;
        const std::string& spelling = channels_[mark];
        if (text.size() < spelling.size()) {
            best.may_grow |= std::string_view(spelling).starts_with(text);
        } else if (spelling.size() > longest && text.starts_with(spelling)) {
            longest = spelling.size();
            best.mark = mark;
        }
    }
    return best;
}

}  // namespace hearth::chat
