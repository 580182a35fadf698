// Where in a prompt the messages of its conversation stand: borders at which later prompts may part from it, and the
// message and line that a token belongs to. Found by looking for each message's words among what the template says came
// from people; a message whose words it changes is passed over.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/json.h"
#include "text/jinja.h"
#include "text/tokenizer.h"

namespace hearth::chat {

class PromptPlaces {
public:
    PromptPlaces() = default;
    // Of a prompt without what comes behind its messages' tokens as far as those spell the text.
    PromptPlaces(const Json& messages, const Rendered& rendered, std::span<const int32_t> tokens,
                 const Tokenizer& tokenizer);

    // So many tokens stand before the opening of a message; ascending, the first message's mostly left out.
    const std::vector<int64_t>& borders() const { return borders_; }

    struct Place {
        int64_t message = 0;  // of the conversation, from 0
        int64_t line = 0;     // of its words, from 1; white space around them does not count
        bool is_system = false, is_last = false;
        bool operator==(const Place&) const = default;
    };
    // Nothing where a token belongs to no message's words: to the template, or to tools.
    std::optional<Place> at(int64_t token) const;

private:
    struct Words {
        int64_t message;
        bool is_system;
        size_t begin, end;  // bytes of the text
    };
    void find_words(const Json& messages, const Rendered& rendered);
    void follow_tokens(std::string_view text, std::span<const int32_t> tokens, const Tokenizer& tokenizer);

    std::vector<Words> words_;
    int64_t messages_ = 0;
    std::vector<uint32_t> begins_;  // of each token, in bytes of the text
    std::vector<uint32_t> breaks_;  // of lines
    std::vector<int64_t> borders_;
};

}  // namespace hearth::chat
