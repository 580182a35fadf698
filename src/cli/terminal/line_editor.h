// One line, or several, from somebody at a terminal: editing, history, completion, paste. Where the program was built
// without libedit it reads plain lines.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/terminal/chat_commands.h"

namespace hearth::cli {

class LineEditor {
public:
    using Complete = std::function<Completions(std::string_view line)>;
    // `history_file`: empty for none. Earlier lines are read from it, and every new one is appended at once.
    LineEditor(std::string history_file, Complete complete);
    ~LineEditor();

    enum class Outcome : uint8_t { text, cancelled, end };
    // `initial`: what stands in the line to begin with.
    Outcome read(const std::string& prompt, const std::string& initial, std::string& text);

    struct Editor;  // libedit's side

private:
    void remember(const std::string& text);
    std::string history_file_;
    std::unique_ptr<Editor> editor_;
};

// Earlier lines as they stand in a file, a JSON string a line, oldest first; what makes no sense is passed over.
std::vector<std::string> read_history(const std::string& file);
void append_history(const std::string& file, const std::string& text);

}  // namespace hearth::cli
