// How a family marks thoughts and calls in what it writes, and where these marks are in a vocabulary.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chat/marks.h"
#include "text/tokenizer.h"

namespace hearth::chat {

// How a call is spelled between its marks.
enum class CallSyntax : uint8_t {
    none,
    tagged,     // JSON object (Hermes, Qwen 2.5 and 3), XML (Qwen 3.5) or keys and values (GLM): the first byte tells
    json,       // an object, or a list of them
    bare,       // the same without marks: an answer that is nothing but a call (Llama 3)
    name_json,  // NAME[ARGS]{...}, or a list of objects (Mistral)
    gemma,      // call:NAME{key:value}
    python,     // [f(a="x", b=1), g()] (LFM 2)
    deepseek,
    harmony,  // whole messages have channels and recipients; thoughts and answers too
};

// Which of the tagged ways a family was trained on: the others are read as well, but not asked for.
enum class TaggedForm : uint8_t { json, xml, key_value };

struct Channels {
    std::array<std::string, kMarks> texts;  // by Mark; empty: there is none
    CallSyntax calls = CallSyntax::none;
    TaggedForm tagged = TaggedForm::json;
    bool thought_has_name = false;   // a channel's name stands in the line behind think_open (Gemma 4)
    bool hides_stray_close = false;  // think_close outside of a thought is not shown

    std::string& operator[](Mark mark) { return texts[size_t(mark)]; }
    const std::string& operator[](Mark mark) const { return texts[size_t(mark)]; }
    bool has_thoughts() const { return calls == CallSyntax::harmony || !(*this)[Mark::think_close].empty(); }
};

// Channels in one vocabulary. A mark that is one special token there is known by its id alone: text that merely reads
// like it stays text. Without a tokenizer every mark is spelled out.
class Lexicon {
public:
    explicit Lexicon(Channels channels, const Tokenizer* tokenizer = nullptr);

    const Channels& channels() const { return channels_; }
    const std::string& text(Mark mark) const { return channels_[mark]; }
    bool has(Mark mark) const { return !channels_[mark].empty(); }
    // The mark that a token is, or Mark::count.
    Mark find(int32_t token) const;
    std::optional<int32_t> token(Mark mark) const;  // that is the mark, where it is one

    // What bytes at the beginning of `text` are: a mark of `active`, perhaps the beginning of one, or plain text.
    struct Match {
        Mark mark = Mark::count;  // complete
        bool may_grow = false;    // with more bytes it may become a mark, or a longer one
    };
    Match match(std::string_view text, MarkSet active) const;

private:
    Channels channels_;
    std::vector<std::pair<int32_t, Mark>> tokens_;  // ascending
    std::vector<Mark> spelled_;                     // those that appear as text
};

}  // namespace hearth::chat
