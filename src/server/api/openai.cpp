#include "server/api/openai.h"

#include <fmt/format.h>

#include <charconv>

#include "base/text_format.h"

namespace hearth::server {

Json openai_error_body(const ApiError& error) {
    const char* type = error.status == 401   ? "authentication_error"
                       : error.status == 403 ? "permission_error"
                       : error.status == 429 ? "rate_limit_error"
                       : error.status >= 500 ? "server_error"
                                             : "invalid_request_error";
    const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
    return Json::Object{{"error", Json::Object{{"message", error.message},
                                               {"type", type},
                                               {"param", or_null(error.param)},
                                               {"code", or_null(error.code)}}}};
}

void openai_error(const HttpReply& reply, const ApiError& error) {
    std::vector<Header> headers;
    if (error.status == 401) headers.push_back({"WWW-Authenticate", "Bearer"});
    if (error.status == 429 || error.status == 503)
        headers.push_back({"Retry-After", std::to_string(std::max<int64_t>(error.retry_seconds, 1))});
    reply.send(error.status, "application/json", openai_error_body(error).dump(), std::move(headers));
}

std::string sse(const Json& object) {
    return "data: " + object.dump() + "\n\n";
}

std::string sse_loading(double share) {
    return fmt::format(": loading {} %\n\n", int(share * 100));
}

namespace {

void read_logit_bias(Fields& fields, ModelRequest& request) {
    const Json* bias = fields.any("logit_bias");
    if (!bias) return;
    if (!bias->is_object()) return fields.refuse("logit_bias", "is no object of token ids and numbers");
    constexpr size_t kMostBiases = 4096;
    if (bias->members().size() > kMostBiases)
        return fields.refuse("logit_bias", fmt::format("names more than {} tokens", kMostBiases));
    for (const auto& [id, value] : bias->members()) {
        int32_t token = 0;
        const auto read = std::from_chars(id.data(), id.data() + id.size(), token);
        if (read.ec != std::errc() || read.ptr != id.data() + id.size())
            return fields.refuse("logit_bias", fmt::format("names \"{}\", which is no token id", id));
        if (!value.is_number() || !(std::abs(value.as_double()) <= 100))
            return fields.refuse("logit_bias", fmt::format("of token {} must lie between -100 and 100", token));
        // The documented meaning of -100 is a ban.
        const double number = value.as_double();
        request.sampling.logit_bias.emplace_back(
            token, number == -100 ? -std::numeric_limits<float>::infinity() : float(number));
    }
}

using Kind = chat::FormRequest::Kind;

struct FormReader {
    ModelRequest& request;
    std::string from = {};  // the field that asked for a form

    void set(Fields& fields, std::string_view name, Kind kind, std::string text) {
        if (!from.empty()) return fields.refuse(name, fmt::format("and {} both ask for a form of the answer", from));
        from = fields.full_name(name);
        request.form.kind = kind;
        request.form.text = std::move(text);
    }
    void text(Fields& fields, std::string_view name, Kind kind) {
        if (auto value = fields.text(name); value && !value->empty()) set(fields, name, kind, std::move(*value));
    }
    // A schema, as JSON or as a text that holds it.
    void schema(Fields& fields, std::string_view name) {
        const Json* value = fields.any(name);
        if (!value) return;
        if (value->is_string()) return set(fields, name, Kind::schema, value->as_string());
        if (!value->is_object() && !value->is_bool()) return fields.refuse(name, "is no JSON schema");
        set(fields, name, Kind::schema, value->dump());
    }
    void choice(Fields& fields, std::string_view name) {
        if (!fields.has(name)) return fields.ignore({name});
        request.form.choices = fields.texts(name, 10000);
        if (request.form.choices.empty()) return fields.refuse(name, "holds nothing to choose from");
        set(fields, name, Kind::choice, {});
    }
};

}  // namespace

void read_sampling(Fields& fields, ModelRequest& request) {
    SamplingWishes& wishes = request.sampling;
    wishes.temperature = fields.real("temperature", 0, 100);
    wishes.top_p = fields.real("top_p", 0, 1);
    wishes.min_p = fields.real("min_p", 0, 1);
    wishes.typical_p = fields.real("typical_p", 0, 1);
    if (const auto top_k = fields.integer("top_k", -1, INT32_MAX)) wishes.top_k = int32_t(std::max<int64_t>(*top_k, 0));
    wishes.presence_penalty = fields.real("presence_penalty", -100, 100);
    wishes.frequency_penalty = fields.real("frequency_penalty", -100, 100);
    wishes.repetition_penalty = fields.real("repetition_penalty", 0.01, 100);  // vLLM's name, and llama.cpp's
    if (const auto penalty = fields.real("repeat_penalty", 0.01, 100)) wishes.repetition_penalty = penalty;
    if (const auto last = fields.integer("repeat_last_n", -1, INT32_MAX)) wishes.penalty_last_n = int32_t(*last);
    wishes.dry_multiplier = fields.real("dry_multiplier", 0, 100);
    wishes.dry_base = fields.real("dry_base", 1, 100);
    if (const auto length = fields.integer("dry_allowed_length", 0, INT32_MAX))
        wishes.dry_allowed_length = int32_t(*length);
    if (const auto last = fields.integer("dry_penalty_last_n", -1, INT32_MAX)) wishes.dry_last_n = int32_t(*last);
    if (fields.has("dry_sequence_breakers")) wishes.dry_breakers = fields.texts("dry_sequence_breakers", 100);
    fields.ignore({"dry_sequence_breakers"});
    wishes.xtc_probability = fields.real("xtc_probability", 0, 1);
    wishes.xtc_threshold = fields.real("xtc_threshold", 0, 1);
    // -1 is llama.cpp's word for "any".
    if (const auto seed = fields.integer("seed", INT64_MIN, INT64_MAX); seed && *seed != -1)
        wishes.seed = uint64_t(*seed);
    read_logit_bias(fields, request);
    if (const auto ignores = fields.boolean("ignore_eos")) request.ignores_end = *ignores;
}

void read_stops(Fields& fields, ModelRequest& request) {
    request.stops = fields.texts("stop", 64);
    for (const std::string& stop : request.stops)
        if (stop.size() > 1000) return fields.refuse("stop", "holds a text of more than 1000 bytes");
}

void read_form(Fields& fields, ModelRequest& request) {
    FormReader form{request};
    if (auto format = fields.object("response_format")) {
        const auto type = format->one_of("type", {"text", "json_object", "json_schema"});
        if (!format->has("type")) format->refuse("type", "is missing; it is text, json_object or json_schema");
        if (type == "json_object") {
            if (format->has("schema"))
                form.schema(*format, "schema");
            else
                form.set(fields, "response_format", Kind::json_object, {});
        } else if (type == "json_schema") {
            if (auto inner = format->object("json_schema")) {
                if (!inner->has("schema")) inner->refuse("schema", "is missing");
                form.schema(*inner, "schema");
                inner->ignore({"name", "description", "strict"});
            } else if (format->has("schema")) {
                form.schema(*format, "schema");
            } else {
                format->refuse("json_schema", "is missing");
            }
        }
    }
    form.schema(fields, "json_schema");
    form.text(fields, "grammar", Kind::gbnf);
    form.schema(fields, "guided_json");
    form.text(fields, "guided_regex", Kind::regex);
    form.text(fields, "guided_grammar", Kind::gbnf);
    form.choice(fields, "guided_choice");
    if (auto outputs = fields.object("structured_outputs")) {
        form.schema(*outputs, "json");
        form.text(*outputs, "regex", Kind::regex);
        form.text(*outputs, "grammar", Kind::gbnf);
        form.choice(*outputs, "choice");
        if (outputs->boolean("json_object").value_or(false)) form.set(*outputs, "json_object", Kind::json_object, {});
    }
    request.form_field = form.from;
}

void read_turn(Fields& fields, Turn& turn) {
    turn.priority = fields.integer("priority", INT32_MIN, INT32_MAX).value_or(0);
    turn.deadline_ms = fields.integer("deadline_ms", 1, int64_t{24} * 3600 * 1000);
}

void read_overflow(Fields& fields, ModelRequest& request) {
    if (const auto name = fields.one_of("overflow", {"refuse", "oldest", "middle"}))
        if (const auto policy = chat::overflow_named(*name)) request.overflow = *policy;
}

std::optional<std::string> read_reasoning_effort(Fields& fields, std::string_view name,
                                                 chat::Conversation& conversation) {
    auto effort = fields.one_of(name, {"none", "minimal", "low", "medium", "high", "xhigh"});
    if (!effort) return effort;
    conversation.thinking = *effort != "none" && *effort != "minimal";
    if (*conversation.thinking)
        conversation.variables.emplace_back("reasoning_effort", *effort == "xhigh" ? "high" : *effort);
    return effort;
}

void read_thinking_switches(Fields& fields, ModelRequest& request, chat::Conversation& conversation) {
    if (const Json* variables = fields.any("chat_template_kwargs")) {
        if (!variables->is_object()) return fields.refuse("chat_template_kwargs", "is no object");
        constexpr size_t kMostVariables = 64;
        if (variables->members().size() > kMostVariables)
            return fields.refuse("chat_template_kwargs", fmt::format("has more than {} members", kMostVariables));
        for (const auto& [name, value] : variables->members()) {
            if (name == "enable_thinking" && value.is_bool())
                conversation.thinking = value.as_bool();
            else if (name == "documents")
                conversation.documents = value;
            else if (name == "messages" || name == "tools" || name == "add_generation_prompt")
                return fields.refuse("chat_template_kwargs", fmt::format("may not set {}", name));
            else
                conversation.variables.emplace_back(name, value);
        }
    }
    if (const auto thinking = fields.boolean("enable_thinking")) conversation.thinking = thinking;
    if (const auto budget = fields.integer("thinking_budget", -1, INT64_MAX); budget && *budget >= 0) {
        request.thinking_budget = *budget;
        if (*budget == 0) conversation.thinking = false;
    }
}

Json openai_usage(const std::vector<AnswerUsage>& choices) {
    int64_t generated = 0, thinking = 0;
    for (const AnswerUsage& one : choices) {
        generated += one.generated_tokens;
        thinking += one.thinking_tokens;
    }
    const AnswerUsage& first = choices.at(0);
    return Json::Object{{"prompt_tokens", first.prompt_tokens},
                        {"completion_tokens", generated},
                        {"total_tokens", first.prompt_tokens + generated},
                        {"prompt_tokens_details", Json::Object{{"cached_tokens", first.cached_tokens}}},
                        {"completion_tokens_details", Json::Object{{"reasoning_tokens", thinking}}}};
}

std::string_view openai_finish_reason(const AnswerEnd& end) {
    if (end.reason == FinishReason::max_tokens || end.reason == FinishReason::context) return "length";
    return end.reply.has_whole_call() ? "tool_calls" : "stop";
}

void add_stop_details(const AnswerEnd& end, Json& choice) {
    if (!end.reply.stopped.empty()) choice.set("stop_reason", end.reply.stopped);
    if (end.loop)
        choice.set("loop", Json::Object{{"period", int64_t(end.loop->period)}, {"repeats", end.loop->repeats}});
}

namespace {

void describe_token(const std::string& bytes, float logprob, Json& out) {
    Json list = Json::array();
    for (const char c : bytes) list.push(int(uint8_t(c)));
    out.set("token", valid_utf8(bytes));
    // JSON has no word for what cannot come at all; this is the one clients know.
    out.set("logprob", std::isfinite(logprob) ? Json(double(logprob)) : Json(-9999.0));
    out.set("bytes", std::move(list));
}

}  // namespace

Json openai_token_scores(const std::vector<TokenScore>& scores) {
    Json list = Json::array();
    for (const TokenScore& score : scores) {
        Json entry = Json::object(), top = Json::array();
        describe_token(score.bytes, score.logprob, entry);
        for (const TokenScore::Alternative& one : score.top) {
            Json other = Json::object();
            describe_token(one.bytes, one.logprob, other);
            top.push(std::move(other));
        }
        entry.set("top_logprobs", std::move(top));
        list.push(std::move(entry));
    }
    return list;
}

}  // namespace hearth::server
