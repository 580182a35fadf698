#include "server/prepare.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "base/text_format.h"
#include "chat/recommended.h"

namespace hearth::server {

void SamplingWishes::apply(SamplerOptions& options) const {
    const auto set = [](const auto& wish, auto& value) {
        if (wish) value = *wish;
    };
    set(temperature, options.temperature);
    set(top_p, options.top_p);
    set(min_p, options.min_p);
    set(typical_p, options.typical_p);
    set(top_k, options.top_k);
    set(repetition_penalty, options.repetition_penalty);
    set(presence_penalty, options.presence_penalty);
    set(frequency_penalty, options.frequency_penalty);
    set(penalty_last_n, options.penalty_last_n);
    set(dry_multiplier, options.dry_multiplier);
    set(dry_base, options.dry_base);
    set(dry_allowed_length, options.dry_allowed_length);
    set(dry_last_n, options.dry_last_n);
    set(dry_breakers, options.dry_breakers);
    set(xtc_probability, options.xtc_probability);
    set(xtc_threshold, options.xtc_threshold);
    options.logit_bias.insert(options.logit_bias.end(), logit_bias.begin(), logit_bias.end());
    if (seed) options.seed = *seed;
}

namespace {

std::tm local_time() {
    const std::time_t now = std::time(nullptr);
    std::tm time{};
    localtime_r(&now, &time);
    return time;
}

Result<SamplerOptions> sampling_of(const ServedModel& model, const ModelRequest& request,
                                   const chat::Sampling& family) {
    const Engine& engine = model.engine();
    SamplerOptions options = chat::recommended_sampling(chat::usual_sampling(), engine.checkpoint().metadata(), family);
    request.sampling.apply(options);
    options.logprobs = request.logprobs;
    const auto wrong = validate(options, engine.model().vocabulary);
    if (!wrong.empty()) return fail(ErrorKind::bad_request, wrong[0]);
    return options;
}

// What of the conversation fits into the context.
Result<Json> fitting_messages(const chat::ChatModel& model, const chat::Conversation& conversation,
                              const ModelRequest& request, int64_t context_tokens, std::vector<std::string>& notes) {
    if (request.overflow == chat::Overflow::summarise)
        return fail(ErrorKind::unsupported, "the server cannot sum up earlier turns",
                    "choose refuse, oldest or middle for what does not fit into the context");
    chat::ConversationFitter fitter(request.overflow,
                                    context_tokens - chat::room_for_reply(context_tokens, request.max_tokens));
    chat::Conversation tried = conversation;
    Json messages = TRY(fitter.fit(
        conversation.messages,
        [&](const Json& some) -> Result<int64_t> {
            tried.messages = some;
            return int64_t(TRY(model.prompt(tried)).tokens.size());
        },
        [](const Json&) -> Result<std::string> { return fail(ErrorKind::unsupported, "nobody sums up here"); }));
    if (!fitter.notice().empty()) notes.push_back(fitter.notice());
    return messages;
}

// Before the tokens are copied for every choice.
ApiResult<> check_fits(size_t tokens, const ServedModel& model) {
    const int64_t context_tokens = model.engine().plan().context_tokens;
    if (int64_t(tokens) < context_tokens) return {};
    return std::unexpected(
        ApiError{400,
                 fmt::format("the prompt has {} tokens, the context holds {} and an answer needs some too; shorten it, "
                             "or start the server with a larger --ctx",
                             tokens, context_tokens),
                 "context_length_exceeded", "messages"});
}

ApiResult<> prepare_chat(const ServedModel& model, ModelRequest& request, Prepared& prepared) {
    auto& conversation = std::get<chat::Conversation>(request.prompt);
    const chat::ChatModel& chat = *API_TRY(model.chat());
    conversation.now = local_time();
    const int64_t context_tokens = model.engine().plan().context_tokens;
    const size_t messages = conversation.messages.items().size();
    if (request.overflow != chat::Overflow::refuse)
        conversation.messages =
            API_TRY(fitting_messages(chat, conversation, request, context_tokens, prepared.info.notes));
    chat::ReplyOptions wanted{.thinking_budget = request.thinking_budget, .stops = request.stops};
    auto form = model.form(request.form);
    if (!form) {
        ApiError error = api_error(form.error());
        error.param = request.form_field;
        return std::unexpected(std::move(error));
    }
    wanted.form = std::move(*form);
    wanted.tool_choice = request.tool_choice;
    wanted.parallel_calls = request.parallel_calls;
    const chat::Prompt prompt = API_TRY(chat.prompt(conversation));
    prepared.info.notes.insert(prepared.info.notes.end(), prompt.notes.begin(), prompt.notes.end());
    API_TRY(check_fits(prompt.tokens.size(), model));
    // What does not fit was left out: then messages have other numbers than the client knows.
    if (conversation.messages.items().size() == messages) prepared.info.places = prompt.places;
    prepared.is_chat = true;
    prepared.begins_in_thought = prompt.text.begins == chat::PromptText::Begins::in_thought;
    const SamplerOptions sampling = API_TRY(sampling_of(model, request, chat.sampling(prompt.text.thinks)));
    for (int64_t choice = 0; choice < request.choices; ++choice) {
        prepared.requests.push_back(API_TRY(chat.request(prompt, wanted)));
        prepared.requests.back().sampling = sampling;
    }
    return {};
}

// What is no token at all is told when the engine gets it.
std::string plain_text_of(const std::vector<int32_t>& tokens, const Engine& engine) {
    const auto is_token = [&](int32_t id) { return id >= 0 && id < int32_t(engine.tokenizer().size()); };
    if (!std::ranges::all_of(tokens, is_token)) return {};
    return valid_utf8(engine.tokenizer().decode(tokens, true));
}

ApiResult<> prepare_text(const ServedModel& model, ModelRequest& request, Prepared& prepared) {
    auto& plain = std::get<PlainText>(request.prompt);
    if (request.form.kind != chat::FormRequest::Kind::any)
        return std::unexpected(
            ApiError{400, "the continuation of a plain text cannot be given a form", {}, request.form_field});
    Request made;
    made.tokens = std::move(plain.tokens);
    if (made.tokens.empty())
        API_TRY(model.engine().tokenizer().encode(
            plain.text, {.parse_special = plain.parses_special, .add_special = plain.adds_special}, made.tokens));
    else
        prepared.info.text = plain_text_of(made.tokens, model.engine());
    API_TRY(check_fits(made.tokens.size(), model));
    for (int64_t choice = 0; choice < request.choices; ++choice) {
        Request& one = prepared.requests.emplace_back();
        one.tokens = made.tokens;
        one.stop = request.stops;
        one.sampling = API_TRY(sampling_of(model, request, {}));
    }
    return {};
}

}  // namespace

ApiResult<Prepared> prepare(const ServedModel& model, ModelRequest& request) {
    Prepared prepared;
    if (std::holds_alternative<chat::Conversation>(request.prompt))
        API_TRY(prepare_chat(model, request, prepared));
    else
        API_TRY(prepare_text(model, request, prepared));
    for (size_t choice = 0; choice < prepared.requests.size(); ++choice) {
        Request& one = prepared.requests[choice];
        one.max_tokens = request.max_tokens;
        one.ignore_end = request.ignores_end;
        if (one.sampling.seed) *one.sampling.seed += choice;
    }
    const int64_t tokens = int64_t(prepared.requests.at(0).tokens.size());
    prepared.info.model = model.name();
    prepared.info.prompt_tokens = tokens;
    prepared.info.context_tokens = model.engine().plan().context_tokens;
    return prepared;
}

}  // namespace hearth::server
