// Makes of a conversation what its template understands: templates take OpenAI's form more or less, and what they do
// not take they drop or trip over. Where a template copes by itself nothing is changed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "chat/conversation.h"
#include "chat/family.h"
#include "text/jinja.h"

namespace hearth::chat {

// What a template was found to do (ChatTemplate tries it out).
struct Abilities {
    bool lists = true;             // reads content that is a list of parts
    bool system = true;            // shows a system message
    bool tools = true;             // shows the tools of a request
    bool calls = true;             // shows earlier calls
    bool object_arguments = true;  // and their arguments where they are objects
    bool empty_content = true;     // takes "" where content is missing
};

// Texts in messages that will become marks of the format once the template is rendered: they cannot be written as they
// are, for what stands in a message never becomes a special token.
class Placeholders {
public:
    // Chosen so that no text of the conversation holds one.
    explicit Placeholders(const Conversation& conversation);
    std::string of(Mark mark);
    // Puts the marks' texts in.
    void resolve(const Channels& channels, Rendered& rendered) const;

private:
    std::string base_;
    bool is_used_ = false;
};

Result<Conversation> normalised(Conversation conversation, const Family& family, const Abilities& abilities,
                                Placeholders& placeholders);

}  // namespace hearth::chat
