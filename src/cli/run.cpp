// hearth run: an answer in the terminal. With a prompt, or with text piped in, once; otherwise line by line.
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <memory>

#include "base/os.h"
#include "base/text_format.h"
#include "cli/chatml.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "engine/texts.h"
#include "library/catalogue.h"
#include "library/installed.h"

namespace hearth::cli {

namespace {

struct RunOptions {
    ModelOptions model;
    SamplingOptions sampling;
    std::string system;
    std::vector<std::string> words;
    bool raw = false, verbose = false;
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

class Session {
public:
    Session(Engine& engine, const RunOptions& options, SamplerOptions sampling)
        : engine_(engine), options_(options), sampling_(std::move(sampling)) {}

    Result<> start() {
        if (!options_.raw) chat_ = TRY(ChatMl::make(engine_.tokenizer()));
        if (chat_ && !options_.system.empty()) TRY(chat_->add_message(conversation_, "system", options_.system));
        if (options_.raw && !options_.system.empty())
            return fail(ErrorKind::bad_request, "--system needs the chat form, --raw switches it off",
                        "leave one of them away");
        opening_ = conversation_;
        return {};
    }

    Result<FinishReason> answer(const std::string& text) {
        std::vector<int32_t> tokens = conversation_;
        if (chat_) {
            TRY(chat_->add_message(tokens, "user", text));
            TRY(chat_->open_answer(tokens));
        } else {
            TRY(engine_.tokenizer().encode(text, {.parse_special = true, .add_special = true}, tokens));
        }
        Request request;
        request.tokens = tokens;
        request.sampling = sampling_;
        request.stop = options_.sampling.stop;
        request.max_tokens = options_.sampling.max_tokens;

        std::vector<int32_t> answer;
        const bool is_shown = is_terminal(STDOUT_FILENO);
        bool ends_with_newline = true;
        std::optional<ReadingLine> reading(int64_t(tokens.size()));
        const Event last = TRY(run_request(engine_, std::move(request), [&](const Event& event) -> Result<> {
            if (event.kind == Event::Kind::progress)
                reading->update(event);
            else
                reading.reset();
            if (event.kind == Event::Kind::token) answer.push_back(event.token);
            if (event.text.empty()) return {};
            ends_with_newline = event.text.back() == '\n';
            return write_out(is_shown ? harmless_text(event.text) : event.text);
        }));
        if (!ends_with_newline || answer.empty()) TRY(write_out("\n"));
        if (const std::string line = ending_line(last, engine_.plan().context_tokens); !line.empty())
            notice("hearth: " + line);
        if (options_.verbose || is_terminal(STDERR_FILENO)) notice(speed_line(last));
        if (chat_) {
            if (!answer.empty() && engine_.tokenizer().is_end(answer.back())) answer.pop_back();
            tokens.insert(tokens.end(), answer.begin(), answer.end());
            TRY(chat_->close_message(tokens));
            conversation_ = std::move(tokens);
        }
        return last.reason;
    }

    void forget() { conversation_ = opening_; }

private:
    Engine& engine_;
    const RunOptions& options_;
    SamplerOptions sampling_;
    std::optional<ChatMl> chat_;
    std::vector<int32_t> opening_, conversation_;  // the system message; that and all turns so far
};

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
        if (auto answered = session.answer(line); !answered) report(answered.error());
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
    Session session(*engine, options, TRY(sampler_options(options.sampling, engine->checkpoint().metadata())));
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
