// The tokens of a reply to its parts: thoughts, answer, calls. One state machine that sees a byte or a mark at a time,
// so what it says does not depend on how the reply was cut into tokens. What breaks the format is never dropped: it
// goes into the answer, with a warning.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "chat/call_reader.h"
#include "chat/channels.h"
#include "chat/reply.h"
#include "chat/tools.h"
#include "text/detokenizer.h"

namespace hearth::chat {

struct ReplySetup {
    std::shared_ptr<const Lexicon> lexicon;
    std::shared_ptr<const Tools> tools;  // without any, nothing is read as a call
    uint64_t id_seed = 0;                // ids of calls are made from it
    bool begins_in_thought = false;      // the prompt has opened it
    bool begins_in_answer = false;       // harmony: the prompt has written a header
};

class ReplyParser {
public:
    explicit ReplyParser(ReplySetup setup);
    ReplyParser(const ReplyParser& other);
    ReplyParser(ReplyParser&&) noexcept = default;
    ReplyParser& operator=(ReplyParser&&) noexcept = default;

    // `piece`: what the token adds to the text, as Tokenizer::piece says it.
    void push(int32_t token, std::string_view piece, GuideEvents& out);
    void push_text(std::string_view bytes, GuideEvents& out);
    void finish(GuideEvents& out);

    bool is_thinking() const { return place_ == Place::thought || place_ == Place::thought_name; }
    bool is_amid_character() const { return !utf8_.is_empty(); }
    bool is_in_call() const { return reader_ != nullptr; }
    bool is_answering() const { return place_ == Place::answer && !reader_; }
    bool has_calls() const { return writing_.calls > 0; }
    bool has_thought() const { return writing_.has_thought; }
    // From here on marks are text: the answer has a form of its own.
    void read_rest_as_answer() { is_all_answer_ = true; }

private:
    enum class Place : uint8_t {
        answer,
        thought,
        thought_name,
        call,
        header,   // harmony: before <|message|>
        between,  // harmony: behind <|end|>
    };

    void take_text(std::string_view valid);
    void take_byte(char c);
    void drain(bool is_last);
    void deliver(Unit unit);
    MarkSet active() const;
    void take(Unit unit);
    void take_in_answer(Unit unit);
    void take_in_thought(Unit unit);
    void open_call(Unit unit);
    void take_in_call(Unit unit);
    void begin_call(std::unique_ptr<CallReader> reader, std::string opening);
    void end_call();
    void fail_call();
    void answer(char c);
    std::string spelled(Unit unit) const;
    Calls calls();
    ReplyWriter writer() { return ReplyWriter(*out_, writing_); }

    // Harmony (harmony.cpp)
    MarkSet harmony_marks() const;
    void take_harmony(Unit unit);
    void take_in_header(Unit unit);
    void begin_message();
    void end_message();
    void give_up_header();

    ReplySetup setup_;
    Place place_ = Place::answer;
    Utf8Stream utf8_;
    std::string pending_;  // bytes that may become a mark
    GuideEvents* out_ = nullptr;
    ReplyWriter::State writing_;
    Calls::State calling_;
    std::unique_ptr<CallReader> reader_;
    std::string block_;           // what the present call consists of, until it is announced
    std::string name_;            // of a thought's channel
    std::string role_, channel_;  // of a header
    bool is_bare_ = false;        // the present call has no mark: without a name it is simply an answer
    bool is_at_start_ = true;     // only white space so far
    bool expects_close_ = false;  // the end mark of the last call has not come
    bool is_in_channel_ = false, is_first_header_ = true;
    bool is_all_answer_ = false;
};

}  // namespace hearth::chat
