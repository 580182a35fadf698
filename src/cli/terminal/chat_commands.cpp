#include "cli/terminal/chat_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/terminal/settings.h"

namespace hearth::cli {

namespace {
constexpr ChatCommand kChatCommands[] = {
    {ChatAction::help, "help", "", "this list"},
    {ChatAction::retry, "retry", "", "answer the last question once more"},
    {ChatAction::edit, "edit", "", "change the last question and ask it again"},
    {ChatAction::system, "system", "TEXT", "what the model should know or be"},
    {ChatAction::think, "think", "on|off|auto", "think before answering; auto: the model's way"},
    {ChatAction::stop_thinking, "stop-thinking", "", "typed while it thinks, as Enter: answer now"},
    {ChatAction::thoughts, "thoughts", "", "what the model thought before its last answer"},
    {ChatAction::set, "set", "NAME VALUE", "such as temperature 0.2, or default"},
    {ChatAction::json, "json", "on|off", "answers are JSON objects"},
    {ChatAction::schema, "schema", "FILE|off", "answers satisfy this JSON schema"},
    {ChatAction::model, "model", "FILE", "go on with another model"},
    {ChatAction::image, "image", "FILE", "show a picture (no model can see yet)"},
    {ChatAction::show, "show", "", "model, settings and system text"},
    {ChatAction::context, "context", "", "how full the context is"},
    {ChatAction::save, "save", "FILE", "write the conversation as JSON"},
    {ChatAction::load, "load", "FILE|ID", "go on with a conversation that was saved or kept"},
    {ChatAction::chats, "chats", "", "the latest conversations that were kept"},
    {ChatAction::forget, "forget", "ID|all", "remove one that was kept, or every one"},
    {ChatAction::clear, "clear", "", "begin a new conversation"},
    {ChatAction::exit, "exit", "", "end (also /bye and Ctrl-D)"},
};

std::string_view trimmed_word(std::string_view text) {
    const size_t from = text.find_first_not_of(" \t\n");
    return from == std::string_view::npos ? "" : text.substr(from, text.find_last_not_of(" \t\n") + 1 - from);
}

std::vector<std::string> files_like(const std::string& word) {
    namespace fs = std::filesystem;
    const size_t slash = word.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : word.substr(0, slash + 1),
                      name = word.substr(folder.size());
    std::vector<std::string> found;
    std::error_code failed;
    for (fs::directory_iterator entry(folder.empty() ? "." : folder, failed), end; !failed && entry != end;
         entry.increment(failed)) {
        const std::string file = entry->path().filename().string();
        if (!file.starts_with(name) || (name.empty() && file.starts_with('.')) || found.size() >= 500) continue;
        std::error_code ignored;
        found.push_back(folder + file + (entry->is_directory(ignored) ? "/" : ""));
    }
    return found;
}
}  // namespace

std::optional<TypedCommand> read_command(std::string_view line) {
    line = trimmed_word(line);
    // Paths and comments are no commands: "/etc/passwd is", "// why".
    if (line.size() < 2 || line[0] != '/' || line[1] < 'a' || line[1] > 'z') return std::nullopt;
    const size_t end = std::min(line.find_first_of(" \t\n"), line.size());
    TypedCommand typed{.name = std::string(line.substr(1, end - 1)),
                       .argument = std::string(trimmed_word(line.substr(end)))};
    if (typed.name.find('/') != std::string::npos) return std::nullopt;
    const std::string_view name = typed.name == "bye" || typed.name == "quit" ? "exit"
                                  : typed.name == "?"                         ? "help"
                                                                              : std::string_view(typed.name);
    for (const ChatCommand& command : kChatCommands)
        if (name == command.name) typed.command = &command;
    return typed;
}

std::string commands_help() {
    std::string text;
    for (const ChatCommand& command : kChatCommands)
        text += fmt::format("  {:<22} {}\n", fmt::format("/{} {}", command.name, command.argument), command.help);
    return text +
           "Ctrl-C stops an answer or drops the line, Enter ends a thought, Ctrl-D leaves.\n"
           "Tab completes, arrows walk through earlier lines, Ctrl-R searches them. A line\n"
           "that ends with \\ goes on in the next; pastes may have several lines.\n";
}

Completions complete_command(std::string_view line) {
    Completions found;
    if (!line.starts_with('/')) return found;
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) {
        for (const ChatCommand& command : kChatCommands)
            if (const std::string word = fmt::format("/{}", command.name); word.starts_with(line))
                found.words.push_back(word);
    } else {
        const std::string_view name = line.substr(0, space);
        found.word = space + 1;
        const std::string word(line.substr(found.word));
        std::vector<std::string> words;
        if (name == "/set") words = Settings::names();
        if (name == "/think") words = {"on", "off", "auto"};
        if (name == "/json") words = {"on", "off"};
        if (name == "/save" || name == "/load" || name == "/model" || name == "/schema" || name == "/image")
            words = files_like(word);
        if (name == "/schema") words.push_back("off");
        for (std::string& candidate : words)
            if (candidate.starts_with(word)) found.words.push_back(std::move(candidate));
    }
    std::ranges::sort(found.words);
    return found;
}

}  // namespace hearth::cli
