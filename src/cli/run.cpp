// hearth run: an answer in the terminal. With a prompt, or with text piped in, once; otherwise line by line.
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>

#include "base/os.h"
#include "base/text_format.h"
#include "chat/chat.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/form_options.h"
#include "cli/options.h"
#include "cli/reply_printer.h"
#include "engine/texts.h"
#include "library/catalogue.h"
#include "library/installed.h"

namespace hearth::cli {

namespace {

struct RunOptions {
    ModelOptions model;
    SamplingOptions sampling;
    std::string system, tools;  // tools: a file
    std::string tool_choice = "auto";
    bool one_call = false;
    FormOptions form;
    std::vector<std::string> words;
    bool raw = false, verbose = false, events = false;
    bool think = false, no_think = false;
    int64_t thinking_budget = -1;
};

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

// A conversation with one model.
class Session {
public:
    Session(Engine& engine, const RunOptions& options) : engine_(engine), options_(options) {}

    Result<> start() {
        // Wrong flags are told before anything is asked.
        TRY(sampler_options(options_.sampling, engine_.checkpoint().metadata()));
        for (const std::string& stop : options_.sampling.stop)
            if (stop.empty()) return fail(ErrorKind::bad_request, "a stop string is empty", "leave it away");
        if (options_.raw) return refuse_chat_flags();
        chat_ = TRY(chat::ChatModel::make(engine_.checkpoint().metadata(), engine_.tokenizer()));
        if (!chat_->note().empty()) notice("hearth: " + chat_->note());
        if (!options_.system.empty()) add("system", options_.system);
        opening_ = conversation_.messages;
        if (!options_.tools.empty()) conversation_.tools = TRY(read_tools());
        TRY(check_tool_choice());
        if (auto grammar = TRY(answer_grammar(options_.form))) form_ = TRY(chat_->form(std::move(grammar)));
        const bool can_think = chat_->chat_template().can_think();
        if ((options_.think || options_.thinking_budget > 0) && !can_think)
            notice("hearth: this model does not think before it answers");
        if (options_.think) conversation_.thinking = true;
        if (options_.no_think || options_.thinking_budget == 0) conversation_.thinking = false;
        return {};
    }

    Result<FinishReason> answer(const std::string& text) {
        if (!chat_) return answer_raw(text);
        add("user", text);
        auto reason = answer_conversation();
        if (!reason) conversation_.messages.items().pop_back();
        return reason;
    }

    // Calls of the last reply that wait for their results.
    const std::vector<chat::ReplyCall>& calls() const { return calls_; }
    Result<FinishReason> answer_results(const std::vector<std::string>& results) {
        const auto before = conversation_.messages;
        for (size_t i = 0; i < calls_.size(); ++i)
            conversation_.messages.push(Json::Object{
                {"role", "tool"}, {"tool_call_id", calls_[i].id}, {"name", calls_[i].name}, {"content", results[i]}});
        auto reason = answer_conversation();
        if (!reason) conversation_.messages = before;
        return reason;
    }

    void forget() {
        conversation_.messages = opening_;
        said_ = {};
        calls_.clear();
    }

private:
    Result<> refuse_chat_flags() const {
        const std::pair<const char*, bool> flags[] = {{"--system", !options_.system.empty()},
                                                      {"--tools", !options_.tools.empty()},
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

    Result<> check_tool_choice() const {
        if (options_.tool_choice == "auto" && !options_.one_call) return {};
        if (options_.tools.empty())
            return fail(ErrorKind::bad_request, "there are no tools to choose from", "offer them with --tools FILE");
        const bool must_call = options_.tool_choice != "auto" && options_.tool_choice != "none";
        if (must_call && (options_.form.json || !options_.form.schema.empty() || !options_.form.gbnf.empty() ||
                          !options_.form.regex.empty()))
            return fail(ErrorKind::bad_request, "a call is required, and the answer is to have another form",
                        "leave --tool-choice or the form away");
        return {};
    }

    // Required of a question; the results of a call may be answered in words.
    chat::ToolChoice tool_choice() const {
        using Kind = chat::ToolChoice::Kind;
        const std::string& name = options_.tool_choice;
        if (name == "none") return {.kind = Kind::none};
        const auto& messages = conversation_.messages.items();
        if (name == "auto" || messages.back().find("role")->as_string() == "tool") return {};
        if (name == "required") return {.kind = Kind::required};
        return {.kind = Kind::named, .name = name};
    }

    void add(std::string_view role, const std::string& text) {
        conversation_.messages.push(Json::Object{{"role", role}, {"content", valid_utf8(text)}});
    }

    Result<Json> read_tools() const {
        const std::string text = TRY(read_file(options_.tools));
        auto tools = Json::parse(text);
        if (!tools)
            return fail(ErrorKind::bad_file, options_.tools + " is " + tools.error().what, "write a list of tools");
        TRY(chat::Tools::read(*tools));
        return std::move(*tools);
    }

    ReplyPrinter printer() const {
        const bool is_shown = is_terminal(STDERR_FILENO) || options_.verbose;
        return ReplyPrinter({.events = options_.events,
                             .thoughts = is_shown,
                             .colour = wants_colour(),
                             .terminal = is_terminal(STDOUT_FILENO)});
    }

    Result<FinishReason> answer_conversation() {
        conversation_.now = local_time();
        const chat::Prompt prompt = TRY(chat_->prompt(conversation_, &said_));
        for (const std::string& note : prompt.notes) notice("hearth: " + note);
        Request request;
        request.tokens = prompt.tokens;
        request.sampling = TRY(
            sampler_options(options_.sampling, engine_.checkpoint().metadata(), chat_->sampling(prompt.text.thinks)));
        chat::ReplyOptions wanted{.stops = options_.sampling.stop};
        wanted.form = form_;
        wanted.tool_choice = tool_choice();
        wanted.parallel_calls = !options_.one_call;
        if (options_.thinking_budget >= 0) wanted.thinking_budget = options_.thinking_budget;
        request.guide = TRY(chat_->guide(prompt, wanted));

        ReplyPrinter printer = this->printer();
        std::vector<int32_t> tokens;
        const Event last =
            TRY(ask(std::move(request), printer, tokens, [&](const Event& event) { return printer.show(event); }));
        const chat::Reply& reply = printer.reply();
        if (last.reason == FinishReason::max_tokens && reply.answer.empty() && !reply.thinking.empty())
            notice(
                "hearth: the tokens ran out while the model was thinking; use a larger -n, --think-budget or "
                "--no-think");
        said_ = chat_->said(prompt, tokens, reply);
        conversation_.messages.push(reply.message());
        calls_.clear();
        for (const chat::ReplyCall& call : reply.calls)
            if (call.is_whole) calls_.push_back(call);
        return last.reason;
    }

    Result<FinishReason> answer_raw(const std::string& text) {
        Request request;
        TRY(engine_.tokenizer().encode(text, {.parse_special = true, .add_special = true}, request.tokens));
        request.sampling = TRY(sampler_options(options_.sampling, engine_.checkpoint().metadata()));
        request.stop = options_.sampling.stop;
        ReplyPrinter printer = this->printer();
        std::vector<int32_t> tokens;
        return TRY(ask(std::move(request), printer, tokens,
                       [&](const Event& event) { return printer.show_raw(event); }))
            .reason;
    }

    Result<Event> ask(Request request, ReplyPrinter& printer, std::vector<int32_t>& tokens,
                      const std::function<Result<>(const Event&)>& show) {
        request.max_tokens = options_.sampling.max_tokens;
        std::optional<ReadingLine> reading(int64_t(request.tokens.size()));
        const Event last = TRY(run_request(engine_, std::move(request), [&](const Event& event) -> Result<> {
            if (event.kind == Event::Kind::progress)
                reading->update(event);
            else
                reading.reset();
            if (event.kind == Event::Kind::token) tokens.push_back(event.token);
            return show(event);
        }));
        TRY(printer.end(last));
        if (const std::string line = ending_line(last, engine_.plan().context_tokens); !line.empty())
            notice("hearth: " + line);
        if (options_.verbose || is_terminal(STDERR_FILENO)) notice(speed_line(last));
        return last;
    }

    static std::tm local_time() {
        const std::time_t now = std::time(nullptr);
        std::tm time{};
        localtime_r(&now, &time);
        return time;
    }

    Engine& engine_;
    const RunOptions& options_;
    std::unique_ptr<chat::ChatModel> chat_;
    std::shared_ptr<grammar::Constraint> form_;  // of every answer
    chat::Conversation conversation_;
    Json opening_ = Json::array();  // what every conversation begins with
    chat::ChatModel::Said said_;
    std::vector<chat::ReplyCall> calls_;
};

// Nobody carries calls out here: whoever sits in front of the screen may play the tool.
Result<> talk_as_tools(Session& session) {
    while (!session.calls().empty() && !was_interrupted()) {
        std::vector<std::string> results;
        for (const chat::ReplyCall& call : session.calls()) {
            fmt::print(stderr, "result of {}: ", one_line(call.name));
            std::string line;
            if (!std::getline(std::cin, line)) return {};
            results.push_back(line);
        }
        TRY(session.answer_results(results));
    }
    return {};
}

Result<> talk(Session& session) {
    notice(
        "Write a line and press Enter. /clear forgets the conversation, /bye or Ctrl-D ends it, Ctrl-C stops an "
        "answer.");
    std::string line;
    while (true) {
        fmt::print(stderr, ">>> ");
        if (!std::getline(std::cin, line)) break;
        forget_interrupt();
        if (line == "/bye") break;
        if (line == "/clear") {
            session.forget();
            continue;
        }
        if (line.find_first_not_of(" \t") == std::string::npos) continue;
        auto answered = session.answer(line);
        if (!answered) report(answered.error());
        if (auto played = talk_as_tools(session); !played) report(played.error());
        forget_interrupt();
    }
    fmt::print(stderr, "\n");
    return {};
}

Result<int> run(const RunOptions& options) {
    const bool is_dialogue = options.words.empty() && is_terminal(STDIN_FILENO);
    std::string prompt = fmt::format("{}", fmt::join(options.words, " "));
    if (!is_dialogue && !is_terminal(STDIN_FILENO)) {
        // Piped text is the prompt, or what the prompt is about.
        const std::string piped = TRY(read_stdin());
        if (!piped.empty()) prompt = prompt.empty() ? piped : prompt + "\n\n" + piped;
    }
    if (!is_dialogue && prompt.empty())
        return fail(ErrorKind::bad_request, "there is no prompt", "write it behind the model or pipe it in");

    std::error_code ignored;
    if (!std::filesystem::exists(options.model.model, ignored) && find_in_catalogue(options.model.model))
        return fail(ErrorKind::not_found, "there is no file " + options.model.model,
                    "give the path of a GGUF file; a name alone works for `hearth bench` only");
    const EngineOptions choice = TRY(engine_options(options.model));
    Checkpoint checkpoint = TRY(open_weights(options.model));
    if (const FileUse use = use_of(checkpoint); use != FileUse::text && !options.raw)
        return fail(ErrorKind::unsupported, fmt::format("this is {}: it was not made for answers", name_of(use)),
                    fmt::format("use `hearth {}`", command_of(use)));
    auto engine =
        TRY(open_engine(options.model, std::move(checkpoint), choice, options.verbose || is_terminal(STDERR_FILENO)));
    Session session(*engine, options);
    TRY(session.start());
    if (is_dialogue) {
        TRY(talk(session));
        return kDone;
    }
    const FinishReason reason = TRY(session.answer(prompt));
    return reason == FinishReason::cancelled ? kFailed : kDone;
}

}  // namespace

void add_run(Command& program) {
    auto options = std::make_shared<RunOptions>();
    Command command = program.add_command("run", "Chat with a model, or let it answer once");
    const Argument model = add_model_argument(
        command, "MODEL", options->model.model,
        "A GGUF file or a Hugging Face directory; without it ember, the demo model of a few megabytes that comes with "
        "hearth");
    command.add("PROMPT", options->words, "The question; without it and without piped text: a dialogue");
    command.add("--system", options->system, "What the model should know or be before the first message");
    const Argument think = command.add_flag("--think", options->think, "Let the model think before it answers");
    Argument no_think = command.add_flag("--no-think", options->no_think,
                                         "Let it answer at once (default: as the model does by itself)");
    Argument budget = command.add("--think-budget", options->thinking_budget,
                                  "Most tokens of thought; then it is told to answer. 0: as --no-think");
    budget.between(0, int64_t{1} << 40);
    no_think.excludes(think);
    no_think.excludes(budget);
    command.add("--tools", options->tools,
                "JSON file with tools in OpenAI's form that the model may call; calls are shown");
    command.add("--tool-choice", options->tool_choice,
                "auto: the model calls or answers; none: calls are not looked for; required: it must call; or the\n"
                "name of the tool that it must call");
    command.add_flag("--one-call", options->one_call, "The reply ends with its first call");
    add_form_options(command, options->form);
    command.add_flag("--events", options->events,
                     "The reply as JSON, one object a line: answer, thinking, tool_call, ..., finish");
    command.add_flag("--raw", options->raw, "No chat form: the model continues the text as it is");
    command.add_flag("-v,--verbose", options->verbose, "Say what was loaded and how fast it was");
    add_model_options(command, options->model);
    add_sampling_options(command, options->sampling);
    command.runs([options, model] {
        catch_interrupts();
        if (!model.was_given()) {
            options->model.model = installed_model(kDemoModel);
            if (options->model.model == kDemoModel)
                return Result<int>(fail(ErrorKind::not_found, "no model was named, and the demo model is not installed",
                                        "give a GGUF file or a model directory"));
            notice(
                "hearth: this is the 8 MB demo model that comes with hearth; give any GGUF file or model folder for a "
                "real one");
        }
        return run(*options);
    });
}

}  // namespace hearth::cli
