#include "chat/chat_template.h"

#include <algorithm>

namespace hearth::chat {

namespace {

Json message(std::string_view role, Json content) {
    return Json::Object{{"role", role}, {"content", std::move(content)}};
}

bool has_tools(const Conversation& conversation) {
    return conversation.tools.is_array() && !conversation.tools.items().empty();
}

// White space at the end does not count: where a thought begins is a matter of marks.
std::string_view without_space_at_end(std::string_view text) {
    const size_t last = text.find_last_not_of(" \t\r\n");
    return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

std::string stripped(std::string_view text) {
    const size_t first = text.find_first_not_of(" \t\r\n\v\f");
    if (first == std::string_view::npos) return "";
    return std::string(text.substr(first, text.find_last_not_of(" \t\r\n\v\f") - first + 1));
}

void cut(Rendered& rendered, size_t length) {
    rendered.text.resize(length);
    while (!rendered.input.empty() && rendered.input.back().begin >= length) rendered.input.pop_back();
    if (!rendered.input.empty()) rendered.input.back().end = std::min(rendered.input.back().end, length);
}

}  // namespace

Result<ChatTemplate> ChatTemplate::make(TemplateSource source) {
    JinjaTemplate usual = TRY(JinjaTemplate::parse(source.usual));
    ChatTemplate made(std::move(source), std::move(usual));
    if (!made.source_.with_tools.empty()) made.with_tools_ = TRY(JinjaTemplate::parse(made.source_.with_tools));
    const std::string all = made.source_.usual + made.source_.with_tools;
    const TemplateFacts facts{.source = all, .architecture = made.source_.architecture};
    const TemplateFacts only_architecture{.source = {}, .architecture = facts.architecture};
    Channels guessed = guess_channels(facts);
    if (!made.source_.is_own) made.family_ = find_family(facts);
    // A template of a few lines names no marks; the model knows its own all the same.
    if (!made.family_ && guessed.calls == CallSyntax::none && !guessed.has_thoughts())
        made.family_ = find_family(only_architecture);
    if (!made.family_) {
        made.guessed_ =
            std::make_unique<Family>(Family{.name = "other", .matches = nullptr, .channels = std::move(guessed)});
        made.family_ = made.guessed_.get();
        for (const char* variable : {"enable_thinking", "thinking"})
            if (made.says(variable) && made.guessed_->thinking_variable.empty())
                made.guessed_->thinking_variable = variable;
        if (made.can_think()) made.guessed_->end_thought = "\n</think>\n\n";
        if (made.guessed_->channels[Mark::think_close] == "[/THINK]") made.guessed_->end_thought = "[/THINK]";
    }
    made.abilities_ = made.try_out();
    return made;
}

Result<Rendered> ChatTemplate::render_as_is(const Conversation& conversation) const {
    JinjaVariables variables;
    variables.trusted = source_.special_tokens;
    variables.trusted.emplace_back("add_generation_prompt", conversation.add_generation_prompt);
    for (const auto& [name, value] : conversation.variables) {
        std::erase_if(variables.trusted, [&](const Json::Member& member) { return member.first == name; });
        variables.trusted.emplace_back(name, value);
    }
    variables.input = {
        {"messages", conversation.messages}, {"tools", conversation.tools}, {"documents", conversation.documents}};
    return (has_tools(conversation) && with_tools_ ? *with_tools_ : usual_).render(variables, conversation.now);
}

// Rendered with the last message and cut behind its text, as transformers does it.
Result<Rendered> ChatTemplate::render_cut(const Conversation& conversation, Placeholders& placeholders) const {
    const Json* content = conversation.messages.items().back().find("content");
    if (content && content->is_array() && !content->items().empty()) content = content->items().back().find("text");
    const std::string text = content && content->is_string() ? content->as_string() : "";
    const std::string core = stripped(text);
    Rendered rendered = TRY(render_as_is(conversation));
    placeholders.resolve(family_->channels, rendered);
    const size_t at = core.empty() ? std::string::npos : rendered.text.rfind(core);
    if (at != std::string::npos) {
        // White space at the end stays if the template kept it; transformers never keeps any where the text begins with
        // some.
        const bool keeps_space = std::string_view(rendered.text).substr(at).starts_with(text);
        cut(rendered, at + (keeps_space ? text.size() : core.size()));
        return rendered;
    }
    // The template does not show it as it is: behind the generation prompt then.
    Conversation before = conversation;
    before.messages.items().pop_back();
    before.add_generation_prompt = true;
    rendered = TRY(render_as_is(before));
    if (!text.empty()) rendered.input.push_back({rendered.text.size(), rendered.text.size() + text.size()});
    rendered.text += text;
    placeholders.resolve(family_->channels, rendered);
    return rendered;
}

void ChatTemplate::set_thinking(Conversation& conversation, PromptText& prompt) const {
    if (!conversation.thinking || !can_think()) return;
    const bool thinks = *conversation.thinking;
    const auto set = [&](std::string_view name, Json value) {
        const auto given = std::ranges::find(conversation.variables, name, &Json::Member::first);
        if (given == conversation.variables.end()) conversation.variables.emplace_back(name, std::move(value));
    };
    if (!family_->thinking_variable.empty() && says(family_->thinking_variable)) {
        set(family_->thinking_variable, thinks);
    } else if (const std::string_view word = thinks ? family_->on_word : family_->off_word; !word.empty()) {
        auto& messages = conversation.messages.items();
        const Json* role = messages.empty() ? nullptr : messages[0].find("role");
        if (!role || !role->is_string() || role->as_string() != "system") {
            messages.insert(messages.begin(), message("system", word));
        } else {
            const Json* content = messages[0].find("content");
            if (content && content->is_array()) {
                Json parts = *content;
                parts.push(Json::Object{{"type", "text"}, {"text", "\n" + std::string(word)}});
                messages[0].set("content", std::move(parts));
                return;
            }
            const std::string said = content && content->is_string() ? content->as_string() : "";
            messages[0].set("content", said.empty() ? std::string(word) : said + "\n" + std::string(word));
        }
    } else if (!thinks) {
        if (family_->channels.calls == CallSyntax::harmony) set("reasoning_effort", "low");
        prompt.ends_thought = true;
    }
}

Result<PromptText> ChatTemplate::render(const Conversation& conversation) const {
    PromptText prompt;
    Placeholders placeholders(conversation);
    Conversation ready = TRY(normalised(conversation, *family_, abilities_, placeholders));
    set_thinking(ready, prompt);
    const auto& messages = ready.messages.items();
    const bool continues = ready.continues_last && !messages.empty();
    if (continues) {
        const Json* role = messages.back().find("role");
        if (role->as_string() != "assistant")
            return fail(ErrorKind::bad_request,
                        "the last message is not the assistant's, so there is nothing to go on with",
                        "end with a message of the role assistant");
        ready.add_generation_prompt = false;
        static_cast<Rendered&>(prompt) = TRY(render_cut(ready, placeholders));
    } else {
        static_cast<Rendered&>(prompt) = TRY(render_as_is(ready));
        placeholders.resolve(family_->channels, prompt);
    }
    const Channels& channels = family_->channels;
    // Behind calls and results Gemma 4 goes on in the same turn, unless the turn had text: then none was begun.
    if (channels.calls == CallSyntax::gemma && ready.add_generation_prompt && prompt.text.ends_with("<turn|>\n"))
        prompt.text += "<|turn>model\n";

    prompt.thinks = conversation.thinking.value_or(family_->thinks_by_default) && can_think();
    if (channels.calls == CallSyntax::harmony) {
        if (continues) prompt.begins = PromptText::Begins::in_answer;
    } else if (can_think()) {
        std::string_view end = without_space_at_end(prompt.text);
        if (channels.thought_has_name && end.ends_with("thought")) end.remove_suffix(7);
        const size_t from = continues && !prompt.input.empty() ? prompt.input.back().begin : 0;
        const size_t open = end.rfind(channels[Mark::think_open]), close = end.rfind(channels[Mark::think_close]);
        const bool is_open_in_text =
            continues && open != end.npos && open >= from && (close == end.npos || close < open);
        const bool is_open_before =
            continues && without_space_at_end(end.substr(0, from)).ends_with(channels[Mark::think_open]);
        if (end.ends_with(channels[Mark::think_open]) || is_open_in_text ||
            (is_open_before && (close == end.npos || close < from)))
            prompt.begins = PromptText::Begins::in_thought;
        if (prompt.begins == PromptText::Begins::in_thought)
            prompt.thinks = true;
        else if (end.ends_with(channels[Mark::think_close]) || continues)
            prompt.thinks = false;
        if (prompt.ends_thought) prompt.thinks = false;
    }
    return prompt;
}

// Renders small conversations and looks for what they said.
Abilities ChatTemplate::try_out() const {
    const std::string word = "hearthprobe", other = "hearthother";
    const auto shows = [&](Json::Array messages, std::string_view what, bool with_tool = false) {
        Conversation conversation;
        conversation.messages = Json(std::move(messages));
        conversation.now = {.tm_mday = 1, .tm_year = 126};
        if (with_tool)
            conversation.tools = Json::Array{Json::Object{
                {"type", "function"},
                {"function",
                 Json::Object{{"name", "hearthtool"},
                              {"description", "d"},
                              {"parameters", Json::Object{{"type", "object"}, {"properties", Json::object()}}}}}}};
        const auto rendered = render_as_is(conversation);
        return rendered && rendered->text.find(what) != std::string::npos &&
               rendered->text.find("'type'") == std::string::npos;
    };
    // Some templates need tools to render at all.
    const auto shows_somehow = [&](const Json::Array& messages, std::string_view what) {
        return shows(messages, what) || shows(messages, what, true);
    };
    Abilities can;
    const Json parts =
        Json::Array{Json::Object{{"type", "text"}, {"text", word}}, Json::Object{{"type", "text"}, {"text", other}}};
    can.lists = shows_somehow({message("user", parts)}, word) && shows_somehow({message("user", parts)}, other) &&
                !shows({message("user", parts)}, "\"text\"");
    can.system = shows_somehow({message("system", word), message("user", "x")}, word);
    can.tools = shows({message("user", "x")}, "hearthtool", true) || family_->has_tools_in_system;
    const auto called = [&](Json arguments, Json content) {
        Json call = message("assistant", std::move(content));
        call.set("tool_calls", Json::Array{Json::Object{
                                   {"id", "abcdefghi"},
                                   {"type", "function"},
                                   {"function", Json::Object{{"name", word}, {"arguments", std::move(arguments)}}}}});
        Json result = message("tool", "y");
        result.set("tool_call_id", "abcdefghi");
        return Json::Array{message("user", "x"), call, result};
    };
    const auto object = [&] { return Json(Json::Object{{"a", other}}); };
    can.object_arguments =
        shows(called(object(), ""), other, true) || !shows(called("{\"a\": \"" + other + "\"}", ""), other, true);
    can.calls = shows(called(object(), ""), word, true) || shows(called("{}", ""), word, true) ||
                shows(called(object(), nullptr), word, true);
    can.empty_content =
        can.calls ? !shows(called(object(), nullptr), word, true) || shows(called(object(), ""), word, true) : true;
    return can;
}

}  // namespace hearth::chat
