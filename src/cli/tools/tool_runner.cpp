#include "cli/tools/tool_runner.h"

#include <algorithm>

#include "base/text_format.h"
#include "text/unicode.h"

namespace hearth::cli {

namespace {

constexpr size_t kShownBytes = 300;
constexpr size_t kShownErrorBytes = 16384;

// Standard error as it comes, handed on by whole lines and not for ever.
class ErrorLines {
public:
    explicit ErrorLines(ToolDesk& desk) : desk_(desk) {}
    ~ErrorLines() {
        if (!rest_.empty()) show(rest_ + "\n");
    }
    ErrorLines(const ErrorLines&) = delete;
    ErrorLines& operator=(const ErrorLines&) = delete;

    void add(std::string_view text) {
        if (shown_ > kShownErrorBytes) return;
        rest_ += text;
        size_t whole = rest_.rfind('\n') + 1;
        if (whole == 0 && rest_.size() > kShownErrorBytes) whole = rest_.size();
        if (whole == 0) return;
        show(rest_.substr(0, whole));
        rest_.erase(0, whole);
    }

private:
    void show(const std::string& text) {
        const size_t room = kShownErrorBytes - std::min(shown_, kShownErrorBytes);
        shown_ += text.size();
        desk_.show_error_text(text.size() <= room ? text : text.substr(0, room) + "\n(more is not shown)\n");
        if (text.size() > room) {
            shown_ = kShownErrorBytes + 1;
            rest_.clear();
        }
    }
    ToolDesk& desk_;
    std::string rest_;
    size_t shown_ = 0;
};

std::string visible(std::string_view text) {
    const std::string valid = valid_utf8(text);
    std::string out;
    for (size_t at = 0; at < valid.size();) {
        const auto [code, length] = unicode::decode(reinterpret_cast<const uint8_t*>(valid.data()) + at);
        if (unicode::is_control(code))
            out += code < 0x10000 ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code);
        else
            out.append(valid, at, length);
        at += length;
    }
    return out;
}

std::string shown_word(const std::string& word) {
    const bool is_plain = !word.empty() && word.find_first_of(" \t\n\"'\\") == std::string::npos;
    return is_plain ? word : Json(word).dump();
}

// An answer's first letter, without the spaces around it; none: nothing that is known.
char letter_of(const std::string& line) {
    const size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos) return 0;
    const std::string word = line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
    for (const char* known : {"yes", "no", "always"})
        if (word == known || word == std::string(1, known[0])) return known[0];
    return word == "?" ? '?' : 0;
}

}  // namespace

std::string shown_call(const ToolCommand& command, std::string_view arguments, size_t most_bytes) {
    std::string line;
    for (const std::string& word : command.argv) line += shown_word(word) + " ";
    line = visible(line) + visible(arguments);
    if (most_bytes == 0 || line.size() <= most_bytes) return line;
    size_t end = most_bytes;
    while (end > 0 && (uint8_t(line[end]) & 0xC0) == 0x80) --end;
    return line.substr(0, end) + "...";
}

void ToolRunner::allow_all() {
    for (ToolCommand& command : commands_) command.is_allowed = true;
}

ToolCommand* ToolRunner::find(std::string_view tool) {
    const auto found = std::ranges::find(commands_, tool, &ToolCommand::tool);
    return found == commands_.end() ? nullptr : &*found;
}

bool ToolRunner::has_command(std::string_view tool) const {
    return std::ranges::find(commands_, tool, &ToolCommand::tool) != commands_.end();
}

bool ToolRunner::has_all(const std::vector<chat::ReplyCall>& calls) const {
    return std::ranges::all_of(calls, [&](const chat::ReplyCall& call) { return has_command(call.name); });
}

Result<ToolRunner::Consent> ToolRunner::consent(ToolCommand& command, const chat::ReplyCall& call) {
    if (command.is_allowed) {
        desk_.announce("run " + shown_call(command, call.arguments, kShownBytes));
        return Consent::yes;
    }
    if (!desk_.can_ask())
        return fail(ErrorKind::bad_request,
                    fmt::format("the command of tool {} may not run: nobody is there to be asked", command.tool),
                    R"(allow it with --allow-tools, or with "allow": "always" in its command)");
    const std::string line = shown_call(command, call.arguments, kShownBytes);
    const bool is_cut = line != shown_call(command, call.arguments, 0);
    const std::string question =
        fmt::format("run {}? [y]es, [n]o, [a]lways{} ", line, is_cut ? ", [?] show all of it" : "");
    while (const auto typed = desk_.ask(question)) switch (letter_of(*typed)) {
            case 'y':
                return Consent::yes;
            case 'a':
                command.is_allowed = true;
                return Consent::yes;
            case 'n':
                return Consent::no;
            case '?':
                desk_.tell(shown_call(command, call.arguments, 0));
                break;
            default:
                desk_.tell("y runs it this once, a always without asking, n does not run it, ? shows all of it");
        }
    return Consent::stopped;
}

Result<std::optional<ToolResult>> ToolRunner::carry_out(const chat::ReplyCall& call) {
    ToolCommand& command = *find(call.name);
    switch (TRY(consent(command, call))) {
        case Consent::stopped:
            return std::nullopt;
        case Consent::no:
            return ToolResult{failed_result("the user did not allow this call").content, ""};
        case Consent::yes:
            break;
    }
    auto lines = std::make_optional<ErrorLines>(desk_);
    const auto end = run_program({.words = command.argv,
                                  .directory = command.directory,
                                  .input = call.arguments + "\n",
                                  .timeout_seconds = command.timeout_seconds,
                                  .output_limit_bytes = size_t(command.output_limit_bytes),
                                  .is_stopped = [&] { return desk_.is_stopped(); },
                                  .on_error_text = [&](std::string_view text) { lines->add(text); }});
    lines.reset();  // its last words come before ours
    if (end && end->kind == ProgramEnd::Kind::stopped) {
        desk_.tell(fmt::format("hearth: tool {} was stopped", command.tool));
        return std::nullopt;
    }
    ToolResult result = result_of(command, end);
    if (!result.failure.empty()) desk_.tell(fmt::format("hearth: tool {} failed: {}", command.tool, result.failure));
    return result;
}

}  // namespace hearth::cli
