#include "chat/answer_form.h"

#include <algorithm>

namespace hearth::chat {

std::shared_ptr<const grammar::Vocabulary> grammar_vocabulary(const Tokenizer& tokenizer,
                                                              std::span<const int32_t> ends) {
    std::vector<grammar::VocabularyToken> tokens;
    tokens.reserve(size_t(tokenizer.size()));
    for (int32_t id = 0; id < tokenizer.size(); ++id) {
        grammar::VocabularyToken token{.bytes = tokenizer.piece(id), .name = tokenizer.text(id)};
        switch (tokenizer.type(id)) {
            case TokenType::control:
                token.use = grammar::TokenUse::control;
                break;
            case TokenType::user_defined:
                // Marks of the format; but some vocabularies have their line breaks and indents so (Gemma).
                if (token.bytes.find_first_not_of(" \t\r\n") != std::string_view::npos)
                    token.use = grammar::TokenUse::control;
                break;
            case TokenType::unknown:
            case TokenType::unused:
                token.use = grammar::TokenUse::unused;
                break;
            default:
                break;
        }
        if (tokenizer.is_end(id) || std::ranges::find(ends, id) != ends.end()) token.use = grammar::TokenUse::end;
        tokens.push_back(token);
    }
    return grammar::Vocabulary::make(tokens);
}

AnswerForm::AnswerForm(std::shared_ptr<grammar::Constraint> constraint, const Tokenizer* tokenizer)
    : matcher_(constraint ? std::make_unique<grammar::Matcher>(std::move(constraint)) : nullptr),
      tokenizer_(tokenizer) {}

AnswerForm::AnswerForm(const AnswerForm& other)
    : matcher_(other.matcher_ ? std::make_unique<grammar::Matcher>(*other.matcher_) : nullptr),
      tokenizer_(other.tokenizer_),
      has_begun_(other.has_begun_),
      forced_(other.forced_) {}

Result<> AnswerForm::accept(int32_t token) {
    TRY(matcher_->accept(token));
    has_begun_ = true;
    if (forced_ && !forced_->empty() && forced_->front() == token)
        forced_->erase(forced_->begin());
    else
        forced_.reset();
    if (forced_ && forced_->empty()) forced_.reset();
    return {};
}

Result<> AnswerForm::accept(std::string_view bytes) {
    TRY(matcher_->accept(bytes));
    has_begun_ = true;
    forced_.reset();
    return {};
}

// The last token is left to the model: it may reach further than what is forced.
std::span<const int32_t> AnswerForm::forced() {
    if (!forced_) {
        forced_.emplace();
        constexpr size_t kMostBytes = 256;
        const std::string bytes = matcher_->forced(kMostBytes);
        if (bytes.size() > 1 && tokenizer_ && tokenizer_->encode(bytes, {}, *forced_) && !forced_->empty()) {
            forced_->pop_back();
            const grammar::Vocabulary& vocabulary = matcher_->constraint().vocabulary();
            const auto mark = std::ranges::find_if(
                *forced_, [&](int32_t token) { return vocabulary.use(token) != grammar::TokenUse::text; });
            forced_->erase(mark, forced_->end());
            // A tokenizer that puts a blank in front of texts, or cannot say these bytes, forces nothing.
            if (!bytes.starts_with(tokenizer_->decode(*forced_, true))) forced_->clear();
        }
    }
    return *forced_;
}

}  // namespace hearth::chat
