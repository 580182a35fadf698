// Chatting with a model: its template, its family and its vocabulary together. A conversation goes in, a prompt of
// tokens and a guide that reads the reply come out; the engine in between knows neither. Public header of the room.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "chat/call_form.h"
#include "chat/chat_template.h"
#include "chat/conversation.h"
#include "chat/prompt_places.h"
#include "chat/reply.h"
#include "chat/tools.h"
#include "engine/engine.h"
#include "engine/guide.h"
#include "files/metadata.h"
#include "grammar/matcher.h"
#include "text/tokenizer.h"

namespace hearth::chat {

struct Prompt {
    PromptText text;
    std::vector<int32_t> tokens;
    std::shared_ptr<const PromptPlaces> places;
    int64_t lasting = 0;  // of the tokens: what stands before the reply's own opening, so that the next turn repeats it
    std::shared_ptr<const Tools> tools;
    Json tool_list;                  // the same in full
    std::vector<std::string> notes;  // what of the conversation the model will not see
};

// Whether the model may, must or must not call a tool.
struct ToolChoice {
    enum class Kind : uint8_t { automatic, none, required, named } kind = Kind::automatic;
    std::string name = {};  // named: of the tool
};

struct ReplyOptions {
    std::optional<int64_t> thinking_budget;                // tokens
    std::vector<std::string> stops;                        // texts that end the answer
    std::shared_ptr<grammar::Constraint> form;             // of the answer: ChatModel::form(); null: any
    std::shared_ptr<const std::atomic<bool>> end_thought;  // set by anybody at any time: the thought ends
    ToolChoice tool_choice;
    bool parallel_calls = true;  // false: the reply ends with the first
};

// Immutable once made; all const functions may be called from any number of threads at once.
class ChatModel {
public:
    // `tokenizer` must outlive this. `note` tells what a person should know about the template that was chosen.
    static Result<std::unique_ptr<ChatModel>> make(const Metadata& file, const Tokenizer& tokenizer);
    const std::string& note() const { return note_; }

    // `earlier`: a prompt and the tokens that followed it. If the conversation goes on from there word by word, the
    // same tokens are used again, so that the engine finds them in its cache.
    struct Said {
        std::string text;
        std::vector<int32_t> tokens;
    };
    Result<Prompt> prompt(const Conversation& conversation, const Said* earlier = nullptr) const;
    Said said(const Prompt& prompt, std::span<const int32_t> tokens, const Reply& reply) const;

    // A grammar as the form of this model's answers; to be made once and used for many replies.
    Result<std::shared_ptr<grammar::Constraint>> form(std::shared_ptr<const grammar::Grammar> grammar) const;
    // Fails where the choice of tools asks for what cannot be had.
    Result<std::unique_ptr<Guide>> guide(const Prompt& prompt, const ReplyOptions& options = {}) const;

    // The request that asks the engine for a reply; sampling and limits are the caller's.
    Result<Request> request(const Prompt& prompt, const ReplyOptions& options = {}) const;

    const ChatTemplate& chat_template() const { return *template_; }
    // What the makers recommend.
    const Sampling& sampling(bool thinks) const;

private:
    Result<> add_tokens(const Said* earlier, Prompt& prompt) const;
    Result<int64_t> lasting_tokens(const Conversation& conversation, const Prompt& prompt) const;
    explicit ChatModel(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

    // What binds calls, kept from one prompt to the next: the tools seldom change.
    struct CallBinding {
        std::shared_ptr<grammar::Constraint> constraint;  // null: calls are not bound
        bool covers_thoughts = false;
        std::vector<std::string> notes;
    };
    Result<CallBinding> call_binding(const Json& tools, const CallRules& rules) const;

    const Tokenizer& tokenizer_;
    std::optional<ChatTemplate> template_;
    std::shared_ptr<const Lexicon> lexicon_;
    std::vector<int32_t> end_thought_, ends_;
    std::string note_;
    mutable std::once_flag has_vocabulary_;  // made when the first form is asked for
    mutable std::shared_ptr<const grammar::Vocabulary> vocabulary_;
    mutable std::mutex bindings_mutex_;
    mutable std::deque<std::pair<std::string, CallBinding>> bindings_;  // the last used first
};

// The template that a file brings along, and what templates may name of its vocabulary.
TemplateSource template_source(const Metadata& file, const Tokenizer& tokenizer);

}  // namespace hearth::chat
