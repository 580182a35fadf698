// hearth inspect prompt: what a model's chat template makes of a conversation.
#include <filesystem>
#include <iostream>
#include <memory>

#include "base/json.h"
#include "chat/chat.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "engine/loaded_model.h"
#include "engine/vocabulary.h"
#include "text/jinja.h"

namespace hearth::cli {

namespace {

struct PromptOptions {
    std::string model, input;
    bool jsonl = false;
};

// A template, the one for conversations with tools where a model has one of its own, and the texts of the model's
// special tokens.
struct ChatTemplate {
    JinjaTemplate usual;
    std::optional<JinjaTemplate> with_tools;
    Json::Object special_tokens;
};

Result<ChatTemplate> template_of(const std::string& path) {
    if (path.ends_with(".jinja")) return ChatTemplate{TRY(JinjaTemplate::parse(TRY(read_file(path)))), {}, {}};
    const Checkpoint checkpoint = TRY(open_checkpoint(path));
    const auto tokenizer = TRY(load_tokenizer(checkpoint));
    chat::TemplateSource source = chat::template_source(checkpoint.metadata(), *tokenizer);
    if (source.usual.empty())
        return fail(ErrorKind::bad_file, path + " has no chat template",
                    "give a file that ends with .jinja in its place");
    ChatTemplate made{TRY(JinjaTemplate::parse(source.usual)), {}, std::move(source.special_tokens)};
    if (!source.with_tools.empty()) made.with_tools = TRY(JinjaTemplate::parse(source.with_tools));
    return made;
}

// "2026-03-14 15:09:26"
std::optional<std::tm> read_time(const std::string& text) {
    std::tm time{};
    const char* end = strptime(text.c_str(), "%Y-%m-%d %H:%M:%S", &time);
    if (!end || *end) return std::nullopt;
    time.tm_isdst = -1;
    std::tm copy = time;
    if (std::mktime(&copy) != -1) time.tm_isdst = copy.tm_isdst;
    return time;
}

std::tm local_time() {
    const std::time_t now = std::time(nullptr);
    std::tm time{};
    localtime_r(&now, &time);
    return time;
}

void set(Json::Object& variables, const std::string& name, Json value) {
    std::erase_if(variables, [&](const Json::Member& member) { return member.first == name; });
    variables.emplace_back(name, std::move(value));
}

Result<std::string> prompt_of(const ChatTemplate& made, std::string_view conversation) {
    const auto wrong = [](std::string what) {
        return fail(ErrorKind::bad_request, std::move(what),
                    "write {\"messages\": [{\"role\": \"user\", \"content\": \"...\"}]}");
    };
    const auto parsed = Json::parse(conversation);
    if (!parsed) return wrong("the conversation is " + parsed.error().what);
    if (!parsed->is_object()) return wrong("the conversation is no object");
    JinjaVariables variables;
    variables.trusted = made.special_tokens;
    variables.trusted.emplace_back("add_generation_prompt", true);
    variables.input = {{"messages", Json()}, {"tools", Json()}, {"documents", Json()}};
    std::tm time = local_time();
    for (const auto& [key, value] : parsed->members()) {
        const bool is_list = value.is_array() || value.is_null();
        if (key == "messages" && value.is_array()) {
            set(variables.input, key, value);
        } else if ((key == "tools" || key == "documents") && is_list) {
            set(variables.input, key, value);
        } else if ((key == "kwargs" || key == "special_tokens") && value.is_object()) {
            for (const auto& [name, given] : value.members()) set(variables.trusted, name, given);
        } else if (key == "add_generation_prompt" && value.is_bool()) {
            set(variables.trusted, key, value);
        } else if (key == "now" && value.is_string()) {
            const auto given = read_time(value.as_string());
            if (!given) return wrong("\"now\" is no time like 2026-03-14 15:09:26");
            time = *given;
        } else {
            return wrong("unknown field or wrong type: " + one_line(key));
        }
    }
    const auto messages = std::ranges::find(variables.input, "messages", &Json::Member::first);
    if (messages->second.is_null()) return wrong("the conversation has no \"messages\"");
    const auto tools = std::ranges::find(variables.input, "tools", &Json::Member::first);
    const bool has_tools = tools->second.is_array() && !tools->second.items().empty();
    const JinjaTemplate& used = has_tools && made.with_tools ? *made.with_tools : made.usual;
    return TRY(used.render(variables, time)).text;
}

Result<> inspect_prompt(const PromptOptions& options) {
    const ChatTemplate made = TRY(template_of(options.model));
    const std::string input = options.input == "-" || options.input.empty() ? "" : TRY(read_file(options.input));
    if (!options.jsonl) {
        const std::string text = TRY(prompt_of(made, input.empty() ? TRY(read_stdin()) : input));
        return write_out(text);
    }
    std::istringstream lines(input);
    for (std::string line; std::getline(input.empty() ? std::cin : lines, line);) {
        const auto text = prompt_of(made, line);
        Json answer = Json::object();
        answer.set(text ? "text" : "error", text ? *text : text.error().what);
        TRY(write_out(answer.dump() + "\n"));
    }
    return {};
}

}  // namespace

void add_inspect_prompt(Command& inspect) {
    auto options = std::make_shared<PromptOptions>();
    Command command = inspect.add_command("prompt", "What a chat template makes of a conversation");
    command.add_footer(
        "A conversation: {\"messages\": [{\"role\", \"content\"}, ...], \"tools\"?, \"documents\"?, \"kwargs\"?,\n"
        "\"add_generation_prompt\"?, \"special_tokens\"?, \"now\"?}; \"kwargs\" are further variables of the template, "
        "such as\n"
        "{\"enable_thinking\": false}, \"now\" is what it takes for the time (2026-03-14 15:09:26).\n"
        "With --jsonl a conversation a line in, {\"text\"} or {\"error\"} a line out.");
    add_model_argument(command, "MODEL", options->model,
                       "A GGUF file, a Hugging Face directory, or a template that ends with .jinja")
        .required();
    command.add("--input", options->input, "File with the conversation (default: standard input)");
    command.add_flag("--jsonl", options->jsonl, "Many conversations, one a line");
    command.runs([options] { return inspect_prompt(*options); });
}

}  // namespace hearth::cli
