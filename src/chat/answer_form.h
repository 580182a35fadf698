// The form that an answer must have: a grammar at work over a model's vocabulary, copied along with a guide's state.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "grammar/matcher.h"
#include "text/tokenizer.h"

namespace hearth::chat {

// `ends`: tokens that end a reply beside those that the tokenizer calls so.
std::shared_ptr<const grammar::Vocabulary> grammar_vocabulary(const Tokenizer& tokenizer,
                                                              std::span<const int32_t> ends);

class AnswerForm {
public:
    AnswerForm() = default;  // any
    AnswerForm(std::shared_ptr<grammar::Constraint> constraint, const Tokenizer* tokenizer);
    AnswerForm(const AnswerForm& other);
    AnswerForm(AnswerForm&&) noexcept = default;
    AnswerForm& operator=(AnswerForm&&) noexcept = default;

    bool is_any() const { return matcher_ == nullptr; }
    bool has_begun() const { return has_begun_; }
    bool may_end() const { return matcher_->may_end(); }
    bool is_complete() const { return matcher_->finished(); }  // nothing can follow

    void mask(std::span<uint32_t> allowed_bits) { matcher_->mask(allowed_bits); }
    Result<> accept(int32_t token);
    Result<> accept(std::string_view bytes);
    bool allows(int32_t token) { return matcher_->allows(token); }
    // Tokens that come next whatever the model says, cut as the tokenizer would.
    std::span<const int32_t> forced();
    void give_up() { matcher_.reset(); }

private:
    std::unique_ptr<grammar::Matcher> matcher_;
    const Tokenizer* tokenizer_ = nullptr;
    bool has_begun_ = false;
    std::optional<std::vector<int32_t>> forced_;
};

}  // namespace hearth::chat
