// hearth inspect prompt as people and scripts meet it.
#include "base/json.h"
#include "cli/command.h"

namespace hearth::test {
namespace {

class Prompt : public Command {
protected:
    void SetUp() override {
        Command::SetUp();
        write("t.jinja",
              "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content | trim }}\n{% endfor %}"
              "{% if tools %}{{ tools | tojson }}\n{% endif %}{% if add_generation_prompt %}[assistant]{% endif %}"
              "{% if style is defined %} {{ style }}{% endif %}");
    }
};

TEST_F(Prompt, RendersTextAsItIs) {
    const std::string conversation = R"({"messages": [{"role": "user", "content": " Grüße "}]})";
    EXPECT_EQ(hearth("inspect prompt t.jinja", conversation).out, "[user] Grüße\n[assistant]");
    write("c.json", conversation);
    EXPECT_EQ(hearth("inspect prompt t.jinja --input c.json").out, "[user] Grüße\n[assistant]");
    const Ran all =
        hearth("inspect prompt t.jinja",
               R"({"messages": [], "tools": [{"name": "f"}], "kwargs": {"style": "brief"}, "special_tokens":)"
               R"( {"bos_token": "<s>"}, "add_generation_prompt": false, "documents": null})");
    EXPECT_EQ(all.out, "<s>[{\"name\": \"f\"}]\n brief");
}

TEST_F(Prompt, AModelBringsItsTemplateAndTokens) {
    EditedFile file(model);
    file.set_text("tokenizer.chat_template", "{{ eos_token }}|{{ messages[0].content }}");
    file.set_text("tokenizer.chat_template.tool_use", "tools");
    fs::copy_file(file.write("chat.gguf"), folder / "chat.gguf", fs::copy_options::overwrite_existing);
    const Ran ran = hearth("inspect prompt chat.gguf", R"({"messages": [{"role": "user", "content": "hi"}]})");
    EXPECT_TRUE(ran.out.ends_with("|hi") && ran.out.size() > 3) << ran.out << ran.err;
    EXPECT_EQ(hearth("inspect prompt chat.gguf", R"({"messages": [], "tools": [{}]})").out, "tools");
    fs::copy_file(file.drop_key("tokenizer.chat_template").write("none.gguf"), folder / "none.gguf",
                  fs::copy_options::overwrite_existing);
    refused("\"$H\" inspect prompt none.gguf", 1, {"no chat template", ".jinja"}, R"({"messages": []})");
}

TEST_F(Prompt, ManyConversationsAreAnsweredOneByOne) {
    const Ran ran =
        hearth("inspect prompt t.jinja --jsonl",
               "{\"messages\": [{\"role\": \"user\", \"content\": \"a\\nb\"}]}\nnonsense\n{\"messages\": 3}\n{}\n"
               "{\"messages\": [], \"colour\": 1}\n{\"messages\": [], \"special_tokens\": 3}\n{\"messages\": [], "
               "\"now\": \"noon\"}\n");
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    std::istringstream lines(ran.out);
    std::vector<Json> answers;
    for (std::string line; std::getline(lines, line);) answers.push_back(*Json::parse(line));
    ASSERT_EQ(answers.size(), 7u) << ran.out;
    EXPECT_EQ(answers[0].find("text")->as_string(), "[user] a\nb\n[assistant]");
    const char* words[] = {"", "", "messages", "messages", "colour", "special_tokens", "now"};
    for (size_t i = 1; i < answers.size(); ++i) {
        const Json* error = answers[i].find("error");
        ASSERT_TRUE(error) << i;
        EXPECT_NE(error->as_string().find(words[i]), std::string::npos) << error->as_string();
    }
}

TEST_F(Prompt, TheTimeIsTheOneGiven) {
    write("time.jinja", "{{ strftime_now('%d %B %Y, %A') }}");
    EXPECT_EQ(hearth("inspect prompt time.jinja", R"({"messages": [], "now": "2026-03-14 15:09:26"})").out,
              "14 March 2026, Saturday");
}

TEST_F(Prompt, WhatIsWrongIsSaidInOneLine) {
    refused("\"$H\" inspect prompt missing.jinja", 1, {"missing.jinja"}, "{}");
    write("bad.jinja", "{% if x %}\n{{ y ");
    refused("\"$H\" inspect prompt bad.jinja", 1, {"line 2", "never ends"}, "{}");
    write("no.jinja", "{{ raise_exception('Roles must alternate') }}");
    refused("\"$H\" inspect prompt no.jinja", 1, {"Roles must alternate"}, R"({"messages": []})");
    refused("\"$H\" inspect prompt t.jinja", 1, {"messages"}, "[]");
    refused("\"$H\" inspect prompt t.jinja --input nowhere.json", 1, {"nowhere.json"});
    refused("\"$H\" inspect prompt", 2, {"MODEL"});
}

}  // namespace
}  // namespace hearth::test
