#include "server/api/responses_items.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/api/responses_keeper.h"

namespace hearth::server {

namespace {

constexpr size_t kMostItems = 100'000, kMostItemIdBytes = 256;

std::string text_of_part(const Json& part) {
    return text_of(part, text_of(part, "type") == "refusal" ? "refusal" : "text");
}

// The texts of a list of parts, one after the other.
std::string joined_parts(const Json* parts) {
    std::string all;
    if (parts && parts->is_string()) return parts->as_string();
    if (parts && parts->is_array())
        for (const Json& part : parts->items()) all += text_of_part(part);
    return all;
}

// As messages have it: a text, or several parts that stay apart.
Json message_content(const Json* parts) {
    if (!parts || !parts->is_array() || parts->items().size() < 2) return joined_parts(parts);
    Json list = Json::array();
    for (const Json& part : parts->items()) list.push(Json::Object{{"type", "text"}, {"text", text_of_part(part)}});
    return list;
}

}  // namespace

std::string text_of(const Json& item, std::string_view name) {
    const Json* value = item.find(name);
    return value && value->is_string() ? value->as_string() : std::string();
}

bool InputItems::no(std::string_view name, std::string why, std::string code) {
    fields_.refuse(at_ + std::string(name), std::move(why), std::move(code));
    return false;
}

void InputItems::note_unknown(const Json& item, std::initializer_list<std::string_view> known) {
    for (const auto& [name, value] : item.members()) {
        const bool is_empty = value.is_null() || (value.is_array() && value.items().empty());
        if (!is_empty && std::ranges::find(known, name) == known.end())
            fields_.note_unknown(fmt::format("{}.{}", at_, name));
    }
}

void InputItems::read(const Json& input) {
    at_ = "input";
    if (input.is_string()) {
        read_one(Json::Object{{"role", "user"}, {"content", input}});
        return;
    }
    if (!input.is_array()) return void(no("", "is neither a text nor a list of items"));
    const Json::Array& list = input.items();
    if (list.size() > kMostItems)
        return void(no("", fmt::format("has {} items, at most {} are taken", list.size(), kMostItems)));
    for (size_t i = 0; i < list.size(); ++i) {
        at_ = fmt::format("input[{}]", i);
        if (!list[i].is_object()) return void(no("", "is no object"));
        if (!read_one(list[i])) return;
    }
}

bool InputItems::read_one(Json item) {
    const Json* given = item.find("type");
    if (given && !given->is_null() && !given->is_string()) return no(".type", "is no text");
    std::string type = text_of(item, "type");
    if (type.empty()) type = item.find("role") ? "message" : item.find("id") ? "item_reference" : "";
    if (type.empty()) return no(".type", "is missing");
    if (const Json* id = item.find("id"); id && !id->is_null()) {
        if (!id->is_string()) return no(".id", "is no text");
        if (id->as_string().empty() || id->as_string().size() > kMostItemIdBytes)
            return no(".id", fmt::format("must have 1 to {} bytes", kMostItemIdBytes));
    }
    item.set("type", type);
    const bool is_fine = type == "message"                ? read_message(item)
                         : type == "function_call"        ? read_call(item)
                         : type == "function_call_output" ? read_output(item)
                         : type == "reasoning"            ? read_reasoning(item)
                         : type == "item_reference"
                             ? read_reference(item)
                             : no("", fmt::format("is of type {}; this server reads message, function_call, "
                                                  "function_call_output, reasoning and item_reference",
                                                  type));
    if (is_fine) items.push(std::move(item));
    return is_fine;
}

void InputItems::complete(Json& item, std::string_view kind) {
    if (text_of(item, "id").empty())
        item.set("id", new_item_id(kind, response_id_, fmt::format("in{}", items.items().size())));
    if (text_of(item, "status").empty()) item.set("status", "completed");
}

bool InputItems::has_text(const Json& item, const char* name) {
    const Json* value = item.find(name);
    if (!value || value->is_null()) return no(fmt::format(".{}", name), "is missing");
    return value->is_string() || no(fmt::format(".{}", name), "is no text");
}

bool InputItems::read_parts(Json& item, const char* name, const char* written_as) {
    const Json* content = item.find(name);
    const std::string place = fmt::format(".{}", name);
    if (!content || content->is_null()) return no(place, "is missing");
    Json parts = Json::array();
    const auto add = [&](const std::string& text) {
        Json part = Json::Object{{"type", written_as}, {"text", text}};
        if (part.find("type")->as_string() == "output_text") part.set("annotations", Json::array());
        parts.push(std::move(part));
    };
    if (content->is_string()) {
        add(content->as_string());
    } else if (!content->is_array()) {
        return no(place, "is neither a text nor a list of parts");
    } else {
        for (size_t i = 0; i < content->items().size(); ++i) {
            const Json& part = content->items()[i];
            const std::string where = fmt::format("{}[{}]", place, i), type = text_of(part, "type");
            static constexpr std::string_view kTexts[] = {"input_text", "output_text", "text", "reasoning_text",
                                                          "summary_text"};
            const char* key = type == "refusal" ? "refusal" : "text";
            if (type.empty()) return no(where, "has no type");
            if (type != "refusal" && std::ranges::find(kTexts, type) == std::end(kTexts))
                return no(where, fmt::format("is of type {}; this server reads text only", type));
            const Json* text = part.find(key);
            if (!text || !text->is_string()) return no(where, fmt::format("has no {}", key));
            if (type == "refusal")
                parts.push(Json::Object{{"type", type}, {"refusal", text->as_string()}});
            else
                add(text->as_string());
        }
    }
    item.set(name, std::move(parts));
    return true;
}

bool InputItems::read_message(Json& item) {
    const std::string role = text_of(item, "role");
    if (role != "user" && role != "assistant" && role != "system" && role != "developer")
        return no(".role", role.empty()
                               ? std::string("is missing")
                               : fmt::format("is \"{}\", it must be one of user, assistant, system, developer", role));
    note_unknown(item, {"type", "id", "status", "role", "content", "phase"});
    if (!read_parts(item, "content", role == "assistant" ? "output_text" : "input_text")) return false;
    complete(item, "msg");
    return true;
}

bool InputItems::read_call(Json& item) {
    note_unknown(item, {"type", "id", "status", "call_id", "name", "arguments"});
    for (const char* name : {"call_id", "name", "arguments"})
        if (!has_text(item, name)) return false;
    complete(item, "fc");
    if (text_of(item, "status") != "completed")
        notes.push_back(at_ + " is a call that was not completed; the model does not see it");
    return true;
}

bool InputItems::read_output(Json& item) {
    note_unknown(item, {"type", "id", "status", "call_id", "output"});
    if (!has_text(item, "call_id")) return false;
    const Json* output = item.find("output");
    if (!(output && output->is_string()) && !read_parts(item, "output", "input_text")) return false;
    complete(item, "fco");
    return true;
}

bool InputItems::read_reasoning(Json& item) {
    note_unknown(item, {"type", "id", "status", "summary", "content", "encrypted_content"});
    for (const auto& [name, kind] : {std::pair{"summary", "summary_text"}, {"content", "reasoning_text"}}) {
        const Json* parts = item.find(name);
        if (!parts || parts->is_null())
            item.set(name, Json::array());
        else if (!read_parts(item, name, kind))
            return false;
    }
    if (!text_of(item, "encrypted_content").empty()) {
        item.set("encrypted_content", nullptr);
        notes.push_back(at_ + ".encrypted_content cannot be read here and was left out");
    }
    complete(item, "rs");
    return true;
}

bool InputItems::read_reference(Json& item) {
    note_unknown(item, {"type", "id"});
    const std::string id = text_of(item, "id");
    if (id.empty()) return no(".id", "is missing");
    auto found = find_(id);
    if (!found) return no("", found.error(), "item_not_found");
    item = std::move(*found);
    return true;
}

void ItemMessages::add_all(const Json& items) {
    if (!items.is_array()) return;
    for (const Json& item : items.items()) add(item);
}

void ItemMessages::add(const Json& item) {
    const std::string type = text_of(item, "type"), role = text_of(item, "role");
    const bool has_calls = !calls_.items().empty();
    if (type == "reasoning") {
        std::string thought = joined_parts(item.find("content"));
        if (thought.empty()) thought = joined_parts(item.find("summary"));
        if (!text_.empty() || has_calls) flush();
        thinking_ += thought;
        is_open_ = is_open_ || !thought.empty();
    } else if (type == "message" && role == "assistant") {
        // What is said behind a call still belongs to it: the call's output must follow its message.
        if (!text_.empty() && !has_calls) flush();
        text_ += joined_parts(item.find("content"));
        is_open_ = true;
    } else if (type == "function_call") {
        if (text_of(item, "status") != "completed") return;
        const std::string id = text_of(item, "call_id");
        call_ids_.insert(id);
        calls_.push(Json::Object{
            {"id", id},
            {"type", "function"},
            {"function", Json::Object{{"name", text_of(item, "name")}, {"arguments", text_of(item, "arguments")}}}});
        is_open_ = true;
    } else if (type == "function_call_output") {
        flush();
        const std::string id = text_of(item, "call_id");
        if (orphan_.empty() && !call_ids_.contains(id)) orphan_ = id;
        messages_.push(
            Json::Object{{"role", "tool"}, {"tool_call_id", id}, {"content", message_content(item.find("output"))}});
    } else if (type == "message") {
        flush();
        messages_.push(Json::Object{{"role", role}, {"content", message_content(item.find("content"))}});
    }
}

void ItemMessages::flush() {
    if (!std::exchange(is_open_, false)) return;
    Json message = Json::Object{{"role", "assistant"}, {"content", std::exchange(text_, {})}};
    if (!thinking_.empty()) message.set("reasoning_content", std::exchange(thinking_, {}));
    if (!calls_.items().empty()) message.set("tool_calls", std::exchange(calls_, Json::array()));
    messages_.push(std::move(message));
}

Json ItemMessages::take() {
    flush();
    return std::exchange(messages_, Json::array());
}

}  // namespace hearth::server
