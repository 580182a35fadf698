#include "cli/conversation.h"

#include <unistd.h>

#include <filesystem>
#include <utility>

#include "base/os.h"
#include "base/text_format.h"
#include "cli/console.h"
#include "cli/terminal/typing.h"
#include "engine/texts.h"
#include "library/catalogue.h"

namespace hearth::cli {

namespace {

std::string speed_line(const Event& last) {
    const Usage& usage = last.usage;
    const double read = double(usage.prompt_tokens - usage.cached_tokens) / std::max(usage.prompt_seconds, 1e-9);
    const double written = double(usage.generated_tokens - 1) / std::max(usage.decode_seconds, 1e-9);
    std::string line = fmt::format("{} tokens read at {:.0f}/s, {} written", usage.prompt_tokens - usage.cached_tokens,
                                   read, usage.generated_tokens);
    if (usage.generated_tokens > 1) line += fmt::format(" at {:.1f}/s", written);
    if (usage.cached_tokens > 0) line += fmt::format(", {} remembered", usage.cached_tokens);
    return line;
}

// What a person must know about how the answer ended; empty when it simply ended.
std::string ending_line(const Event& last, int64_t context_tokens) {
    switch (last.reason) {
        case FinishReason::context:
            return fmt::format("the context of {} tokens is full; use a larger --ctx", context_tokens);
        case FinishReason::loop:
            return fmt::format("stopped: the model repeats the same {} tokens ({} times so far)", last.loop->period,
                               last.loop->repeats);
        case FinishReason::cancelled:
            return "stopped";
        default:
            return "";
    }
}

// How far a long prompt is, and how fast its last piece was read: deep in a text every token costs more.
class ReadingLine {
public:
    explicit ReadingLine(int64_t tokens) : tokens_(tokens), line_(fmt::format("reading {} tokens", tokens)) {}

    void update(const Event& event) {
        const double speed = double(event.tokens_done - done_) / std::max(event.seconds - seconds_, 1e-9);
        // Of the first piece some may have come from the cache.
        line_.update(double(event.tokens_done) / double(tokens_), done_ > 0 ? fmt::format(" at {:.0f}/s", speed) : "");
        done_ = event.tokens_done;
        seconds_ = event.seconds;
    }

private:
    int64_t tokens_, done_ = 0;
    double seconds_ = 0;
    Progress line_;
};

std::tm local_time() {
    const std::time_t now = std::time(nullptr);
    std::tm time{};
    localtime_r(&now, &time);
    return time;
}

}  // namespace

Session::Session(RunOptions options, bool is_dialogue)
    : options_(std::move(options)),
      is_dialogue_(is_dialogue),
      keeper_(data_directory()),
      is_to_be_kept_(!options_.keeps_nothing && !options_.raw && (is_dialogue || !options_.goes_on.empty())),
      desk_(options_.verbose || is_terminal(STDERR_FILENO), wants_colour()),
      tools_(std::in_place, std::vector<ToolCommand>(), desk_) {}

Result<std::unique_ptr<Session>> Session::open(RunOptions options, bool is_dialogue) {
    std::unique_ptr<Session> session(new Session(std::move(options), is_dialogue));
    std::optional<store::Conversation> kept;
    if (RunOptions& mine = session->options_; !mine.goes_on.empty()) {
        if (mine.raw) return fail(ErrorKind::bad_request, "--continue needs the chat form, --raw switches it off");
        kept = TRY(session->keeper_.take(mine.goes_on == "latest" ? "" : mine.goes_on));
        if (mine.model.model.empty()) mine.model.model = kept->model;
    }
    TRY(session->load(TRY(session->weights(session->options_.model.model))));
    TRY(session->start());
    if (kept) session->take_over(*kept);
    return session;
}

Result<Checkpoint> Session::weights(const std::string& model) const {
    std::error_code ignored;
    if (!std::filesystem::exists(model, ignored) && find_in_catalogue(model))
        return fail(ErrorKind::not_found, "there is no file " + model,
                    "give the path of a GGUF file; a name alone works for `hearth bench` only");
    ModelOptions options = options_.model;
    options.model = model;
    Checkpoint checkpoint = TRY(open_weights(options));
    if (const FileUse use = use_of(checkpoint); use != FileUse::text && !options_.raw)
        return fail(ErrorKind::unsupported, fmt::format("this is {}: it was not made for answers", name_of(use)),
                    fmt::format("use `hearth {}`", command_of(use)));
    return checkpoint;
}

Result<> Session::load(Checkpoint weights) {
    EngineOptions choice = TRY(engine_options(options_.model));
    // The next turn goes on from there, an edited one too.
    if (is_dialogue_ || !options_.tools.empty()) choice.snapshots = 2;
    engine_ =
        TRY(open_engine(options_.model, std::move(weights), choice, options_.verbose || is_terminal(STDERR_FILENO)));
    return {};
}

Result<> Session::meet_model() {
    if (options_.raw) return {};
    chat_ = TRY(chat::ChatModel::make(engine_->checkpoint().metadata(), engine_->tokenizer()));
    if (!chat_->note().empty()) notice("hearth: " + chat_->note());
    form_ = nullptr;
    if (auto grammar = TRY(answer_grammar(options_.form))) form_ = TRY(chat_->form(std::move(grammar)));
    const int64_t context = engine_->plan().context_tokens;
    fitter_.emplace(*chat::overflow_named(options_.overflow),
                    context - chat::room_for_reply(context, options_.sampling.max_tokens));
    said_ = {};
    if (conversation_.thinking == true && !chat_->chat_template().can_think()) {
        notice("hearth: this model does not think before it answers");
        conversation_.thinking = std::nullopt;
    }
    return {};
}

Result<> Session::start() {
    // Wrong flags are told before anything is asked.
    TRY(sampler_options(options_.sampling, engine_->checkpoint().metadata()));
    for (const std::string& stop : options_.sampling.stop)
        if (stop.empty()) return fail(ErrorKind::bad_request, "a stop string is empty", "leave it away");
    if (options_.raw) return refuse_chat_flags();
    if (options_.think || options_.thinking_budget > 0) conversation_.thinking = true;
    TRY(meet_model());
    if (!options_.think && conversation_.thinking == true) conversation_.thinking = std::nullopt;
    if (options_.no_think || options_.thinking_budget == 0) conversation_.thinking = false;
    if (!options_.system.empty()) add("system", options_.system);
    opening_ = conversation_.messages;
    TRY(take_tools());
    return check_tool_choice();
}

Result<FinishReason> Session::answer(const std::string& text) {
    if (!chat_) return answer_raw(text);
    give_up_calls();
    add("user", text);
    const size_t asked = conversation_.messages.items().size();
    auto reason = answer_conversation();
    // A question that got no answer at all is not part of the conversation.
    if (conversation_.messages.items().size() == asked) conversation_.messages.items().pop_back();
    return reason;
}

Result<FinishReason> Session::answer_results(const std::vector<std::string>& results) {
    const auto before = conversation_.messages;
    for (size_t i = 0; i < calls_.size(); ++i)
        conversation_.messages.push(Json::Object{
            {"role", "tool"}, {"tool_call_id", calls_[i].id}, {"name", calls_[i].name}, {"content", results[i]}});
    auto reason = answer_conversation();
    if (!reason) conversation_.messages = before;
    return reason;
}

// What flags say now comes before what was kept.
void Session::take_over(const store::Conversation& kept) {
    conversation_.messages = kept.messages;
    const Json::Array& all = conversation_.messages.items();
    opening_ = Json::array();
    if (const Json* role = all.empty() ? nullptr : all[0].find("role");
        role && role->is_string() && role->as_string() == "system")
        opening_.push(all[0]);
    if (!options_.system.empty()) set_system(options_.system);
    const Json* thinking = kept.settings.find("thinking");
    const bool is_said = options_.think || options_.no_think || options_.thinking_budget >= 0;
    if (!is_said && thinking && thinking->is_bool() && (!thinking->as_bool() || chat_->chat_template().can_think()))
        conversation_.thinking = thinking->as_bool();
    if (const Json* values = kept.settings.find("set"); values && values->is_object()) {
        static constexpr std::pair<const char*, const char*> kFlags[] = {{"temperature", "--temp"},
                                                                         {"top_k", "--top-k"},
                                                                         {"top_p", "--top-p"},
                                                                         {"min_p", "--min-p"},
                                                                         {"typical_p", "--typical-p"},
                                                                         {"repeat_penalty", "--repeat-penalty"},
                                                                         {"presence_penalty", "--presence-penalty"},
                                                                         {"frequency_penalty", "--frequency-penalty"},
                                                                         {"seed", "--seed"},
                                                                         {"max_tokens", "-n"}};
        Json fitting = Json::object();
        for (const auto& [name, value] : values->members()) {
            bool is_typed = name == "think_budget" && options_.thinking_budget >= 0;
            for (const auto& [setting, flag] : kFlags)
                is_typed |= name == setting && options_.sampling.command.was_given(flag);
            if (!is_typed) fitting.set(name, value);
        }
        settings_.restore(fitting);
    }
    said_ = {};
    calls_.clear();
    context_used_ = 0;
    if (is_dialogue_)
        notice(fmt::format("going on with {}, {} messages: {}", kept.id, all.size(), harmless_text(kept.title)));
}

Result<> Session::forget_kept(const std::string& id) {
    const bool was_kept = !keeper_.id().empty();
    TRY(keeper_.remove(id));
    if (was_kept && keeper_.id().empty() && is_kept_) {
        is_kept_ = false;  // else the next answer would bring it back
        notice("this dialogue is not kept any more");
    }
    return {};
}

Result<> Session::go_on_with(const std::string& id) {
    take_over(TRY(keeper_.take(id)));
    is_kept_ = is_to_be_kept_;
    return {};
}

void Session::keep() {
    if (!is_kept_) return;
    Json settings = Json::Object{{"set", settings_.json()}};
    if (conversation_.thinking) settings.set("thinking", *conversation_.thinking);
    std::error_code failed;
    std::string model = options_.model.model;
    if (std::filesystem::exists(model, failed)) model = std::filesystem::absolute(model, failed).string();
    if (auto kept = keeper_.keep(conversation_.messages, model, std::move(settings)); !kept) {
        is_kept_ = false;  // told once
        const bool is_forgotten = kept.error().kind == ErrorKind::not_found && !keeper_.id().empty();
        notice(is_forgotten ? fmt::format("hearth: another program forgot conversation {}, so it is not kept any more; "
                                          "/save FILE writes it into a file",
                                          keeper_.id())
                            : "hearth: this conversation is not kept: " + kept.error().line());
    }
}

void Session::forget() {
    keeper_.begin_another();
    is_kept_ = is_to_be_kept_;
    conversation_.messages = opening_;
    said_ = {};
    calls_.clear();
    context_used_ = 0;
}

void Session::set_system(const std::string& text) {
    Json::Array& now = conversation_.messages.items();
    if (!now.empty() && now[0].find("role")->as_string() == "system") now.erase(now.begin());
    opening_ = Json::array();
    if (text.empty()) return;
    opening_.push(Json::Object{{"role", "system"}, {"content", valid_utf8(text)}});
    now.insert(now.begin(), opening_.items()[0]);
}

Result<> Session::set_thinking(std::optional<bool> wanted) {
    if (wanted == true && !chat_->chat_template().can_think())
        return fail(ErrorKind::unsupported, "this model does not think before it answers");
    conversation_.thinking = wanted;
    return {};
}

Result<> Session::check_settings() const {
    const auto wrong = validate(TRY(sampling()), engine_->tokenizer().size());
    if (!wrong.empty()) return fail(ErrorKind::bad_request, wrong[0]);
    return {};
}

Result<> Session::set_form(AnswerForm form, const std::string& schema) {
    FormOptions wanted = options_.form;
    wanted.json = form == AnswerForm::json;
    wanted.schema = form == AnswerForm::schema ? schema : "";
    wanted.gbnf = wanted.regex = "";
    std::shared_ptr<grammar::Constraint> bound;
    if (auto grammar = TRY(answer_grammar(wanted))) bound = TRY(chat_->form(std::move(grammar)));
    form_ = std::move(bound);
    options_.form = std::move(wanted);
    return {};
}

// What was said stays. Two models at once may not fit into memory, so the old one goes before the new one comes, and
// comes back when that fails; a file that cannot be read at all is told before.
Result<> Session::change_model(const std::string& name) {
    Checkpoint checkpoint = TRY(weights(name));
    const std::string before = std::exchange(options_.model.model, name);
    const auto settle = [&](Checkpoint weights) -> Result<> {
        form_ = nullptr;
        chat_ = nullptr;
        engine_ = nullptr;
        TRY(load(std::move(weights)));
        return meet_model();
    };
    context_used_ = 0;
    auto changed = settle(std::move(checkpoint));
    if (changed) return {};
    options_.model.model = before;
    forget_interrupt();  // it was meant for the new one
    auto weights_before = weights(before);
    if (!weights_before)
        return fail(ErrorKind::bad_file, fmt::format("{}; {} does not load any more either: {}", changed.error().what,
                                                     before, weights_before.error().what));
    if (auto back = settle(std::move(*weights_before)); !back)
        return fail(ErrorKind::bad_file, fmt::format("{}; {} does not load any more either: {}", changed.error().what,
                                                     before, back.error().what));
    return changed;
}

std::string Session::description() const {
    const auto values = sampling();
    std::string text =
        fmt::format("model: {}, {}\n{}\n", engine_->model().name.empty() ? options_.model.model : engine_->model().name,
                    engine_->device(), context_line());
    if (values)
        text +=
            fmt::format("sampling: temperature {}, top_p {}, top_k {}, min_p {}, repeat_penalty {}\n",
                        values->temperature, values->top_p, values->top_k, values->min_p, values->repetition_penalty);
    if (chat_)
        text += fmt::format("thinking: {}\n", !conversation_.thinking   ? "as the model does by itself"
                                              : *conversation_.thinking ? "on"
                                                                        : "off");
    return text;
}

std::string Session::context_line() const {
    const int64_t size = engine_->plan().context_tokens;
    return fmt::format("context {} % of {} tokens", (context_used_ * 100 + size - 1) / std::max<int64_t>(size, 1),
                       size);
}

Result<> Session::refuse_chat_flags() const {
    const std::pair<const char*, bool> flags[] = {{"--system", !options_.system.empty()},
                                                  {"--tools", !options_.tools.empty()},
                                                  {"--allow-tools", options_.allow_tools},
                                                  {"--overflow", options_.overflow != "refuse"},
                                                  {"--tool-choice", options_.tool_choice != "auto"},
                                                  {"--one-call", options_.one_call},
                                                  {"--json", options_.form.json},
                                                  {"--schema", !options_.form.schema.empty()},
                                                  {"--gbnf", !options_.form.gbnf.empty()},
                                                  {"--regex", !options_.form.regex.empty()},
                                                  {"--think", options_.think},
                                                  {"--no-think", options_.no_think},
                                                  {"--think-budget", options_.thinking_budget >= 0}};
    for (const auto& [flag, is_given] : flags)
        if (is_given)
            return fail(ErrorKind::bad_request, fmt::format("{} needs the chat form, --raw switches it off", flag),
                        "leave one of them away");
    return {};
}

Result<> Session::check_tool_choice() const {
    if (options_.tool_choice == "auto" && !options_.one_call && !options_.allow_tools) return {};
    if (options_.tools.empty())
        return fail(ErrorKind::bad_request, "there are no tools", "offer them with --tools FILE");
    const bool must_call = options_.tool_choice != "auto" && options_.tool_choice != "none";
    if (must_call && (options_.form.json || !options_.form.schema.empty() || !options_.form.gbnf.empty() ||
                      !options_.form.regex.empty()))
        return fail(ErrorKind::bad_request, "a call is required, and the answer is to have another form",
                    "leave --tool-choice or the form away");
    return {};
}

chat::ToolChoice Session::tool_choice() const {
    using Kind = chat::ToolChoice::Kind;
    const std::string& name = options_.tool_choice;
    if (name == "none") return {.kind = Kind::none};
    const auto& messages = conversation_.messages.items();
    if (name == "auto" || messages.back().find("role")->as_string() == "tool") return {};
    if (name == "required") return {.kind = Kind::required};
    return {.kind = Kind::named, .name = name};
}

void Session::add(std::string_view role, const std::string& text) {
    conversation_.messages.push(Json::Object{{"role", role}, {"content", valid_utf8(text)}});
}

// Of a turn that was stopped: templates may refuse a conversation in which a call has no result.
void Session::give_up_calls() {
    Json::Array& messages = conversation_.messages.items();
    if (messages.empty() || !messages.back().find("tool_calls")) return;
    // As they were kept: whoever goes on with an older dialogue has no calls of its own.
    const Json calls = *messages.back().find("tool_calls");
    for (const Json& call : calls.is_array() ? calls.items() : Json::Array{}) {
        const Json *id = call.find("id"), *function = call.find("function");
        const Json* name = function ? function->find("name") : nullptr;
        conversation_.messages.push(Json::Object{{"role", "tool"},
                                                 {"tool_call_id", id ? *id : Json("")},
                                                 {"name", name ? *name : Json("")},
                                                 {"content", R"({"error":"the user stopped this call"})"}});
    }
    calls_.clear();
}

Result<> Session::take_tools() {
    if (options_.tools.empty()) return {};
    ToolFile file = TRY(read_tool_file(options_.tools));
    conversation_.tools = std::move(file.tools);
    if (options_.allow_tools && file.commands.empty())
        return fail(ErrorKind::bad_request, fmt::format("no tool in {} has a command to allow", options_.tools),
                    "leave --allow-tools away");
    tools_.emplace(std::move(file.commands), desk_);
    if (options_.allow_tools) tools_->allow_all();
    return {};
}

ToolLoop Session::tool_loop() {
    ToolLoop loop{.runner = *tools_, .max_rounds = options_.max_tool_rounds};
    if (options_.events)
        loop.on_result = [](const chat::ReplyCall& call, const ToolResult& result) {
            const Json event =
                Json::Object{{"type", "tool_result"}, {"id", call.id}, {"name", call.name}, {"text", result.content}};
            return write_out(event.dump() + "\n");
        };
    return loop;
}

ReplyPrinter Session::printer() const {
    const bool is_shown = is_terminal(STDERR_FILENO) || options_.verbose;
    const bool is_seen = is_terminal(STDOUT_FILENO);
    return ReplyPrinter({.events = options_.events,
                         .thoughts = is_shown,
                         .colour = wants_colour(),
                         .terminal = is_seen,
                         .are_carried_out = [this](const auto& calls) { return tools_->has_all(calls); },
                         .formatted = is_seen && wants_colour() && chat_ && !form_ && !options_.events});
}

Result<SamplerOptions> Session::sampling(const chat::Sampling& family) const {
    SamplerOptions values = TRY(sampler_options(options_.sampling, engine_->checkpoint().metadata(), family));
    settings_.apply(values);
    return values;
}

Result<SamplerOptions> Session::sampling() const {
    if (!chat_) return sampling({});
    return sampling(chat_->sampling(conversation_.thinking.value_or(chat_->chat_template().can_think())));
}

Result<FinishReason> Session::answer_conversation() {
    conversation_.now = local_time();
    const chat::Prompt prompt = TRY(chat_->prompt(TRY(fitting_conversation()), &said_));
    for (const std::string& note : prompt.notes) notice("hearth: " + note);
    chat::ReplyOptions wanted{.stops = options_.sampling.stop};
    wanted.form = form_;
    wanted.tool_choice = tool_choice();
    wanted.parallel_calls = !options_.one_call;
    if (options_.thinking_budget >= 0) wanted.thinking_budget = options_.thinking_budget;
    if (const auto budget = settings_.think_budget()) wanted.thinking_budget = budget;
    wanted.end_thought = end_thought_ = std::make_shared<std::atomic<bool>>(false);
    Request request = TRY(chat_->request(prompt, wanted));
    request.sampling = TRY(sampling(chat_->sampling(prompt.text.thinks)));

    ReplyPrinter printer = this->printer();
    std::vector<int32_t> tokens;
    const Event last =
        TRY(ask(std::move(request), printer, tokens, [&](const Event& event) { return printer.show(event); }));
    const chat::Reply& reply = printer.reply();
    if (last.reason == FinishReason::max_tokens && reply.answer.empty() && !reply.thinking.empty())
        notice(
            "hearth: the tokens ran out while the model was thinking; use a larger -n, --think-budget or "
            "--no-think");
    calls_.clear();
    if (last.reason == FinishReason::cancelled && tokens.empty()) return last.reason;
    said_ = chat_->said(prompt, tokens, reply);
    conversation_.messages.push(reply.message());
    for (const chat::ReplyCall& call : reply.calls)
        if (call.is_whole) calls_.push_back(call);
    keep();
    return last.reason;
}

Result<chat::Conversation> Session::fitting_conversation() {
    chat::Conversation fitting = conversation_;
    fitting.messages = TRY(fitter_->fit(
        conversation_.messages,
        [&](const Json& messages) -> Result<int64_t> {
            fitting.messages = messages;
            return int64_t(TRY(chat_->prompt(fitting)).tokens.size());
        },
        [&](const Json& messages) { return summary(messages); }));
    if (!fitter_->notice().empty()) notice("hearth: " + fitter_->notice());
    return fitting;
}

Result<std::string> Session::summary(const Json& messages) {
    notice("hearth: the conversation is long, its earlier turns are summed up");
    chat::Conversation asked{.messages = messages, .thinking = false, .now = local_time()};
    asked.messages.push(Json::Object{
        {"role", "user"},
        {"content", "Sum up our conversation so far: who wants what, what was found out, names and numbers."}});
    const chat::Prompt prompt = TRY(chat_->prompt(asked));
    Request request = TRY(chat_->request(prompt));
    request.keep_at.clear();
    request.sampling = TRY(sampling(chat_->sampling(false)));
    request.max_tokens = std::max<int64_t>(16, engine_->plan().context_tokens / 8);
    chat::Reply reply;
    TRY(run_request(*engine_, std::move(request), [&](const Event& event) -> Result<> {
        reply.add(event.guide);
        return {};
    }));
    if (reply.answer.empty()) return fail(ErrorKind::bad_request, "the model said nothing");
    return reply.answer;
}

Result<FinishReason> Session::answer_raw(const std::string& text) {
    Request request;
    TRY(engine_->tokenizer().encode(text, {.parse_special = true, .add_special = true}, request.tokens));
    request.sampling = TRY(sampling({}));
    request.stop = options_.sampling.stop;
    ReplyPrinter printer = this->printer();
    std::vector<int32_t> tokens;
    return TRY(ask(std::move(request), printer, tokens, [&](const Event& event) { return printer.show_raw(event); }))
        .reason;
}

Result<Event> Session::ask(Request request, ReplyPrinter& printer, std::vector<int32_t>& tokens,
                           const std::function<Result<>(const Event&)>& show) {
    request.max_tokens = settings_.max_tokens().value_or(options_.sampling.max_tokens);
    std::optional<Typing> typing;
    if (is_dialogue_) typing.emplace();
    std::optional<ReadingLine> reading(int64_t(request.tokens.size()));
    const Event last = TRY(run_request(*engine_, std::move(request), [&](const Event& event) -> Result<> {
        if (event.kind == Event::Kind::progress)
            reading->update(event);
        else
            reading.reset();
        if (event.kind == Event::Kind::token) tokens.push_back(event.token);
        if (typing) typing->poll();
        if (typing && typing->take_enter() && printer.is_in_thought()) *end_thought_ = true;
        return show(event);
    }));
    TRY(printer.end(last));
    if (const std::string line = ending_line(last, engine_->plan().context_tokens); !line.empty())
        notice("hearth: " + line);
    context_used_ = last.usage.prompt_tokens + last.usage.generated_tokens;
    if (options_.verbose || is_terminal(STDERR_FILENO))
        aside(speed_line(last) + (is_dialogue_ ? "; " + context_line() : ""), wants_colour());
    return last;
}

}  // namespace hearth::cli
