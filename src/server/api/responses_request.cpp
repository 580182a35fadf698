#include "server/api/responses_request.h"

#include <fmt/format.h>

#include "server/api/cache_report.h"
#include "server/api/openai.h"
#include "server/api/responses_items.h"

namespace hearth::server {

namespace {

constexpr size_t kMostFunctionTools = 1024, kMostIncludes = 64, kMostMetadata = 16;

template <class T>
Json or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json();
}

// One field after the other; what a response repeats of them goes to `echoed`.
class ResponsesReader {
public:
    ResponsesReader(Fields& fields, ResponsesRequest& asked, chat::Conversation& conversation)
        : fields_(fields), asked_(asked), request_(asked.model), conversation_(conversation) {}

    void read(bool can_keep) {
        refuse_what_is_not_here();
        request_.model = fields_.text("model").value_or("");
        read_sampling(fields_, request_);
        request_.max_tokens = fields_.integer("max_output_tokens", 1, INT64_MAX).value_or(-1);
        echo("temperature", request_.sampling.temperature ? Json(double(*request_.sampling.temperature)) : Json());
        echo("top_p", request_.sampling.top_p ? Json(double(*request_.sampling.top_p)) : Json());
        echo("max_output_tokens", request_.max_tokens > 0 ? Json(request_.max_tokens) : Json());
        read_text();
        read_tools();
        read_tool_choice();
        read_reasoning();
        read_include();
        read_truncation();
        read_metadata();
        read_delivery(can_keep);
        read_cache_report(fields_, request_);
        read_turn(fields_, request_.turn);
        echo("user", or_null(fields_.text("user")));
        // They concern a provider's house, not the answer; what is cached here is found without being named.
        fields_.ignore({"safety_identifier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options",
                        "service_tier", "max_tool_calls"});
    }

private:
    void echo(std::string name, Json value) { asked_.echoed.set(std::move(name), std::move(value)); }

    void refuse_what_is_not_here() {
        if (fields_.boolean("background").value_or(false))
            fields_.refuse("background", "is true; this server answers while the client waits: use \"stream\": true");
        if (fields_.any("conversation"))
            fields_.refuse("conversation", "is not kept by this server; use previous_response_id");
        if (fields_.any("prompt"))
            fields_.refuse("prompt", "names a template, and this server keeps none; use instructions and input");
    }

    void read_text() {
        Json echoed = Json::Object{{"type", "text"}};
        if (auto text = fields_.object("text")) {
            if (const auto verbosity = text->one_of("verbosity", {"low", "medium", "high"});
                verbosity && *verbosity != "medium")
                asked_.warnings.push_back("text.verbosity has no meaning here; say it in the instructions");
            if (auto format = text->object("format")) {
                read_format(*format);
                echoed = *text->any("format");
            }
        }
        echo("text", Json::Object{{"format", std::move(echoed)}});
    }

    void read_format(Fields& format) {
        using Kind = chat::FormRequest::Kind;
        const auto type = format.one_of("type", {"text", "json_object", "json_schema"});
        if (!format.has("type")) format.refuse("type", "is missing; it is text, json_object or json_schema");
        if (type == "json_object") {
            request_.form.kind = Kind::json_object;
            request_.form_field = "text.format";
        }
        if (type != "json_schema") return;
        const Json* schema = format.any("schema");
        if (!schema) return format.refuse("schema", "is missing");
        if (!schema->is_object() && !schema->is_bool()) return format.refuse("schema", "is no JSON schema");
        request_.form.kind = Kind::schema;
        request_.form.text = schema->dump();
        request_.form_field = "text.format.schema";
        format.ignore({"name", "description", "strict"});  // it is always strict
    }

    void read_tools() {
        const Json* list = fields_.list("tools", kMostFunctionTools);
        Json tools = Json::array(), echoed = Json::array();
        for (size_t i = 0; list && i < list->items().size(); ++i) {
            Json tool = list->items()[i];
            const std::string place = fmt::format("tools[{}]", i);
            const Json* type = tool.find("type");
            if (!type || !type->is_string()) return fields_.refuse(place, "has no type");
            if (type->as_string() != "function")
                return fields_.refuse(
                    place, fmt::format("is of type {}; this server offers the client's own functions only, of type "
                                       "function",
                                       type->as_string()));
            const Json* name = tool.find("name");
            if (!name || !name->is_string())
                return fields_.refuse(place + ".name",
                                      "is missing; name, description and parameters stand in the tool itself");
            Json function = Json::Object{{"name", *name}};
            for (const auto& [key, value] : tool.members()) {
                if (key == "description" || key == "parameters") {
                    if (!value.is_null()) function.set(key, value);
                } else if (key != "type" && key != "name" && key != "strict" && !value.is_null()) {
                    fields_.note_unknown(fmt::format("{}.{}", place, key));
                }
            }
            tools.push(Json::Object{{"type", "function"}, {"function", std::move(function)}});
            for (const char* key : {"description", "parameters"})
                if (!tool.find(key)) tool.set(key, nullptr);
            tool.set("strict", true);
            echoed.push(std::move(tool));
        }
        echo("tools", std::move(echoed));
        if (tools.items().empty()) return;
        if (auto read = chat::Tools::read(tools); !read)
            fields_.refuse("tools", "cannot be read: " + read.error().line());
        conversation_.tools = std::move(tools);
    }

    void read_tool_choice() {
        const auto parallel = fields_.boolean("parallel_tool_calls");
        request_.parallel_calls = parallel.value_or(true);
        echo("parallel_tool_calls", request_.parallel_calls);
        const Json* choice = fields_.any("tool_choice");
        echo("tool_choice", choice ? *choice : Json("auto"));
        if (!choice) return;
        using Choice = chat::ToolChoice::Kind;
        const Json *type = choice->find("type"), *name = choice->find("name");
        const std::string word = choice->is_string() ? choice->as_string() : "";
        if (word == "none")
            request_.tool_choice.kind = Choice::none;
        else if (word == "required")
            request_.tool_choice.kind = Choice::required;
        else if (type && type->is_string() && type->as_string() == "function" && name && name->is_string())
            request_.tool_choice = {.kind = Choice::named, .name = name->as_string()};
        else if (word != "auto")
            return fields_.refuse("tool_choice",
                                  "must be none, auto, required or {\"type\": \"function\", \"name\": ...}");
        if (request_.tool_choice.kind != Choice::required && request_.tool_choice.kind != Choice::named) return;
        if (conversation_.tools.is_null()) fields_.refuse("tool_choice", "asks for a call, and there are no tools");
        if (request_.form.kind != chat::FormRequest::Kind::any)
            fields_.refuse("tool_choice", "asks for a call, and the answer is to have another form");
    }

    void read_reasoning() {
        std::optional<std::string> effort, summary;
        if (auto reasoning = fields_.object("reasoning")) {
            effort = read_reasoning_effort(*reasoning, "effort", conversation_);
            summary = reasoning->one_of("summary", {"auto", "concise", "detailed"});
            const auto old = reasoning->one_of("generate_summary", {"auto", "concise", "detailed"});
            if (!summary) summary = old;
        }
        read_thinking_switches(fields_, request_, conversation_);
        asked_.thoughts_are_summary = summary.has_value();
        if (summary == "concise") asked_.warnings.push_back("reasoning.summary: thoughts come in full, not summed up");
        echo("reasoning", Json::Object{{"effort", or_null(effort)}, {"summary", or_null(summary)}});
    }

    void read_include() {
        bool wants_scores = false;
        const Json* list = fields_.list("include", kMostIncludes);
        for (size_t i = 0; list && i < list->items().size(); ++i) {
            const Json& one = list->items()[i];
            if (!one.is_string()) return fields_.refuse(fmt::format("include[{}]", i), "is no text");
            if (one.as_string() == "message.output_text.logprobs")
                wants_scores = true;
            else if (one.as_string() == "reasoning.encrypted_content")
                asked_.warnings.push_back("include: reasoning.encrypted_content does not come; thoughts are readable");
            else
                fields_.note_unknown(fmt::format("include: {}", one.as_string()));
        }
        const auto top = fields_.integer("top_logprobs", 0, 20);
        if (top && *top > 0 && !wants_scores)
            fields_.refuse("top_logprobs", "needs \"include\": [\"message.output_text.logprobs\"]");
        if (wants_scores) request_.logprobs = int32_t(top.value_or(0));
        echo("top_logprobs", top.value_or(0));
    }

    void read_truncation() {
        const auto truncation = fields_.one_of("truncation", {"auto", "disabled"});
        if (truncation == "auto") request_.overflow = chat::Overflow::middle;
        read_overflow(fields_, request_);
        echo("truncation", truncation.value_or("disabled"));
    }

    void read_metadata() {
        const Json* metadata = fields_.any("metadata");
        echo("metadata", metadata ? *metadata : Json::object());
        if (!metadata) return;
        if (!metadata->is_object()) return fields_.refuse("metadata", "is no object");
        if (metadata->members().size() > kMostMetadata)
            return fields_.refuse("metadata", fmt::format("has {} entries, at most {} are kept",
                                                          metadata->members().size(), kMostMetadata));
        for (const auto& [key, value] : metadata->members())
            if (key.size() > 64 || !value.is_string() || value.as_string().size() > 512)
                return fields_.refuse("metadata", "holds texts of at most 512 bytes, under names of at most 64");
    }

    void read_delivery(bool can_keep) {
        const auto keeps = fields_.boolean("store");
        asked_.is_kept = can_keep && keeps.value_or(true);
        if (keeps.value_or(false) && !can_keep) asked_.warnings.push_back("store: this server keeps no responses");
        echo("store", asked_.is_kept);
        asked_.streams = fields_.boolean("stream").value_or(false);
        if (auto options = fields_.object("stream_options")) {
            options->ignore({"include_obfuscation"});
            if (!asked_.streams) fields_.refuse("stream_options", "needs \"stream\": true");
        }
    }

    Fields& fields_;
    ResponsesRequest& asked_;
    ModelRequest& request_;
    chat::Conversation& conversation_;
};

}  // namespace

ApiResult<ResponsesRequest> read_responses(const Call& call, const ApiContext& api, const ResponseKeeper& keeper) {
    Fields fields = API_TRY(Fields::parse(call.request.body, api.json_depth));
    const std::string& owner = call.identity.owner;
    ResponsesRequest asked;
    asked.id = API_TRY(new_response_id());
    chat::Conversation conversation;
    ResponsesReader(fields, asked, conversation).read(keeper.keeps());

    const auto instructions = fields.text("instructions");
    asked.previous_id = fields.text("previous_response_id").value_or("");
    asked.echoed.set("instructions", or_null(instructions));
    asked.echoed.set("previous_response_id", asked.previous_id.empty() ? Json() : Json(asked.previous_id));
    ReferredItems referred(keeper, owner);
    InputItems input(fields, asked.id, [&](const std::string& id) { return referred.find(id); });
    const Json* given = fields.any("input");
    if (given)
        input.read(*given);
    else
        fields.refuse("input", "is missing");
    std::vector<std::string> told = API_TRY(api.warnings_of(call.request, API_TRY(fields.finish())));
    asked.warnings.insert(asked.warnings.end(), told.begin(), told.end());
    asked.warnings.insert(asked.warnings.end(), input.notes.begin(), input.notes.end());
    asked.input_items = std::move(input.items);

    // Instructions are those of this request alone: earlier ones are not gone on with.
    ItemMessages messages;
    if (instructions) messages.add(Json::Object{{"type", "message"}, {"role", "system"}, {"content", *instructions}});
    if (!asked.previous_id.empty()) {
        const auto chain = API_TRY(keeper.chain(asked.previous_id, owner));
        for (const store::StoredResponse& one : chain) {
            messages.add_all(one.input_items);
            if (const Json* output = one.body.find("output")) messages.add_all(*output);
        }
        if (asked.model.model.empty()) asked.model.model = text_of(chain.back().body, "model");
    }
    messages.add_all(asked.input_items);
    if (!messages.orphan().empty())
        return std::unexpected(ApiError{
            400, fmt::format("input holds an output of call {}, and no such call comes before it", messages.orphan()),
            "call_not_found", "input"});
    conversation.messages = messages.take();
    if (conversation.messages.items().empty()) return std::unexpected(ApiError{400, "input is empty", {}, "input"});
    asked.model.prompt = std::move(conversation);
    asked.model.identity = call.identity;
    return asked;
}

}  // namespace hearth::server
