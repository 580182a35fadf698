// hearth run: an answer in the terminal. With a prompt, or with text piped in, once; otherwise line by line.
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <utility>

#include "base/os.h"
#include "base/text_format.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/console.h"
#include "cli/conversation.h"
#include "library/catalogue.h"
#include "library/installed.h"

namespace hearth::cli {

namespace {

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

    const auto session = TRY(Session::open(options, is_dialogue));
    if (is_dialogue) {
        const std::string place = data_directory();
        TRY(talk(*session, place.empty() ? "" : place + "/history", session->tool_loop()));
        return kDone;
    }
    if (TRY(session->answer(prompt)) == FinishReason::cancelled) return kFailed;
    auto end = answer_calls(*session, session->tool_loop());
    // Calls that were to be carried out here were not shown yet.
    if (!end && !options.events) TRY(show_calls(session->calls(), is_terminal(STDOUT_FILENO)));
    return TRY(std::move(end)) == ToolLoopEnd::stopped ? kFailed : kDone;
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
    command.add(
        "--tools", options->tools,
        "JSON file with tools in OpenAI's form that the model may call. A tool with a \"command\" is run, after\n"
        "asking; calls of others are shown");
    command.add_flag("--allow-tools", options->allow_tools, "Run the commands of tools without asking");
    command
        .add("--max-tool-rounds", options->max_tool_rounds,
             "How often in a row the model may call commands before it answers")
        .show_default()
        .between(1, 1000000);
    command
        .add("--overflow", options->overflow,
             "When a conversation does not fit into the context: refuse, leave out the oldest or the middle turns, or "
             "summarise earlier ones (a line says what the model does not see)")
        .one_of({"refuse", "oldest", "middle", "summarise"});
    command.add("--tool-choice", options->tool_choice,
                "auto: the model calls or answers; none: calls are not looked for; required: it must call; or the\n"
                "name of the tool that it must call");
    command.add_flag("--one-call", options->one_call, "The reply ends with its first call");
    command.add_flag(
        "--continue{latest}", options->goes_on,
        "Go on with the latest dialogue, with its model unless MODEL is given; --continue=ID: with another");
    command.add_flag("--no-save", options->keeps_nothing, "Keep nothing of this dialogue");
    add_form_options(command, options->form);
    command.add_flag("--events", options->events,
                     "The reply as JSON, one object a line: answer, thinking, tool_call, ..., finish");
    command.add_flag("--raw", options->raw, "No chat form: the model continues the text as it is");
    command.add_flag("-v,--verbose", options->verbose, "Say what was loaded and how fast it was");
    add_model_options(command, options->model);
    add_sampling_options(command, options->sampling);
    add_settings(command, "run",
                 {"--tools", "--allow-tools", "--tool-choice", "--one-call", "--json", "--schema", "--gbnf", "--regex",
                  "--space", "--open-objects", "--events", "--raw", "--stop", "--logit-bias"});
    command.runs([options, model, command] {
        catch_interrupts();
        if (options->think && options->thinking_budget == 0) {
            const int think_rank = command.rank_of("--think"), budget_rank = command.rank_of("--think-budget");
            if (think_rank == budget_rank)
                return Result<int>(wrong_usage("--think and --think-budget 0 exclude each other"));
            if (think_rank < budget_rank)
                options->thinking_budget = -1;
            else
                options->think = false;
        }
        if (!options->goes_on.empty()) {
            // MODEL may be left out: a first word that names no model belongs to the question.
            std::error_code ignored;
            std::string& word = options->model.model;
            if (model.was_given() && !std::filesystem::exists(word, ignored) && !find_in_catalogue(word))
                options->words.insert(options->words.begin(), std::exchange(word, ""));
        } else if (!model.was_given()) {
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
