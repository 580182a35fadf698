#include "chat/normalise.h"

#include <algorithm>
#include <cctype>
#include <map>

namespace hearth::chat {

namespace {

constexpr std::string_view kPlaceholderBegin = "\xEE\x80\x80", kPlaceholderEnd = "\xEE\x80\x81";  // private use

// Also within JSON that is written as a string, as arguments of calls are: its escapes may spell the text.
bool holds(const Json& value, std::string_view text) {
    if (value.is_string()) {
        const std::string& string = value.as_string();
        if (string.find(text) != std::string::npos) return true;
        if (string.find('\\') == std::string::npos) return false;
        const auto inner = Json::parse(string);
        return inner && !inner->is_string() && holds(*inner, text);
    }
    if (value.is_array())
        return std::ranges::any_of(value.items(), [&](const Json& item) { return holds(item, text); });
    if (!value.is_object()) return false;
    return std::ranges::any_of(value.members(), [&](const Json::Member& member) {
        return member.first.find(text) != std::string::npos || holds(member.second, text);
    });
}

const std::string& text_at(const Json& object, std::string_view key) {
    static const std::string kNone;
    const Json* found = object.find(key);
    return found && found->is_string() ? found->as_string() : kNone;
}

// Parts of text one after another, or the text.
std::string content_text(const Json& message) {
    const Json* content = message.find("content");
    if (!content || !content->is_array()) return text_at(message, "content");
    std::string text;
    for (const Json& part : content->items()) text += part.is_string() ? part.as_string() : text_at(part, "text");
    return text;
}

void remove(Json& object, std::string_view key) {
    std::erase_if(object.members(), [&](const Json::Member& member) { return member.first == key; });
}

std::unexpected<Error> wrong(size_t index, std::string what) {
    return fail(ErrorKind::bad_request, fmt::format("message {} {}", index, what),
                "write {\"role\": \"user\", \"content\": \"...\"}");
}

Result<> check(const Json& messages) {
    if (!messages.is_array())
        return fail(ErrorKind::bad_request, "the messages are no list", "write [{\"role\": ...}]");
    for (size_t i = 0; i < messages.items().size(); ++i) {
        const Json& message = messages.items()[i];
        if (!message.is_object()) return wrong(i, "is no object");
        if (const Json* role = message.find("role"); !role || !role->is_string()) return wrong(i, "has no role");
        const Json* content = message.find("content");
        if (content && !content->is_null() && !content->is_string() && !content->is_array() && !content->is_object())
            return wrong(i, "has a content that is neither text nor a list of parts");
        if (content && content->is_array())
            for (const Json& part : content->items())
                if (!part.is_object() && !part.is_string()) return wrong(i, "has a part of content that is no object");
        const Json* calls = message.find("tool_calls");
        if (!calls || calls->is_null()) continue;
        if (!calls->is_array()) return wrong(i, "has tool_calls that are no list");
        for (const Json& call : calls->items()) {
            const Json* function = call.find("function");
            if (!function) function = &call;
            if (text_at(*function, "name").empty()) return wrong(i, "has a tool call without a name");
        }
    }
    return {};
}

// Parts of text joined; for templates that take text alone.
Result<std::string> joined(const Json& parts, size_t index) {
    std::string text;
    for (const Json& part : parts.items()) {
        const std::string& type = text_at(part, "type");
        if (part.is_string()) {
            text += part.as_string();
        } else if (type == "text" || (type.empty() && part.find("text"))) {
            text += text_at(part, "text");
        } else {
            return fail(ErrorKind::unsupported,
                        fmt::format("message {} has a part of type {}, and this model reads text only", index,
                                    type.empty() ? "unknown" : type),
                        "leave it away, or use a model that takes it");
        }
    }
    return text;
}

class Normaliser {
public:
    Normaliser(Conversation conversation, const Family& family, const Abilities& abilities, Placeholders& placeholders)
        : conversation_(std::move(conversation)), family_(family), abilities_(abilities), placeholders_(placeholders) {}

    Result<Conversation> run() {
        TRY(check(conversation_.messages));
        if (family_.has_nine_letter_ids) number_ids();
        auto& messages = conversation_.messages.items();
        for (size_t i = 0; i < messages.size(); ++i) TRY(take(messages[i], i));
        if (family_.has_tools_in_system) move_tools();
        if (!abilities_.system) move_system();
        return std::move(conversation_);
    }

private:
    Result<> take(Json& message, size_t index) {
        if (text_at(message, "role") == "developer" && !family_.has_developer) message.set("role", "system");
        Json* content = find(message, "content");
        if ((!content || content->is_null()) && abilities_.empty_content) {
            message.set("content", "");
            content = find(message, "content");
        }
        if (content && content->is_array()) {
            if (!abilities_.lists)
                *content = Json(TRY(joined(*content, index)));
            else
                name_media(*content);
        }
        if (text_at(message, "role") != "assistant") return {};
        move_thought(message);
        if (Json* calls = find(message, "tool_calls"); calls && calls->is_array() && !calls->items().empty()) {
            for (Json& call : calls->items()) read_arguments(call);
            if (!abilities_.calls) write_calls(message);
        }
        return {};
    }

    static Json* find(Json& object, std::string_view key) {
        const auto found = std::ranges::find(object.members(), key, &Json::Member::first);
        return found == object.members().end() ? nullptr : &found->second;
    }

    static void name_media(Json& parts) {
        for (Json& part : parts.items()) {
            if (!part.is_object()) continue;
            const std::string type = text_at(part, "type");
            if (type == "image_url" || type == "input_image") part.set("type", "image");
            if (type == "input_audio") part.set("type", "audio");
            if (type == "input_text") part.set("type", "text");
        }
    }

    void move_thought(Json& message) const {
        const std::string thought = text_at(message, "reasoning_content");
        if (thought.empty()) return;
        switch (family_.thought_key) {
            case ThoughtKey::reasoning_content:
                return;
            case ThoughtKey::thinking:
                if (!message.find("thinking")) message.set("thinking", thought);
                return;
            case ThoughtKey::content_part: {
                Json parts = Json::array();
                parts.push(Json::Object{{"type", "thinking"}, {"thinking", thought}});
                const Json* content = message.find("content");
                if (content && content->is_array()) {
                    for (const Json& part : content->items()) parts.push(part);
                } else if (content && content->is_string() && !content->as_string().empty()) {
                    parts.push(Json::Object{{"type", "text"}, {"text", content->as_string()}});
                }
                message.set("content", std::move(parts));
                remove(message, "reasoning_content");
            }
        }
    }

    void read_arguments(Json& call) const {
        Json* function = find(call, "function");
        if (!function) function = &call;
        Json* arguments = find(*function, "arguments");
        if (!arguments || !arguments->is_string()) return;
        if (!abilities_.object_arguments) return;
        if (auto read = Json::parse(arguments->as_string()); read && read->is_object()) *arguments = std::move(*read);
    }

    // Ids of nine letters or digits; others are replaced, the same by the same.
    void number_ids() {
        std::map<std::string, std::string> made;
        const auto fix = [&](Json& object, std::string_view key) {
            Json* id = find(object, key);
            if (!id || !id->is_string()) return;
            const std::string& text = id->as_string();
            if (text.size() == 9 && std::ranges::all_of(text, [](unsigned char c) { return std::isalnum(c); })) return;
            const auto [entry, is_new] = made.try_emplace(text);
            if (is_new) entry->second = fmt::format("call{:05}", made.size());
            *id = Json(entry->second);
        };
        for (Json& message : conversation_.messages.items()) {
            fix(message, "tool_call_id");
            if (Json* calls = find(message, "tool_calls"); calls && calls->is_array())
                for (Json& call : calls->items())
                    if (call.is_object()) fix(call, "id");
        }
    }

    // Calls as the model itself would have written them, for templates that leave them away.
    void write_calls(Json& message) {
        std::string text;
        const auto& calls = message.find("tool_calls")->items();
        const CallSyntax syntax = family_.channels.calls;
        const auto mark = [&](Mark which) {
            if (!family_.channels[which].empty()) text += placeholders_.of(which);
        };
        const bool is_list = syntax == CallSyntax::json || syntax == CallSyntax::python;
        for (size_t i = 0; i < calls.size(); ++i) {
            const Json* function = calls[i].find("function");
            if (!function) function = &calls[i];
            const std::string& name = text_at(*function, "name");
            const Json* given = function->find("arguments");
            const Json arguments = given ? *given : Json::object();
            if (i == 0 || !is_list) {
                if (i > 0) text += '\n';
                if (syntax != CallSyntax::bare) mark(Mark::call_open);
                if (is_list) text += '[';
            } else {
                text += ", ";
            }
            if (syntax == CallSyntax::python) {
                text += name + "(";
                bool is_first = true;
                if (arguments.is_object())
                    for (const auto& [key, value] : arguments.members()) {
                        text += (is_first ? "" : ", ") + key + "=" + value.dump();
                        is_first = false;
                    }
                text += ')';
            } else if (syntax == CallSyntax::deepseek) {
                mark(Mark::item);
                text += "function";
                mark(Mark::item_name);
                text += name + "\n```json\n" + arguments.dump() + "\n```";
                mark(Mark::item_end);
            } else {
                Json call = Json::object();
                call.set("name", name);
                call.set(syntax == CallSyntax::bare ? "parameters" : "arguments", arguments);
                if (syntax == CallSyntax::tagged) text += '\n';
                text += call.dump();
                if (syntax == CallSyntax::tagged) text += '\n';
            }
            if (i + 1 == calls.size() || !is_list) {
                if (is_list) text += ']';
                if (syntax != CallSyntax::bare) mark(Mark::call_close);
            }
        }
        const std::string& said = text_at(message, "content");
        message.set("content", said.empty() ? text : said + "\n" + text);
        remove(message, "tool_calls");
    }

    // Phi-4-mini's template prints the field `tools` of the system message.
    void move_tools() {
        if (!conversation_.tools.is_array() || conversation_.tools.items().empty()) return;
        auto& messages = conversation_.messages.items();
        if (messages.empty() || text_at(messages[0], "role") != "system")
            messages.insert(messages.begin(), Json::Object{{"role", "system"}, {"content", ""}});
        if (messages[0].find("tools")) return;
        Json list = Json::array();
        for (const Json& tool : conversation_.tools.items()) {
            const Json* function = tool.find("function");
            list.push(function ? *function : tool);
        }
        messages[0].set("tools", list.dump());
    }

    // In front of what the user says first.
    void move_system() {
        auto& messages = conversation_.messages.items();
        std::string text;
        for (const Json& message : messages)
            if (text_at(message, "role") == "system") text += (text.empty() ? "" : "\n\n") + content_text(message);
        if (text.empty()) return;
        std::erase_if(messages, [](const Json& message) { return text_at(message, "role") == "system"; });
        const auto user = std::ranges::find_if(messages, [](const Json& m) { return text_at(m, "role") == "user"; });
        if (user == messages.end()) {
            messages.insert(messages.begin(), Json::Object{{"role", "user"}, {"content", text}});
        } else if (Json* content = find(*user, "content"); content && content->is_array()) {
            content->items().insert(content->items().begin(), Json::Object{{"type", "text"}, {"text", text + "\n\n"}});
        } else {
            user->set("content", text + "\n\n" + text_at(*user, "content"));
        }
    }

    Conversation conversation_;
    const Family& family_;
    const Abilities& abilities_;
    Placeholders& placeholders_;
};

}  // namespace

Placeholders::Placeholders(const Conversation& conversation) : base_(kPlaceholderBegin) {
    const Json variables(conversation.variables);
    while (holds(conversation.messages, base_) || holds(conversation.tools, base_) ||
           holds(conversation.documents, base_) || holds(variables, base_))
        base_ += 'm';
}

std::string Placeholders::of(Mark mark) {
    is_used_ = true;
    return base_ + char('A' + int(mark)) + std::string(kPlaceholderEnd);
}

void Placeholders::resolve(const Channels& channels, Rendered& rendered) const {
    if (!is_used_) return;
    const std::string& from = rendered.text;
    Rendered to;
    size_t at = 0;
    auto span = rendered.input.begin();
    // Copies up to `end`, what is input stays input.
    const auto copy = [&](size_t end) {
        while (at < end) {
            while (span != rendered.input.end() && span->end <= at) ++span;
            const bool is_input = span != rendered.input.end() && span->begin <= at;
            size_t next = end;
            if (span != rendered.input.end()) next = std::min(next, is_input ? span->end : span->begin);
            if (is_input && !to.input.empty() && to.input.back().end == to.text.size())
                to.input.back().end += next - at;
            else if (is_input)
                to.input.push_back({to.text.size(), to.text.size() + next - at});
            to.text += from.substr(at, next - at);
            at = next;
        }
    };
    for (size_t found; (found = from.find(base_, at)) != std::string::npos;) {
        const size_t code = found + base_.size();
        const size_t end = code + 1 + kPlaceholderEnd.size();
        copy(found);
        const int mark = end <= from.size() ? from[code] - 'A' : -1;
        if (mark < 0 || mark >= kMarks || from.compare(code + 1, kPlaceholderEnd.size(), kPlaceholderEnd) != 0) {
            copy(code);  // cut by the template
            continue;
        }
        to.text += channels[Mark(mark)];
        at = end;
    }
    copy(from.size());
    rendered = std::move(to);
}

Result<Conversation> normalised(Conversation conversation, const Family& family, const Abilities& abilities,
                                Placeholders& placeholders) {
    return Normaliser(std::move(conversation), family, abilities, placeholders).run();
}

}  // namespace hearth::chat
