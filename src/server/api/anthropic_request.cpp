#include "server/api/anthropic_request.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/api/anthropic_messages.h"
#include "server/api/cache_report.h"
#include "server/api/openai.h"

namespace hearth::server {

namespace {

constexpr size_t kMostAnthropicMessages = 100'000, kMostAnthropicTools = 1024;

// One tool in OpenAI's form; null where it is refused.
Json anthropic_tool(Fields& fields, const std::string& at, const Json& tool) {
    const auto no = [&](std::string_view name, std::string why) {
        fields.refuse(at + std::string(name), std::move(why));
        return Json();
    };
    if (!tool.is_object()) return no("", "is no object");
    const Json *type = tool.find("type"), *name = tool.find("name"), *description = tool.find("description"),
               *schema = tool.find("input_schema");
    if (type && !type->is_null() && (!type->is_string() || type->as_string() != "custom"))
        return no("", fmt::format("is of type {}; this server knows tools with an input_schema of their own only",
                                  type->is_string() ? type->as_string() : "unknown"));
    if (!name || !name->is_string() || name->as_string().empty()) return no(".name", "is missing");
    if (description && !description->is_null() && !description->is_string()) return no(".description", "is no text");
    if (!schema || !schema->is_object()) return no(".input_schema", "is missing; it is a JSON schema");
    // Calls are always bound to their schema, and their arguments come while they are written.
    static constexpr std::string_view kKnown[] = {"type",          "name",   "description",          "input_schema",
                                                  "cache_control", "strict", "eager_input_streaming"};
    for (const auto& [key, value] : tool.members()) {
        const bool is_empty =
            value.is_null() || (value.is_bool() && !value.as_bool()) || (value.is_array() && value.items().empty());
        if (!is_empty && std::ranges::find(kKnown, key) == std::end(kKnown))
            fields.note_unknown(fmt::format("{}.{}", at, key));
    }
    Json function = Json::Object{{"name", *name}};
    if (description && description->is_string()) function.set("description", *description);
    function.set("parameters", *schema);
    return Json::Object{{"type", "function"}, {"function", std::move(function)}};
}

void read_anthropic_tools(Fields& fields, chat::Conversation& conversation) {
    const Json* tools = fields.list("tools", kMostAnthropicTools);
    if (!tools || tools->items().empty()) return;
    Json list = Json::array();
    for (size_t i = 0; i < tools->items().size(); ++i) {
        Json tool = anthropic_tool(fields, fmt::format("tools[{}]", i), tools->items()[i]);
        if (tool.is_null()) return;
        list.push(std::move(tool));
    }
    if (auto read = chat::Tools::read(list); !read)
        return fields.refuse("tools", "cannot be used: " + read.error().what);
    conversation.tools = std::move(list);
}

void read_anthropic_choice(Fields& fields, ModelRequest& request, const Json& tools) {
    auto choice = fields.object("tool_choice");
    if (!choice) return;
    using Kind = chat::ToolChoice::Kind;
    const auto type = choice->one_of("type", {"auto", "any", "tool", "none"});
    if (!choice->has("type")) choice->refuse("type", "is missing; it is auto, any, tool or none");
    if (const auto single = choice->boolean("disable_parallel_tool_use")) request.parallel_calls = !*single;
    const auto name = choice->text("name");
    if (type == "tool" && !name) choice->refuse("name", "is missing");
    if (type == "none") request.tool_choice.kind = Kind::none;
    if (type == "any") request.tool_choice.kind = Kind::required;
    if (type == "tool") request.tool_choice = {.kind = Kind::named, .name = name.value_or("")};
    const bool must_call = type == "any" || type == "tool";
    if (must_call && tools.is_null()) fields.refuse("tool_choice", "asks for a call, and there are no tools");
    if (must_call && request.form.kind != chat::FormRequest::Kind::any)
        fields.refuse("tool_choice", "asks for a call, and the answer is to have another form");
}

void read_anthropic_thinking(Fields& fields, AnthropicRequest& asked, chat::Conversation& conversation) {
    auto thinking = fields.object("thinking");
    if (!thinking) return;
    const auto type = thinking->one_of("type", {"enabled", "adaptive", "disabled", "between_tools"});
    if (!thinking->has("type")) thinking->refuse("type", "is missing; it is enabled, adaptive or disabled");
    const auto budget = thinking->integer("budget_tokens", 1, INT64_MAX);
    const auto display = thinking->one_of("display", {"summarized", "omitted"});
    asked.shows_thoughts = display != "omitted";
    conversation.thinking = type == "enabled" || type == "adaptive";
    if (type != "enabled") return;
    if (!thinking->has("budget_tokens")) thinking->refuse("budget_tokens", "is missing");
    asked.model.thinking_budget = budget;
}

void read_anthropic_format(Fields& parent, std::string_view name, ModelRequest& request) {
    auto format = parent.object(name);
    if (!format) return;
    format->one_of("type", {"json_schema"});
    if (!format->has("type")) format->refuse("type", "is missing; it is json_schema");
    const Json* schema = format->any("schema");
    if (!schema) return format->refuse("schema", "is missing");
    if (!schema->is_object()) return format->refuse("schema", "is no JSON schema");
    if (!request.form_field.empty())
        return parent.refuse(name, fmt::format("and {} both ask for a form of the answer", request.form_field));
    request.form.kind = chat::FormRequest::Kind::schema;
    request.form.text = schema->dump();
    request.form_field = format->full_name("schema");
}

void read_anthropic_output(Fields& fields, ModelRequest& request, chat::Conversation& conversation) {
    read_anthropic_format(fields, "output_format", request);  // its name before output_config came
    auto output = fields.object("output_config");
    if (!output) return;
    read_anthropic_format(*output, "format", request);
    if (const auto effort = output->one_of("effort", {"low", "medium", "high", "xhigh", "max"}))
        conversation.variables.emplace_back("reasoning_effort",
                                            *effort == "xhigh" || *effort == "max" ? "high" : *effort);
}

void read_anthropic_stops(Fields& fields, ModelRequest& request) {
    request.stops = fields.texts("stop_sequences", 64);
    for (const std::string& stop : request.stops)
        if (stop.size() > 1000) return fields.refuse("stop_sequences", "holds a text of more than 1000 bytes");
}

void read_anthropic_limit(Fields& fields, ModelRequest& request, AnthropicPurpose purpose) {
    if (!fields.has("max_tokens") && purpose == AnthropicPurpose::answer)
        fields.refuse("max_tokens", "is missing; it is how many tokens the answer may have at most");
    const auto most = fields.integer("max_tokens", INT64_MIN, INT64_MAX);
    if (!most) return;
    if (*most < 1) return fields.refuse("max_tokens", fmt::format("is {}; ask for at least 1 token", *most));
    request.max_tokens = *most;
}

}  // namespace

ApiResult<AnthropicRequest> read_anthropic(const HttpRequest& http, const ApiContext& api, AnthropicPurpose purpose) {
    Fields fields = API_TRY(Fields::parse(http.body, api.json_depth));
    AnthropicRequest asked;
    ModelRequest& request = asked.model;
    chat::Conversation conversation;
    request.model = fields.text("model").value_or("");

    AnthropicMessages messages(fields, asked.warnings);
    if (const Json* system = fields.any("system")) messages.read_system(*system);
    const Json* list = fields.list("messages", kMostAnthropicMessages);
    if (!list && !fields.has("messages")) fields.refuse("messages", "is missing");
    if (list) messages.read(*list);
    conversation.continues_last = messages.is_to_be_continued();
    conversation.messages = messages.take();

    read_anthropic_limit(fields, request, purpose);
    read_sampling(fields, request);
    read_anthropic_stops(fields, request);
    read_anthropic_output(fields, request, conversation);
    read_anthropic_tools(fields, conversation);
    read_anthropic_choice(fields, request, conversation.tools);
    read_anthropic_thinking(fields, asked, conversation);
    read_overflow(fields, request);
    read_cache_report(fields, request);
    read_turn(fields, request.turn);
    asked.streams = fields.boolean("stream").value_or(false);
    if (const Json* servers = fields.any("mcp_servers"); servers && !(servers->is_array() && servers->items().empty()))
        fields.refuse("mcp_servers", "are not asked by this server; offer their tools as tools");
    // They concern a provider's house, not the answer; what is cached here is found without being named.
    fields.ignore({"metadata", "service_tier", "cache_control", "inference_geo", "speed"});
    for (const char* name : {"container", "diagnostics", "context_management"})
        if (!fields.has(name)) fields.ignore({name});  // null says nothing

    const auto unknown = API_TRY(api.warnings_of(http, API_TRY(fields.finish())));
    asked.warnings.insert(asked.warnings.end(), unknown.begin(), unknown.end());
    request.prompt = std::move(conversation);
    return asked;
}

}  // namespace hearth::server
