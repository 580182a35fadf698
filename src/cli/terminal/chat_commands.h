// The /commands of a dialogue: what there is, how a line is read, how it is completed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::cli {

enum class ChatAction : uint8_t {
    system,
    think,
    stop_thinking,
    thoughts,
    save,
    load,
    retry,
    chats,
    forget,
    image,
    json,
    schema,
    model,
    edit,
    set,
    show,
    context,
    clear,
    help,
    exit,
};

struct ChatCommand {
    ChatAction action;
    const char *name, *argument, *help;
};

// A line that begins with / and a letter. `command` is null when there is none of this name.
struct TypedCommand {
    const ChatCommand* command = nullptr;
    std::string name, argument;
};
std::optional<TypedCommand> read_command(std::string_view line);

std::string commands_help();

// What the last word of `line` may become: whole words, sorted. Names of commands, of settings, of files.
struct Completions {
    size_t word = 0;  // where the last word begins
    std::vector<std::string> words;
};
Completions complete_command(std::string_view line);

}  // namespace hearth::cli
