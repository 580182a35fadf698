#include "chat/chat.h"

#include <algorithm>

#include "chat/answer_form.h"
#include "chat/chat_guide.h"
#include "chat/own_templates.h"

namespace hearth::chat {

namespace {

bool is_special(const Tokenizer& tokenizer, int32_t id) {
    const TokenType type = tokenizer.type(id);
    return type == TokenType::control || type == TokenType::user_defined;
}

uint64_t hash_of(std::span<const int32_t> tokens) {
    uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a over ids
    for (const int32_t token : tokens) hash = (hash ^ uint32_t(token)) * 0x100000001B3u;
    return hash;
}

// Where later prompts may part from this one: behind the system text, between messages, before the reply's opening. Of
// very many those at both ends, which is where prompts part.
std::vector<int64_t> places_to_keep(const Prompt& prompt) {
    constexpr size_t kMostAtTheBeginning = 8, kMostAtTheEnd = 120;
    std::vector<int64_t> places = prompt.places ? prompt.places->borders() : std::vector<int64_t>();
    if (prompt.lasting > 0) {
        while (!places.empty() && places.back() >= prompt.lasting) places.pop_back();
        places.push_back(prompt.lasting);
    }
    while (!places.empty() && places.back() >= int64_t(prompt.tokens.size())) places.pop_back();
    if (places.size() > kMostAtTheBeginning + kMostAtTheEnd)
        places.erase(places.begin() + kMostAtTheBeginning, places.end() - kMostAtTheEnd);
    return places;
}

Result<> check_choice(const ToolChoice& choice, const Prompt& prompt) {
    if (prompt.tools->empty())
        return fail(ErrorKind::bad_request, "a call is required, but there are no tools", "offer some");
    if (choice.kind == ToolChoice::Kind::named && !prompt.tools->contains(choice.name))
        return fail(ErrorKind::bad_request, fmt::format("there is no tool {} to be called", choice.name),
                    "name one of those that are offered");
    return {};
}

}  // namespace

TemplateSource template_source(const Metadata& file, const Tokenizer& tokenizer) {
    TemplateSource source;
    source.usual = std::string(file.text("tokenizer.chat_template").value_or(""));
    source.with_tools = std::string(file.text("tokenizer.chat_template.tool_use").value_or(""));
    source.architecture = std::string(file.text("general.architecture").value_or(""));
    const SpecialIds& ids = tokenizer.special();
    for (const auto& [name, id] : {std::pair("bos_token", ids.bos), std::pair("eos_token", ids.eos),
                                   std::pair("pad_token", ids.padding), std::pair("unk_token", ids.unknown)})
        if (id >= 0) source.special_tokens.emplace_back(name, tokenizer.text(id));
    return source;
}

Result<std::unique_ptr<ChatModel>> ChatModel::make(const Metadata& file, const Tokenizer& tokenizer) {
    std::unique_ptr<ChatModel> made(new ChatModel(tokenizer));
    TemplateSource source = template_source(file, tokenizer);
    const bool has_own = !source.usual.empty();
    if (has_own) {
        auto theirs = ChatTemplate::make(source);
        if (theirs)
            made->template_ = std::move(*theirs);
        else
            made->note_ = "the chat template of this model cannot be used: " + theirs.error().what;
    }
    if (!made->template_) {
        const OwnTemplate own = own_template(tokenizer);
        if (own.name.empty())
            return fail(
                ErrorKind::unsupported,
                has_own ? made->note_ : "this model has no chat template, and its vocabulary tells of no form we know",
                "use --raw to continue a text");
        if (has_own) made->note_ += fmt::format("; the plain form of {} takes its place", own.name);
        source.usual = own.source;
        source.with_tools.clear();
        source.is_own = true;
        made->template_ = TRY(ChatTemplate::make(std::move(source)));
    }
    const Family& family = made->template_->family();
    made->lexicon_ = std::make_shared<Lexicon>(family.channels, &tokenizer);
    if (!family.end_thought.empty()) TRY(tokenizer.encode_marked(family.end_thought, {}, false, made->end_thought_));
    for (const std::string_view text : family.stops)
        if (const auto id = tokenizer.find(text); id && is_special(tokenizer, *id)) made->ends_.push_back(*id);
    std::ranges::sort(made->ends_);
    return made;
}

Result<Prompt> ChatModel::prompt(const Conversation& conversation, const Said* earlier) const {
    Prompt prompt;
    prompt.tools = std::make_shared<Tools>(TRY(Tools::read(conversation.tools)));
    prompt.text = TRY(template_->render(conversation));
    if (!prompt.tools->empty() && !template_->abilities().tools)
        prompt.notes.push_back("this model was not made for tools: its template does not show them");
    if (!prompt.tools->empty()) {
        prompt.tool_list = conversation.tools;
        const CallBinding binding = TRY(call_binding(prompt.tool_list, {}));
        prompt.notes.insert(prompt.notes.end(), binding.notes.begin(), binding.notes.end());
    }
    TRY(add_tokens(earlier, prompt));
    prompt.places = std::make_shared<PromptPlaces>(conversation.messages, prompt.text, prompt.tokens, tokenizer_);
    prompt.lasting = TRY(lasting_tokens(conversation, prompt));
    return prompt;
}

Result<> ChatModel::add_tokens(const Said* earlier, Prompt& prompt) const {
    const std::string& text = prompt.text.text;
    if (earlier && !earlier->text.empty() && text.starts_with(earlier->text)) {
        const size_t begin = earlier->text.size();
        std::vector<InputSpan> input;
        for (const InputSpan& span : prompt.text.input)
            if (span.end > begin) input.push_back({std::max(span.begin, begin) - begin, span.end - begin});
        std::vector<int32_t> rest;
        TRY(tokenizer_.encode_marked(std::string_view(text).substr(begin), input, false, rest));
        // Only a special token is a border that no word reaches across.
        if (!rest.empty() && is_special(tokenizer_, rest[0])) {
            prompt.tokens = earlier->tokens;
            prompt.tokens.insert(prompt.tokens.end(), rest.begin(), rest.end());
            return {};
        }
    }
    // Templates mostly write the first token themselves; once is enough.
    const int32_t bos = tokenizer_.special().bos;
    const bool writes_bos = bos >= 0 && text.starts_with(tokenizer_.text(bos));
    if (tokenizer_.add_bos() && !writes_bos) prompt.tokens.push_back(bos);
    TRY(tokenizer_.encode_marked(text, prompt.text.input, false, prompt.tokens));
    return {};
}

// The opening of a reply differs from what history says of it, in families that think or did not.
Result<int64_t> ChatModel::lasting_tokens(const Conversation& conversation, const Prompt& prompt) const {
    if (!conversation.add_generation_prompt || conversation.continues_last) return 0;
    Conversation closed = conversation;
    closed.add_generation_prompt = false;
    const auto before = template_->render(closed);
    const std::string_view text = prompt.text.text;
    if (!before || before->text.size() >= text.size() || !text.starts_with(before->text)) return 0;
    std::vector<int32_t> opening;
    TRY(tokenizer_.encode_marked(text.substr(before->text.size()), {}, false, opening));
    const bool is_apart = !opening.empty() && is_special(tokenizer_, opening[0]) &&
                          opening.size() < prompt.tokens.size() &&
                          std::ranges::equal(opening, std::span(prompt.tokens).last(opening.size()));
    return is_apart ? int64_t(prompt.tokens.size() - opening.size()) : 0;
}

ChatModel::Said ChatModel::said(const Prompt& prompt, std::span<const int32_t> tokens, const Reply& reply) const {
    Said said{.text = prompt.text.text, .tokens = prompt.tokens};
    while (!tokens.empty() && (tokenizer_.is_end(tokens.back()) || std::ranges::binary_search(ends_, tokens.back())))
        tokens = tokens.first(tokens.size() - 1);
    said.tokens.insert(said.tokens.end(), tokens.begin(), tokens.end());
    // What the template will be given for it; bytes that were no text read differently there.
    const bool is_plain =
        reply.thinking.empty() && reply.calls.empty() && reply.warnings.empty() && reply.stopped.empty();
    said.text += is_plain ? reply.answer : tokenizer_.decode(tokens, true);
    return said;
}

Result<std::shared_ptr<grammar::Constraint>> ChatModel::form(std::shared_ptr<const grammar::Grammar> grammar) const {
    std::call_once(has_vocabulary_, [&] { vocabulary_ = grammar_vocabulary(tokenizer_, ends_); });
    return grammar::Constraint::make(std::move(grammar), vocabulary_);
}

Result<ChatModel::CallBinding> ChatModel::call_binding(const Json& tools, const CallRules& rules) const {
    std::string key = fmt::format("{}{}{}\n{}", rules.is_required, rules.parallel, rules.only, tools.dump());
    const std::lock_guard lock(bindings_mutex_);
    const auto known = std::ranges::find(bindings_, key, &std::pair<std::string, CallBinding>::first);
    if (known != bindings_.end()) return known->second;
    CallBinding made;
    const auto form = call_form(*lexicon_, tools, rules);
    if (form) {
        made.notes = form->notes;
        made.covers_thoughts = form->covers_thoughts;
        if (form->grammar) made.constraint = TRY(this->form(form->grammar));
    } else {
        made.notes.push_back("calls are not bound to the tools: " + form.error().what);
    }
    constexpr size_t kMostKept = 8;
    bindings_.emplace_front(std::move(key), made);
    if (bindings_.size() > kMostKept) bindings_.pop_back();
    return made;
}

Result<std::unique_ptr<Guide>> ChatModel::guide(const Prompt& prompt, const ReplyOptions& options) const {
    using Kind = ToolChoice::Kind;
    const ToolChoice& choice = options.tool_choice;
    const bool must_call = choice.kind == Kind::required || choice.kind == Kind::named;
    GuideSetup setup;
    setup.reply = {.lexicon = lexicon_,
                   .tools = choice.kind == Kind::none ? std::make_shared<const Tools>() : prompt.tools,
                   .id_seed = hash_of(prompt.tokens),
                   .begins_in_thought = prompt.text.begins == PromptText::Begins::in_thought,
                   .begins_in_answer = prompt.text.begins == PromptText::Begins::in_answer};
    setup.end_thought_now = options.end_thought;
    setup.thinking_budget = prompt.text.ends_thought ? 0 : options.thinking_budget;
    setup.end_thought = end_thought_;
    setup.stops = options.stops;
    setup.ends = ends_;
    setup.form = must_call ? nullptr : options.form;
    setup.tokenizer = &tokenizer_;
    setup.may_think = prompt.text.thinks || prompt.text.ends_thought;
    setup.is_one_call = !options.parallel_calls;
    setup.needs_call = must_call;
    if (must_call) TRY(check_choice(choice, prompt));
    // Where the answer has a form, a call takes its place: no words beside it. Not where calls have no mark (bare), or
    // where a grammar speaks of all messages (harmony).
    const CallSyntax syntax = lexicon_->channels().calls;
    const bool only_calls = must_call || (setup.form && syntax != CallSyntax::bare && syntax != CallSyntax::harmony);
    // A message that the prompt has begun can hold no call of harmony's.
    if (choice.kind != Kind::none && !prompt.tools->empty() && !setup.reply.begins_in_answer) {
        const CallBinding binding =
            TRY(call_binding(prompt.tool_list, {.is_required = only_calls,
                                                .parallel = options.parallel_calls,
                                                .only = choice.kind == Kind::named ? choice.name : ""}));
        setup.calls = binding.constraint;
        setup.calls_cover_thoughts = binding.covers_thoughts;
    }
    if (must_call && !setup.calls)
        return fail(ErrorKind::unsupported, "a call cannot be required of this model in this place",
                    "let it choose (auto)");
    if (must_call && syntax == CallSyntax::harmony) {
        // What ends a thought begins an answer; here the header is left to the model.
        const auto channel = lexicon_->token(Mark::channel);
        const auto header = channel ? std::ranges::find(setup.end_thought, *channel) : setup.end_thought.end();
        setup.end_thought.erase(header, setup.end_thought.end());
    }
    return std::make_unique<ChatGuide>(std::move(setup));
}

Result<Request> ChatModel::request(const Prompt& prompt, const ReplyOptions& options) const {
    Request request;
    request.tokens = prompt.tokens;
    request.keep_at = places_to_keep(prompt);
    request.guide = TRY(guide(prompt, options));
    return request;
}

const Sampling& ChatModel::sampling(bool thinks) const {
    return thinks ? template_->family().thinking : template_->family().plain;
}

}  // namespace hearth::chat
