// Reads messages in Anthropic's form, one block of content after the other, into a conversation in OpenAI's form, which
// is what chat templates take. Messages of one role that follow each other are one turn; results of tools are messages
// of their own, at the place where they stood.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "server/api/fields.h"

namespace hearth::server {

class AnthropicMessages {
public:
    // What is wrong or unknown is told to `fields`; `notes` gets what the model will not see.
    AnthropicMessages(Fields& fields, std::vector<std::string>& notes) : fields_(fields), notes_(notes) {}

    void read_system(const Json& content);  // a text, or blocks of text
    void read(const Json& list);
    // The last message is the assistant's: the answer goes on from there.
    bool is_to_be_continued() const { return continues_; }
    Json take() { return std::move(messages_); }

private:
    struct Turn {
        std::string role, text, thinking;
        Json calls = Json::array();
    };
    struct Use {
        std::string name;
        bool has_result = false;
    };

    bool no(std::string_view name, std::string why);
    void note_unknown(const Json& object, std::initializer_list<std::string_view> known);
    bool read_message(const Json& message);
    bool read_content(const Json& content, const std::string& role);
    bool read_block(const Json& block, const std::string& role);
    bool read_text(const Json& block, std::string& text);
    bool read_thinking(const Json& block);
    bool read_call(const Json& block);
    bool read_result(const Json& block);
    bool read_result_content(const Json& block, std::string& text);
    void end();
    Turn& turn(const std::string& role);
    void flush();  // the turn is over

    Fields& fields_;
    std::vector<std::string>& notes_;
    std::string at_;  // where we read, for errors
    std::optional<Turn> turn_;
    std::map<std::string, Use, std::less<>> uses_;  // by id
    Json messages_ = Json::array();
    bool continues_ = false, has_question_ = false;
};

}  // namespace hearth::server
