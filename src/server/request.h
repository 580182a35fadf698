// The one request that all dialects of the API are translated into, and the one way its answer comes back. A dialect
// reads JSON into a ModelRequest and implements AnswerSink; it knows nothing of engines, and the service nothing of
// JSON keys.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "chat/chat.h"
#include "chat/form_request.h"
#include "chat/overflow.h"
#include "chat/reply.h"
#include "engine/engine.h"
#include "server/access.h"
#include "server/cache_report.h"

namespace hearth::server {

// What a client says about sampling; the rest is what the model's file and its makers recommend.
struct SamplingWishes {
    std::optional<float> temperature, top_p, min_p, typical_p;
    std::optional<int32_t> top_k;
    std::optional<float> repetition_penalty, presence_penalty, frequency_penalty;
    std::optional<int32_t> penalty_last_n;
    std::optional<float> dry_multiplier, dry_base;
    std::optional<int32_t> dry_allowed_length, dry_last_n;
    std::optional<std::vector<std::string>> dry_breakers;
    std::optional<float> xtc_probability, xtc_threshold;
    std::vector<std::pair<int32_t, float>> logit_bias;
    std::optional<uint64_t> seed;  // choice i of several draws with seed + i

    void apply(SamplerOptions& options) const;
};

// A text to be continued as it stands, for completions: no template, no channels.
struct PlainText {
    std::string text;
    std::vector<int32_t> tokens;  // in place of the text, where a client sent ids
    bool parses_special = true;   // special tokens written in the text become those
    bool adds_special = true;     // what the model expects in front of a text
};

// Which of those that wait is answered first.
struct Turn {
    int64_t priority = 0;                // lower is earlier, among the requests of one client
    std::optional<int64_t> deadline_ms;  // it must have begun by then, counted from its arrival
};

struct ModelRequest {
    std::string model;  // a name that clients use
    std::variant<chat::Conversation, PlainText> prompt;

    SamplingWishes sampling;
    int64_t max_tokens = -1;  // -1: until the context is full
    std::vector<std::string> stops;
    int64_t choices = 1;    // answers to the same question
    int32_t logprobs = -1;  // -1: none; 0: of the chosen tokens; n: also of the n most likely ones
    bool ignores_end = false;

    // Of conversations only.
    chat::ToolChoice tool_choice;
    bool parallel_calls = true;
    std::optional<int64_t> thinking_budget;
    chat::FormRequest form;
    std::string form_field;  // the name of the field that asked for it, for errors
    chat::Overflow overflow = chat::Overflow::refuse;

    bool wants_cache_report = false;

    Turn turn;
    Identity identity;
};

// What is known once the prompt is made.
struct PromptInfo {
    std::string model;  // as it is called here
    int64_t prompt_tokens = 0;
    int64_t context_tokens = 0;
    std::shared_ptr<const chat::PromptPlaces> places;  // of conversations
    std::vector<std::string> notes;  // what of the request the model does not see, or could not be honoured
    std::string text;                // of a plain prompt that came as tokens
};

struct TokenScore {
    struct Alternative {
        int32_t token = 0;
        std::string bytes;  // perhaps a part of a character
        float logprob = 0;
    };
    int32_t token = 0;
    std::string bytes;
    float logprob = 0;
    std::vector<Alternative> top;  // most likely first
};

// What has become certain of an answer since the last call. `events` are ReplyParts (chat/reply.h), also of plain
// texts.
struct AnswerPart {
    GuideEvents events;
    std::vector<TokenScore> scores;  // of the tokens of the answer itself, not of thoughts and calls; with logprobs
};

struct AnswerUsage : Usage {
    int64_t thinking_tokens = 0;
};

struct AnswerEnd {
    FinishReason reason = FinishReason::end;
    std::optional<Loop> loop;  // with FinishReason::loop
    chat::Reply reply;         // all of it; `stopped` is the stop string that came
    AnswerUsage usage;
    std::optional<CacheReport> cache;  // where the request wants it
};

// Gets an answer. One call at a time, on worker threads. Either failed() ends it, or `ended` of every choice. A client
// who leaves ends every choice with FinishReason::cancelled.
class AnswerSink {
public:
    virtual ~AnswerSink() = default;
    virtual void loading(double /*share*/) {}        // of the model that has been read; before all others
    virtual void begin(const PromptInfo& info) = 0;  // nothing was refused
    virtual void progress(int64_t /*prompt_tokens_done*/) {}
    virtual void part(int64_t choice, const AnswerPart& part) = 0;
    virtual void ended(int64_t choice, const AnswerEnd& end) = 0;  // of the last choice: the answer is complete
    virtual void failed(const ApiError& error) = 0;                // instead of begin(), or at any time after it
};

}  // namespace hearth::server
