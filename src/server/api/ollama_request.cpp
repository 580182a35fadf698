#include "server/api/ollama_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "server/api/cache_report.h"
#include "server/api/ollama.h"
#include "server/api/openai.h"

namespace hearth::server {

namespace {

// The calls of one message that have no result yet, and which of them one belongs to, without a look at all of them.
class OpenCalls {
public:
    using Call = std::pair<std::string, std::string>;  // id, name

    void clear() { *this = {}; }
    void add(const std::string& id, const std::string& name) {
        by_id_[id].push_back(calls_.size());
        by_name_[name].push_back(calls_.size());
        calls_.emplace_back(Call(id, name));
    }
    std::optional<Call> take() {
        while (first_ < calls_.size() && !calls_[first_]) ++first_;
        return first_ < calls_.size() ? std::exchange(calls_[first_], std::nullopt) : std::nullopt;
    }
    std::optional<Call> take_by_id(const std::string& id) { return take_first(by_id_, id); }
    std::optional<Call> take_by_name(const std::string& name) { return take_first(by_name_, name); }

private:
    using Places = std::map<std::string, std::deque<size_t>>;
    std::optional<Call> take_first(Places& places, const std::string& key) {
        const auto found = places.find(key);
        if (found == places.end()) return std::nullopt;
        while (!found->second.empty()) {
            auto call = std::exchange(calls_[found->second.front()], std::nullopt);
            found->second.pop_front();
            if (call) return call;
        }
        return std::nullopt;
    }

    std::vector<std::optional<Call>> calls_;
    size_t first_ = 0;
    Places by_id_, by_name_;
};

// Messages become those of OpenAI's form: thoughts under another name, ids for calls and for the results that belong
// to them (Ollama's clients name the tool only).
class OllamaMessages {
public:
    explicit OllamaMessages(Fields& fields) : fields_(fields) {}

    void read(const Json& list) {
        for (const Json& message : list.items()) {
            at_ = fmt::format("messages[{}]", messages.items().size());
            if (!message.is_object()) return fields_.refuse(at_, "is no object");
            if (!read_one(message)) return;
        }
    }

    Json messages = Json::array();

private:
    bool no(std::string_view name, std::string why) {
        fields_.refuse(at_ + std::string(name), std::move(why));
        return false;
    }

    bool read_one(const Json& message) {
        static constexpr std::string_view kKnown[] = {"role",       "content",   "thinking",    "images",
                                                      "tool_calls", "tool_name", "tool_call_id"};
        for (const auto& [key, value] : message.members())
            if (!value.is_null() && std::ranges::find(kKnown, key) == std::end(kKnown))
                fields_.note_unknown(fmt::format("{}.{}", at_, key));
        for (const char* key : {"role", "content", "thinking", "tool_name", "tool_call_id"})
            if (const Json* value = message.find(key); value && !value->is_null() && !value->is_string())
                return no(fmt::format(".{}", key), "is no text");
        const std::string role = text(message, "role");
        if (role != "system" && role != "user" && role != "assistant" && role != "tool")
            return no(".role", role.empty()
                                   ? "is missing"
                                   : fmt::format("is \"{}\", it must be one of system, user, assistant, tool", role));
        if (const Json* images = message.find("images"); images && !is_nothing(*images))
            return no(".images", "cannot be read: this server reads text only");
        Json made = Json::Object{{"role", role}, {"content", text(message, "content")}};
        if (const std::string thinking = text(message, "thinking"); !thinking.empty())
            made.set("reasoning_content", thinking);
        if (const Json* calls = message.find("tool_calls"); calls && !is_nothing(*calls)) {
            if (role != "assistant") return no(".tool_calls", "belongs to messages of the assistant only");
            if (!read_calls(*calls, made)) return false;
        }
        if (role == "tool") name_call(message, made);
        messages.push(std::move(made));
        return true;
    }

    static bool is_nothing(const Json& value) { return value.is_null() || (value.is_array() && value.items().empty()); }
    static std::string text(const Json& message, std::string_view key) {
        const Json* value = message.find(key);
        return value && value->is_string() ? value->as_string() : std::string();
    }

    bool read_calls(const Json& calls, Json& made) {
        if (!calls.is_array()) return no(".tool_calls", "is no list");
        Json list = Json::array();
        open_.clear();
        for (const Json& call : calls.items()) {
            const std::string place = fmt::format(".tool_calls[{}]", list.items().size());
            const Json* function = call.find("function");
            const std::string name = function ? text(*function, "name") : std::string();
            if (name.empty()) return no(place, "has no function.name");
            const Json* arguments = function->find("arguments");
            if (arguments && !arguments->is_object() && !arguments->is_string() && !arguments->is_null())
                return no(place + ".function.arguments", "is no object");
            std::string written = !arguments || arguments->is_null() ? "{}"
                                  : arguments->is_string()           ? arguments->as_string()
                                                                     : arguments->dump();
            std::string id = text(call, "id");
            if (id.empty()) id = fmt::format("call_{}", ++calls_);
            open_.add(id, name);
            list.push(Json::Object{{"id", id},
                                   {"type", "function"},
                                   {"function", Json::Object{{"name", name}, {"arguments", std::move(written)}}}});
        }
        made.set("tool_calls", std::move(list));
        return true;
    }

    // A result belongs to the first call of that tool that has none yet.
    void name_call(const Json& message, Json& made) {
        const std::string id = text(message, "tool_call_id"), name = text(message, "tool_name");
        const auto call = !id.empty() ? open_.take_by_id(id) : name.empty() ? open_.take() : open_.take_by_name(name);
        if (!id.empty()) made.set("tool_call_id", id);
        if (!name.empty()) made.set("name", name);
        if (!call) return;
        made.set("tool_call_id", call->first);
        made.set("name", call->second);
    }

    Fields& fields_;
    std::string at_;
    OpenCalls open_;
    int calls_ = 0;
};

void read_format(Fields& fields, ModelRequest& request) {
    const Json* format = fields.any("format");
    if (!format || (format->is_string() && format->as_string().empty())) return;
    request.form_field = "format";
    if (format->is_string() && format->as_string() == "json") {
        request.form.kind = chat::FormRequest::Kind::json_object;
    } else if (format->is_object()) {
        request.form.kind = chat::FormRequest::Kind::schema;
        request.form.text = format->dump();
    } else {
        fields.refuse("format", "is neither \"json\" nor a JSON schema");
    }
}

void read_think(Fields& fields, OllamaRequest& asked, chat::Conversation& conversation) {
    const Json* think = fields.any("think");
    if (!think) return;
    static constexpr std::array<std::string_view, 3> kLevels{"low", "medium", "high"};
    if (think->is_bool()) {
        conversation.thinking = asked.must_think = think->as_bool();
    } else if (think->is_string() && std::ranges::find(kLevels, think->as_string()) != kLevels.end()) {
        conversation.thinking = asked.must_think = true;
        conversation.variables.emplace_back("reasoning_effort", think->as_string());
    } else {
        fields.refuse("think", "must be true, false, \"low\", \"medium\" or \"high\"");
    }
}

// What both endpoints take.
void read_common(Fields& fields, const ApiContext& api, OllamaRequest& asked, chat::Conversation& conversation) {
    const OllamaName name = read_ollama_model(fields, api.service.models());
    asked.name = name.asked;
    asked.model.model = name.served;
    asked.streams = fields.boolean("stream").value_or(true);
    asked.unloads = read_keep_alive(fields);
    read_ollama_options(fields, asked.model, asked.context_tokens);
    read_format(fields, asked.model);
    read_think(fields, asked, conversation);
    read_turn(fields, asked.model.turn);
    read_cache_report(fields, asked.model);
    const bool wants_scores = fields.boolean("logprobs").value_or(false);
    const auto top = fields.integer("top_logprobs", 0, 20);
    if (top && *top > 0 && !wants_scores) fields.refuse("top_logprobs", "needs \"logprobs\": true");
    if (wants_scores) asked.model.logprobs = int32_t(top.value_or(0));
    // Here nothing is left out unless that was asked for; nor while an answer grows.
    if (fields.boolean("truncate").value_or(false)) asked.model.overflow = chat::Overflow::oldest;
    if (fields.boolean("shift").value_or(false)) fields.note_unknown("shift");
}

ApiResult<OllamaRequest> finished(const HttpRequest& http, const ApiContext& api, Fields& fields, OllamaRequest asked) {
    const auto unknown = API_TRY(api.warnings_of(http, API_TRY(fields.finish())));
    asked.warnings.insert(asked.warnings.end(), unknown.begin(), unknown.end());
    return asked;
}

void refuse_given(Fields& fields, std::string_view name, const std::string& why) {
    const Json* value = fields.any(name);
    if (!value || (value->is_string() && value->as_string().empty()) || (value->is_array() && value->items().empty()))
        return;
    fields.refuse(name, why);
}

}  // namespace

ApiResult<OllamaRequest> read_ollama_chat(const HttpRequest& http, const ApiContext& api) {
    Fields fields = API_TRY(Fields::parse(http.body, api.json_depth));
    OllamaRequest asked;
    chat::Conversation conversation;
    read_common(fields, api, asked, conversation);
    OllamaMessages messages(fields);
    const Json* list = fields.list("messages", 100'000);
    if (list) messages.read(*list);
    asked.loads_only = !list || list->items().empty();
    conversation.messages = std::move(messages.messages);
    if (const Json* tools = fields.list("tools", 1024); tools && !tools->items().empty()) {
        if (auto read = chat::Tools::read(*tools); !read)
            fields.refuse("tools", "cannot be read: " + read.error().line());
        conversation.tools = *tools;
    }
    asked.model.prompt = std::move(conversation);
    return finished(http, api, fields, std::move(asked));
}

ApiResult<OllamaRequest> read_ollama_generate(const HttpRequest& http, const ApiContext& api) {
    Fields fields = API_TRY(Fields::parse(http.body, api.json_depth));
    OllamaRequest asked;
    asked.is_generate = true;
    chat::Conversation conversation;
    read_common(fields, api, asked, conversation);
    const std::string prompt = fields.text("prompt").value_or(""), system = fields.text("system").value_or("");
    refuse_given(fields, "suffix", "cannot be honoured: text is continued, not filled in");
    refuse_given(fields, "images", "cannot be read: this server reads text only");
    refuse_given(fields, "context", "cannot be gone on with; send all messages to /api/chat instead");
    refuse_given(fields, "template", "cannot be replaced; use \"raw\": true with a prompt that is written out");
    asked.loads_only = prompt.empty();
    if (fields.boolean("raw").value_or(false)) {
        if (!system.empty()) fields.refuse("system", "has no place in a raw prompt; write it there");
        if (conversation.thinking)
            asked.warnings.emplace_back("think has no effect on a raw prompt; write there what makes the model think");
        asked.must_think = false;
        asked.model.prompt = PlainText{.text = prompt, .tokens = {}};
    } else {
        if (!system.empty()) conversation.messages.push(Json::Object{{"role", "system"}, {"content", system}});
        conversation.messages.push(Json::Object{{"role", "user"}, {"content", prompt}});
        asked.model.prompt = std::move(conversation);
    }
    return finished(http, api, fields, std::move(asked));
}

}  // namespace hearth::server
