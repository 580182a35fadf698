#include "cli/terminal/line_editor.h"

#ifdef HEARTH_LIBEDIT
#include <histedit.h>
#endif

#include <fmt/format.h>

#include <algorithm>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <iostream>

#include "base/text_format.h"
#include "text/unicode.h"

namespace hearth::cli {

#ifdef HEARTH_LIBEDIT

namespace {
constexpr size_t kPasteLimit = 16 << 20;
// A longer paste stands in the line as a short mark: a window full of lines cannot be edited.
constexpr size_t kPasteLinesShown = 6;
constexpr size_t kPasteBytesShown = 1000;
}  // namespace

struct LineEditor::Editor {
    EditLine* line = nullptr;
    History* history = nullptr;
    Complete complete;
    std::string prompt;
    std::vector<std::string> pastes;
    bool is_cancelled = false;

    static Editor& of(EditLine* line) {
        void* self = nullptr;
        el_get(line, EL_CLIENTDATA, &self);
        return *static_cast<Editor*>(self);
    }
    static char* prompt_of(EditLine* line) { return of(line).prompt.data(); }
    static std::string before_cursor(EditLine* line) {
        const LineInfo* info = el_line(line);
        return std::string(info->buffer, info->cursor);
    }
    static std::string paste_mark(size_t number, size_t lines) {
        return fmt::format("[paste {}: {} lines]", number, lines);
    }

    static unsigned char cancel(EditLine* line, int) {
        of(line).is_cancelled = true;
        // What stands there is left on the screen, as shells do.
        el_cursor(line, 1 << 20);
        std::fputs("^C\n", stderr);
        return CC_NEWLINE;
    }

    static unsigned char suspend(EditLine* line, int) {
        el_set(line, EL_PREP_TERM, 0);
        std::fputs("\x1b[?2004l\n", stderr);
        raise(SIGTSTP);
        el_set(line, EL_PREP_TERM, 1);
        std::fputs("\x1b[?2004h", stderr);
        return CC_REDISPLAY;
    }

    // Everything up to ESC [ 201 ~ is text, whatever keys it looks like.
    static unsigned char paste(EditLine* line, int) {
        Editor& self = of(line);
        static constexpr std::string_view kEnd = "\x1b[201~";
        std::string text;
        for (wchar_t c = 0; !text.ends_with(kEnd) && el_wgetc(line, &c) == 1;)
            if (text.size() < kPasteLimit) unicode::append(text, uint32_t(c));
        if (text.ends_with(kEnd)) text.resize(text.size() - kEnd.size());
        std::string clean;
        for (size_t i = 0; i < text.size(); ++i) {
            const char c = text[i];
            if (c == '\r') {  // terminals send it for a line break
                if (i + 1 >= text.size() || text[i + 1] != '\n') clean += '\n';
            } else if (c == '\n' || c == '\t' || uint8_t(c) >= 0x20) {
                clean += c;
            }
        }
        while (clean.ends_with('\n')) clean.pop_back();
        const size_t lines = size_t(std::ranges::count(clean, '\n')) + 1;
        if (lines > kPasteLinesShown || clean.size() > kPasteBytesShown) {
            self.pastes.push_back(std::move(clean));
            clean = paste_mark(self.pastes.size(), lines);
        }
        el_insertstr(line, clean.c_str());
        return CC_REFRESH;
    }

    static unsigned char tab(EditLine* line, int) {
        const std::string before = before_cursor(line);
        const Completions found = of(line).complete(before);
        if (found.words.empty()) return CC_REFRESH_BEEP;
        const std::string_view word = std::string_view(before).substr(found.word);
        std::string common = found.words[0];
        for (const std::string& candidate : found.words)
            while (!candidate.starts_with(common)) common.pop_back();
        while (!common.empty() && !unicode::is_sanitized(common)) common.pop_back();
        std::string more = common.size() > word.size() ? common.substr(word.size()) : "";
        if (found.words.size() == 1 && !common.ends_with('/')) more += ' ';
        if (!more.empty()) {
            el_insertstr(line, more.c_str());
            return CC_REFRESH;
        }
        std::string list = "\r\n";
        for (size_t i = 0; i < std::min<size_t>(found.words.size(), 60); ++i) list += found.words[i] + "  ";
        fmt::print(stderr, "{}\r\n", list);
        return CC_REDISPLAY;
    }
};

LineEditor::LineEditor(std::string history_file, Complete complete)
    : history_file_(std::move(history_file)), editor_(std::make_unique<Editor>()) {
    // Only what a character is: numbers keep their form.
    if (!std::setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
    Editor& e = *editor_;
    e.complete = std::move(complete);
    e.line = el_init("hearth", stdin, stderr, stderr);
    e.history = history_init();
    HistEvent event;
    if (e.history) {
        history(e.history, &event, H_SETSIZE, 1000);
        history(e.history, &event, H_SETUNIQUE, 1);
        for (const std::string& text : read_history(history_file_)) history(e.history, &event, H_ENTER, text.c_str());
    }
    if (!e.line) return;
    el_set(e.line, EL_CLIENTDATA, &e);
    el_set(e.line, EL_PROMPT, &Editor::prompt_of);
    el_set(e.line, EL_EDITOR, "emacs");
    el_set(e.line, EL_SIGNAL, 0);
    if (e.history) el_set(e.line, EL_HIST, history, e.history);
    el_set(e.line, EL_ADDFN, "hearth-cancel", "Drop the line", &Editor::cancel);
    el_set(e.line, EL_ADDFN, "hearth-suspend", "Back to the shell", &Editor::suspend);
    el_set(e.line, EL_ADDFN, "hearth-paste", "Take a paste as text", &Editor::paste);
    el_set(e.line, EL_ADDFN, "hearth-complete", "Complete a command", &Editor::tab);
    el_source(e.line, nullptr);
    // Ctrl-C and Ctrl-Z are keys while a line is edited, and signals while an answer is written.
    el_set(e.line, EL_SETTY, "-d", "-isig", nullptr);
    const std::pair<const char*, const char*> keys[] = {
        {"^C", "hearth-cancel"},      {"^Z", "hearth-suspend"},          {"\\e[200~", "hearth-paste"},
        {"^I", "hearth-complete"},    {"^R", "em-inc-search-prev"},      {"\\e[1;5C", "em-next-word"},
        {"\\e[1;5D", "ed-prev-word"}, {"\\e[3~", "ed-delete-next-char"}, {"\\e[H", "ed-move-to-beg"},
        {"\\e[F", "ed-move-to-end"},  {"\\e[1~", "ed-move-to-beg"},      {"\\e[4~", "ed-move-to-end"}};
    for (const auto& [key, function] : keys) el_set(e.line, EL_BIND, key, function, nullptr);
}

LineEditor::~LineEditor() {
    if (editor_->line) el_end(editor_->line);
    if (editor_->history) history_end(editor_->history);
}

LineEditor::Outcome LineEditor::read(const std::string& prompt, const std::string& initial, std::string& text) {
    Editor& e = *editor_;
    if (!e.line) return Outcome::end;
    text.clear();
    e.pastes.clear();
    e.is_cancelled = false;
    e.prompt = prompt;
    el_resize(e.line);
    // As if it were pasted: nothing in it is a key.
    if (!initial.empty()) el_push(e.line, ("\x1b[200~" + initial + "\x1b[201~").c_str());
    bool goes_on = true;
    while (goes_on) {
        std::fputs("\x1b[?2004h", stderr);
        int length = 0;
        const char* line = el_gets(e.line, &length);
        std::fputs("\x1b[?2004l", stderr);
        if (e.is_cancelled) return Outcome::cancelled;
        if (!line || length <= 0) {
            if (text.empty()) return Outcome::end;
            break;
        }
        std::string part(line, size_t(length));
        while (part.ends_with('\n') || part.ends_with('\r')) part.pop_back();
        goes_on = part.ends_with('\\');
        if (goes_on) part.back() = '\n';
        text += part;
        e.prompt = "... ";
    }
    for (size_t i = 0; i < e.pastes.size(); ++i) {
        const std::string mark = Editor::paste_mark(i + 1, size_t(std::ranges::count(e.pastes[i], '\n')) + 1);
        if (const size_t at = text.find(mark); at != std::string::npos) text.replace(at, mark.size(), e.pastes[i]);
    }
    text = valid_utf8(text);
    remember(text);
    return Outcome::text;
}

void LineEditor::remember(const std::string& text) {
    if (text.find_first_not_of(" \t\n") == std::string::npos) return;
    HistEvent event;
    if (editor_->history) history(editor_->history, &event, H_ENTER, text.c_str());
    append_history(history_file_, text);
}

#else

struct LineEditor::Editor {};

LineEditor::LineEditor(std::string history_file, Complete) : history_file_(std::move(history_file)) {}
LineEditor::~LineEditor() = default;

LineEditor::Outcome LineEditor::read(const std::string& prompt, const std::string&, std::string& text) {
    text.clear();
    fmt::print(stderr, "{}", prompt);
    for (std::string line; std::getline(std::cin, line); fmt::print(stderr, "... ")) {
        const bool goes_on = line.ends_with('\\');
        if (goes_on) line.back() = '\n';
        text += line;
        if (goes_on) continue;
        text = valid_utf8(text);
        return Outcome::text;
    }
    return Outcome::end;
}

void LineEditor::remember(const std::string&) {}

#endif

}  // namespace hearth::cli
