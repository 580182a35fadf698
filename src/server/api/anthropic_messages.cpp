#include "server/api/anthropic_messages.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/api/anthropic.h"

namespace hearth::server {

namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

// Texts of neighbouring blocks must not run into each other.
void join_blocks(std::string& text, std::string_view more) {
    if (!text.empty() && !more.empty() && !is_blank(text.back()) && !is_blank(more.front())) text += '\n';
    text += more;
}

const std::string* string_in(const Json& object, std::string_view key) {
    const Json* found = object.find(key);
    return found && found->is_string() ? &found->as_string() : nullptr;
}

// As the model wrote it: templates that print ids then print the same ones again.
std::string plain_call_id(std::string_view id) {
    if (id.size() > kAnthropicCallPrefix.size() && id.starts_with(kAnthropicCallPrefix))
        id.remove_prefix(kAnthropicCallPrefix.size());
    return std::string(id);
}

}  // namespace

bool AnthropicMessages::no(std::string_view name, std::string why) {
    fields_.refuse(at_ + std::string(name), std::move(why));
    return false;
}

void AnthropicMessages::note_unknown(const Json& object, std::initializer_list<std::string_view> known) {
    for (const auto& [key, value] : object.members()) {
        const bool is_empty = value.is_null() || (value.is_array() && value.items().empty());
        if (!is_empty && key != "cache_control" && std::ranges::find(known, key) == known.end())
            fields_.note_unknown(fmt::format("{}.{}", at_, key));
    }
}

AnthropicMessages::Turn& AnthropicMessages::turn(const std::string& role) {
    if (turn_ && turn_->role == role) return *turn_;
    flush();
    return turn_.emplace(Turn{.role = role, .text = {}, .thinking = {}});
}

void AnthropicMessages::flush() {
    if (!turn_) return;
    has_question_ |= turn_->role == "user";
    const bool has_calls = !turn_->calls.items().empty();
    Json message = Json::Object{{"role", turn_->role}};
    message.set("content", has_calls && turn_->text.empty() ? Json() : Json(std::move(turn_->text)));
    if (!turn_->thinking.empty()) message.set("reasoning_content", std::move(turn_->thinking));
    if (has_calls) message.set("tool_calls", std::move(turn_->calls));
    messages_.push(std::move(message));
    turn_.reset();
}

void AnthropicMessages::read_system(const Json& content) {
    at_ = "system";
    if (content.is_string() && content.as_string().empty()) return;
    if (content.is_array() && content.items().empty()) return;
    read_content(content, "system");
}

void AnthropicMessages::read(const Json& list) {
    for (size_t i = 0; i < list.items().size(); ++i) {
        at_ = fmt::format("messages[{}]", i);
        if (!read_message(list.items()[i])) return;
    }
    end();
}

// The last turn may be one that the assistant has only begun.
void AnthropicMessages::end() {
    if (turn_ && turn_->role == "assistant") {
        if (!turn_->calls.items().empty()) {
            no("", "ends the conversation with a tool_use block; its tool_result must follow");
            return;
        }
        if (turn_->text.empty() && !turn_->thinking.empty()) {
            no("", "ends the conversation with thinking; the text that is to be continued must follow");
            return;
        }
        continues_ = !turn_->text.empty();
        if (!continues_) turn_.reset();  // nothing was begun
    }
    flush();
    if (!has_question_) fields_.refuse("messages", "hold nothing to answer");
}

bool AnthropicMessages::read_message(const Json& message) {
    if (!message.is_object()) return no("", "is no object");
    const std::string* role = string_in(message, "role");
    if (!role) return no(".role", "is missing");
    if (*role != "user" && *role != "assistant" && *role != "system")
        return no(".role", fmt::format("is \"{}\", it must be user, assistant or system", *role));
    note_unknown(message, {"role", "content"});
    const Json* content = message.find("content");
    at_ += ".content";
    if (!content || content->is_null()) return no("", "is missing");
    return read_content(*content, *role);
}

bool AnthropicMessages::read_content(const Json& content, const std::string& role) {
    if (content.is_string()) {
        join_blocks(turn(role).text, content.as_string());
        return true;
    }
    if (!content.is_array()) return no("", "is neither a text nor a list of blocks");
    if (content.items().empty()) turn(role);
    const std::string place = at_;
    for (size_t i = 0; i < content.items().size(); ++i) {
        at_ = fmt::format("{}[{}]", place, i);
        if (!read_block(content.items()[i], role)) return false;
    }
    at_ = place;
    return true;
}

bool AnthropicMessages::read_block(const Json& block, const std::string& role) {
    const std::string* type = string_in(block, "type");
    if (!type) return no("", "has no type");
    if (*type == "text") {
        std::string text;
        if (!read_text(block, text)) return false;
        join_blocks(turn(role).text, text);
        return true;
    }
    const bool is_of_assistant = *type == "thinking" || *type == "redacted_thinking" || *type == "tool_use";
    if (!is_of_assistant && *type != "tool_result")
        return no("", fmt::format("is of type {}; this server reads text, thinking, tool_use and tool_result", *type));
    const std::string_view owner = is_of_assistant ? "assistant" : "user";
    if (role != owner) return no("", fmt::format("is of type {}, which belongs to messages of the {}", *type, owner));
    if (*type == "tool_use") return read_call(block);
    if (*type == "tool_result") return read_result(block);
    if (*type == "thinking") return read_thinking(block);
    turn(role);
    notes_.push_back(
        fmt::format("{} is redacted thinking, which only its maker can read: the model does not see it", at_));
    return true;
}

bool AnthropicMessages::read_text(const Json& block, std::string& text) {
    const std::string* found = string_in(block, "text");
    if (!found) return no(".text", "is missing");
    note_unknown(block, {"type", "text"});
    text = *found;
    return true;
}

bool AnthropicMessages::read_thinking(const Json& block) {
    const std::string* thinking = string_in(block, "thinking");
    if (!thinking) return no(".thinking", "is missing");
    note_unknown(block, {"type", "thinking", "signature"});
    std::string& all = turn("assistant").thinking;
    if (!all.empty() && !thinking->empty()) all += "\n\n";
    all += *thinking;
    return true;
}

bool AnthropicMessages::read_call(const Json& block) {
    const std::string *id = string_in(block, "id"), *name = string_in(block, "name");
    const Json* input = block.find("input");
    if (!id || id->empty()) return no(".id", "is missing");
    if (!name || name->empty()) return no(".name", "is missing");
    if (!input || !input->is_object()) return no(".input", "is no object");
    note_unknown(block, {"type", "id", "name", "input", "caller"});
    if (!uses_.try_emplace(plain_call_id(*id), Use{.name = *name}).second)
        return no(".id", fmt::format("is \"{}\", as that of an earlier tool_use block is", *id));
    turn("assistant")
        .calls.push(Json::Object{{"id", plain_call_id(*id)},
                                 {"type", "function"},
                                 {"function", Json::Object{{"name", *name}, {"arguments", input->dump()}}}});
    return true;
}

bool AnthropicMessages::read_result(const Json& block) {
    const std::string* id = string_in(block, "tool_use_id");
    if (!id) return no(".tool_use_id", "is missing");
    const auto use = uses_.find(plain_call_id(*id));
    if (use == uses_.end())
        return no(".tool_use_id", fmt::format("is \"{}\", and no tool_use block before it has this id", *id));
    if (std::exchange(use->second.has_result, true))
        return no(".tool_use_id", fmt::format("is \"{}\", which has a result already", *id));
    note_unknown(block, {"type", "tool_use_id", "content", "is_error"});
    const Json* failed = block.find("is_error");
    if (failed && !failed->is_null() && !failed->is_bool()) return no(".is_error", "is neither true nor false");
    std::string text;
    if (!read_result_content(block, text)) return false;
    // Templates have no word for it, and the model must know.
    if (failed && failed->is_bool() && failed->as_bool() && !text.starts_with("Error"))
        text = text.empty() ? "Error" : "Error: " + text;
    flush();
    has_question_ = true;
    messages_.push(Json::Object{{"role", "tool"},
                                {"tool_call_id", plain_call_id(*id)},
                                {"name", use->second.name},
                                {"content", std::move(text)}});
    return true;
}

bool AnthropicMessages::read_result_content(const Json& block, std::string& text) {
    const Json* content = block.find("content");
    if (!content || content->is_null()) return true;
    if (content->is_string()) {
        text = content->as_string();
        return true;
    }
    if (!content->is_array()) return no(".content", "is neither a text nor a list of blocks");
    const std::string place = at_;
    for (size_t i = 0; i < content->items().size(); ++i) {
        const Json& part = content->items()[i];
        at_ = fmt::format("{}.content[{}]", place, i);
        const std::string* type = string_in(part, "type");
        if (!type) return no("", "has no type");
        if (*type != "text") return no("", fmt::format("is of type {}; results of tools can be text only", *type));
        std::string one;
        if (!read_text(part, one)) return false;
        join_blocks(text, one);
    }
    at_ = place;
    return true;
}

}  // namespace hearth::server
