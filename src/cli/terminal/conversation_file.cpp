// Conversations between dialogues and files, and the last question in one.
#include <algorithm>
#include <array>

#include "cli/terminal/dialogue.h"

namespace hearth::cli {

namespace {
std::string role_of(const Json& message) {
    const Json* role = message.find("role");
    return role && role->is_string() ? role->as_string() : "";
}

size_t place_of_last_question(const Json& messages) {
    const Json::Array& items = messages.items();
    size_t at = items.size();
    while (at > 0 && role_of(items[at - 1]) != "user") --at;
    return at;  // one behind it, 0: none
}
}  // namespace

Result<Json> read_conversation(std::string_view text) {
    Json file = TRY(Json::parse(text));
    const Json* messages = file.is_array() ? &file : file.find("messages");
    if (!messages || !messages->is_array())
        return fail(ErrorKind::bad_file, "there is no list of messages in it", "give a file that /save wrote");
    static constexpr std::array kRoles{"system", "developer", "user", "assistant", "tool"};
    for (size_t i = 0; i < messages->items().size(); ++i) {
        const Json& message = messages->items()[i];
        const Json* content = message.find("content");
        if (std::ranges::find(kRoles, role_of(message)) == kRoles.end())
            return fail(ErrorKind::bad_file, fmt::format("message {} has no role that is known", i + 1),
                        "write system, user, assistant or tool");
        if (content && !content->is_string() && !content->is_null() && !content->is_array())
            return fail(ErrorKind::bad_file, fmt::format("the content of message {} is no text", i + 1));
    }
    return Json(*messages);
}

std::string last_question(const Json& messages) {
    const size_t place = place_of_last_question(messages);
    if (place == 0) return "";
    const Json* content = messages.items()[place - 1].find("content");
    return content && content->is_string() ? content->as_string() : "";
}

void cut_last_question(Json& messages, bool keeps_question) {
    const size_t place = place_of_last_question(messages);
    if (place > 0) messages.items().resize(place - (keeps_question ? 0 : 1));
}

}  // namespace hearth::cli
