// Every recorded conversation in every recorded template, as the model will read it.
#include <map>
#include <set>

#include "chat/chat_template.h"
#include "chat/replies.h"

namespace hearth::chat {
namespace {

using namespace test;

std::tm recorded_time() {
    std::tm time{};
    time.tm_year = 126, time.tm_mon = 2, time.tm_mday = 14, time.tm_hour = 15, time.tm_min = 9, time.tm_sec = 26;
    time.tm_wday = 6, time.tm_yday = 72;
    return time;
}

ChatTemplate recorded_template(const std::string& name, const Json& tokens) {
    auto made = ChatTemplate::make(
        {.usual = hearth::test::read_text(hearth::test::shared_path("reference/templates/jinja/" + name + ".jinja")),
         .special_tokens = tokens.members()});
    EXPECT_TRUE(made) << name << ": " << made.error().what;
    return std::move(*made);
}

Conversation conversation_of(const Json& one) {
    Conversation made;
    made.messages = *one.find("messages");
    if (const Json* tools = one.find("tools")) made.tools = *tools;
    if (const Json* documents = one.find("documents")) made.documents = *documents;
    if (const Json* given = one.find("kwargs")) made.variables = given->members();
    if (const Json* generates = one.find("add_generation_prompt")) made.add_generation_prompt = generates->as_bool();
    made.now = recorded_time();
    return made;
}

TEST(Templates, Survey) {
    NEED_SHARED("reference/templates/cases.json");
    const Json cases = read_templates("cases.json"), meta = read_templates("meta.json");
    std::map<std::string, std::vector<std::string>> changed, fixed, broken;
    int same = 0;
    for (const auto& [name, tokens] : meta.members()) {
        const ChatTemplate made = recorded_template(name, tokens);
        const Abilities& can = made.abilities();
        printf("%-42s %-14s lists %d system %d calls %d objects %d empty %d\n", name.c_str(),
               std::string(made.family().name).c_str(), can.lists, can.system, can.calls, can.object_arguments,
               can.empty_content);
        const Json expected = read_templates("expected/" + name + ".json");
        for (const Json& one : cases.items()) {
            const std::string& conversation = one.find("name")->as_string();
            const Json* wanted = expected.find(conversation);
            const auto rendered = made.render(conversation_of(one));
            const Json* text = wanted->find("text");
            if (text && rendered && rendered->text == text->as_string())
                ++same;
            else if (!text && !rendered)
                ++same;
            else if (!text)
                fixed[conversation].push_back(name);
            else if (rendered)
                changed[conversation].push_back(name);
            else
                broken[conversation].push_back(name + ": " + rendered.error().what);
        }
    }
    for (const auto& [what, which] :
         {std::pair("changed", &changed), std::pair("fixed", &fixed), std::pair("broken", &broken)})
        for (const auto& [conversation, names] : *which) {
            printf("%s %s:", what, conversation.c_str());
            for (const auto& name : names) printf(" [%s]", name.substr(0, 70).c_str());
            printf("\n");
        }
    printf("same %d\n", same);
}

}  // namespace
}  // namespace hearth::chat
