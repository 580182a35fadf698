// A model's chat template with all that must be known to use it: the family, what the template can do, and how a prompt
// made with it begins the reply. Made once per model; render() may be called from any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "chat/conversation.h"
#include "chat/family.h"
#include "chat/normalise.h"
#include "text/jinja.h"

namespace hearth::chat {

struct TemplateSource {
    std::string usual, with_tools;  // Jinja; with_tools: of models that have one of their own for tools, or empty
    std::string architecture;       // general.architecture
    bool is_own = false;            // ours (own_templates.h): the family is known by the architecture alone
    Json::Object special_tokens;    // "bos_token": "<s>", ...
};

// A conversation as the model will read it.
struct PromptText : Rendered {
    enum class Begins : uint8_t {
        fresh,
        in_thought,  // the prompt has opened one
        in_answer,   // harmony, in the middle of an answer
    } begins = Begins::fresh;
    bool thinks = false;        // the model is going to, as far as one can say
    bool ends_thought = false;  // it was told not to, but knows no such switch: a thought must be ended where it begins
};

class ChatTemplate {
public:
    static Result<ChatTemplate> make(TemplateSource source);

    // As transformers renders it, but for what the template does not understand by itself (normalise.h).
    Result<PromptText> render(const Conversation& conversation) const;

    const Family& family() const { return *family_; }
    const Abilities& abilities() const { return abilities_; }
    bool can_think() const { return family_->channels.has_thoughts(); }

private:
    ChatTemplate(TemplateSource source, JinjaTemplate usual) : source_(std::move(source)), usual_(std::move(usual)) {}
    Result<Rendered> render_as_is(const Conversation& conversation) const;
    Result<Rendered> render_cut(const Conversation& conversation, Placeholders& placeholders) const;
    void set_thinking(Conversation& conversation, PromptText& prompt) const;
    Abilities try_out() const;
    bool says(std::string_view text) const { return source_.usual.find(text) != std::string::npos; }

    TemplateSource source_;
    JinjaTemplate usual_;
    std::optional<JinjaTemplate> with_tools_;
    std::unique_ptr<Family> guessed_;  // of a template nobody knows
    const Family* family_ = nullptr;
    Abilities abilities_;
};

}  // namespace hearth::chat
