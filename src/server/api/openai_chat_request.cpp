#include "server/api/openai_chat_request.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/api/cache_report.h"
#include "server/api/openai.h"

namespace hearth::server {

namespace {

constexpr size_t kMostMessages = 100'000, kMostTools = 1024;

// Messages go to the model's template as they are; what no template could do anything with is found here.
class MessageReader {
public:
    explicit MessageReader(Fields& fields) : fields_(fields) {}

    void read(const Json& list) {
        for (size_t i = 0; i < list.items().size(); ++i) {
            at_ = fmt::format("messages[{}]", i);
            Json message = list.items()[i];
            if (!message.is_object()) return fields_.refuse(at_, "is no object");
            if (!read_one(message)) return;
            messages.push(std::move(message));
        }
    }

    Json messages = Json::array();

private:
    bool no(std::string_view name, std::string why) {
        fields_.refuse(at_ + std::string(name), std::move(why));
        return false;
    }

    bool read_one(Json& message) {
        const Json* role = message.find("role");
        if (!role || !role->is_string()) return no(".role", "is missing");
        const std::string name = role->as_string();
        if (name != "system" && name != "developer" && name != "user" && name != "assistant" && name != "tool")
            return no(".role",
                      fmt::format("is \"{}\", it must be one of system, developer, user, assistant, tool", name));
        static constexpr std::string_view kKnown[] = {"role",         "content",           "name",     "tool_calls",
                                                      "tool_call_id", "reasoning_content", "reasoning"};
        for (const auto& [key, value] : message.members()) {
            const bool is_empty = value.is_null() || (value.is_array() && value.items().empty());
            if (!is_empty && std::ranges::find(kKnown, key) == std::end(kKnown))
                fields_.note_unknown(fmt::format("{}.{}", at_, key));
        }
        for (const char* key : {"name", "tool_call_id", "reasoning_content", "reasoning"})
            if (const Json* value = message.find(key); value && !value->is_null() && !value->is_string())
                return no(fmt::format(".{}", key), "is no text");
        if (const Json* reasoning = message.find("reasoning");
            reasoning && reasoning->is_string() && !message.find("reasoning_content"))
            message.set("reasoning_content", *reasoning);
        const Json* calls = message.find("tool_calls");
        const bool has_calls = calls && calls->is_array() && !calls->items().empty();
        if (calls && !calls->is_null() && !calls->is_array()) return no(".tool_calls", "is no list");
        if (has_calls && name != "assistant") return no(".tool_calls", "belongs to messages of the assistant only");
        if (has_calls && !read_calls(*calls)) return false;
        return read_content(message, name == "assistant");
    }

    bool read_content(const Json& message, bool may_be_missing) {
        const Json* content = message.find("content");
        if (!content || content->is_null()) return may_be_missing || no(".content", "is missing");
        if (content->is_string()) return true;
        if (!content->is_array()) return no(".content", "is neither a text nor a list of parts");
        for (size_t i = 0; i < content->items().size(); ++i) {
            const Json& part = content->items()[i];
            const std::string place = fmt::format(".content[{}]", i);
            const Json* type = part.find("type");
            if (!type || !type->is_string()) return no(place, "has no type");
            if (type->as_string() != "text")
                return no(place, fmt::format("is of type {}; this server reads text only", type->as_string()));
            const Json* text = part.find("text");
            if (!text || !text->is_string()) return no(place, "has no text");
        }
        return true;
    }

    bool read_calls(const Json& calls) {
        for (size_t i = 0; i < calls.items().size(); ++i) {
            const std::string place = fmt::format(".tool_calls[{}]", i);
            const Json* function = calls.items()[i].find("function");
            const Json* name = function ? function->find("name") : nullptr;
            const Json* arguments = function ? function->find("arguments") : nullptr;
            if (!name || !name->is_string()) return no(place, "has no function.name");
            if (!arguments || (!arguments->is_string() && !arguments->is_object()))
                return no(place, "has no function.arguments: a text that holds JSON");
        }
        return true;
    }

    Fields& fields_;
    std::string at_;
};

void read_tools(Fields& fields, ModelRequest& request, chat::Conversation& conversation) {
    for (const char* old : {"functions", "function_call"})
        if (fields.any(old)) fields.refuse(old, "is the old way to offer tools; use tools and tool_choice");
    if (const Json* tools = fields.list("tools", kMostTools); tools && !tools->items().empty()) {
        if (auto read = chat::Tools::read(*tools); !read)
            fields.refuse("tools", "cannot be read: " + read.error().line());
        conversation.tools = *tools;
    }
    const Json* choice = fields.any("tool_choice");
    if (const auto parallel = fields.boolean("parallel_tool_calls")) request.parallel_calls = *parallel;
    if (!choice) return;
    using Choice = chat::ToolChoice::Kind;
    const Json* function = choice->find("function");
    const Json* name = function ? function->find("name") : choice->find("name");
    if (choice->is_string() && choice->as_string() == "none")
        request.tool_choice.kind = Choice::none;
    else if (choice->is_string() && choice->as_string() == "required")
        request.tool_choice.kind = Choice::required;
    else if (name && name->is_string())
        request.tool_choice = {.kind = Choice::named, .name = name->as_string()};
    else if (!choice->is_string() || choice->as_string() != "auto")
        return fields.refuse("tool_choice",
                             "must be none, auto, required or {\"type\": \"function\", \"function\": {\"name\": ...}}");
    const bool must_call = request.tool_choice.kind == Choice::required || request.tool_choice.kind == Choice::named;
    if (must_call && conversation.tools.is_null())
        return fields.refuse("tool_choice", "asks for a call, and there are no tools");
    if (must_call && request.form.kind != chat::FormRequest::Kind::any)
        fields.refuse("tool_choice", "asks for a call, and the answer is to have another form");
}

void read_limits(Fields& fields, ModelRequest& request) {
    auto most = fields.integer("max_completion_tokens", -1, INT64_MAX);
    const char* name = most ? "max_completion_tokens" : "max_tokens";
    const auto old = fields.integer("max_tokens", -1, INT64_MAX);
    if (!most) most = old;
    if (most == 0) fields.refuse(name, "is 0; ask for at least 1 token");
    request.max_tokens = most.value_or(-1);
    request.choices = fields.integer("n", 1, 32).value_or(1);
    const bool wants_scores = fields.boolean("logprobs").value_or(false);
    const auto top = fields.integer("top_logprobs", 0, 20);
    if (top && *top > 0 && !wants_scores) fields.refuse("top_logprobs", "needs \"logprobs\": true");
    if (wants_scores) request.logprobs = int32_t(top.value_or(0));
}

}  // namespace

ApiResult<OpenaiChatRequest> read_openai_chat(const HttpRequest& http, const ApiContext& api) {
    Fields fields = API_TRY(Fields::parse(http.body, api.json_depth));
    OpenaiChatRequest asked;
    ModelRequest& request = asked.model;
    chat::Conversation conversation;
    request.model = fields.text("model").value_or("");

    MessageReader messages(fields);
    const Json* list = fields.list("messages", kMostMessages);
    if (!list && !fields.has("messages")) fields.refuse("messages", "is missing");
    if (list && list->items().empty()) fields.refuse("messages", "is empty");
    if (list) messages.read(*list);
    conversation.messages = std::move(messages.messages);
    if (fields.boolean("continue_final_message").value_or(false)) {
        conversation.continues_last = true;
        const auto& all = conversation.messages.items();
        if (all.empty() || all.back().find("role")->as_string() != "assistant")
            fields.refuse("continue_final_message", "needs a last message of the assistant");
    }
    if (const auto adds = fields.boolean("add_generation_prompt"); adds && !*adds && !conversation.continues_last)
        fields.refuse("add_generation_prompt", "may be false only with continue_final_message");

    read_sampling(fields, request);
    read_stops(fields, request);
    read_limits(fields, request);
    read_form(fields, request);
    read_tools(fields, request, conversation);
    read_reasoning_effort(fields, "reasoning_effort", conversation);
    read_thinking_switches(fields, request, conversation);
    read_overflow(fields, request);
    read_cache_report(fields, request);
    read_turn(fields, request.turn);
    asked.streams = fields.boolean("stream").value_or(false);
    if (auto options = fields.object("stream_options")) {
        asked.includes_usage = options->boolean("include_usage").value_or(false);
        options->ignore({"include_obfuscation"});
        if (!asked.streams) fields.refuse("stream_options", "needs \"stream\": true");
    }
    if (const Json* modalities = fields.any("modalities"))
        for (const Json& one : modalities->is_array() ? modalities->items() : Json::Array{*modalities})
            if (!one.is_string() || one.as_string() != "text") fields.refuse("modalities", "may be [\"text\"] only");
    // They concern a provider's house, not the answer; what is cached here is found without being named.
    fields.ignore({"user", "safety_identifier", "metadata", "prompt_cache_key", "prompt_cache_retention",
                   "service_tier", "cache_prompt"});
    if (fields.boolean("store").value_or(false)) fields.note_unknown("store");

    asked.warnings = API_TRY(api.warnings_of(http, API_TRY(fields.finish())));
    request.prompt = std::move(conversation);
    return asked;
}

}  // namespace hearth::server
