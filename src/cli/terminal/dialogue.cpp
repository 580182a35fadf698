#include "cli/terminal/dialogue.h"

#include <filesystem>

#include "cli/console.h"
#include "cli/terminal/chat_commands.h"
#include "cli/terminal/line_editor.h"
#include "cli/terminal/typing.h"
#include "cli/tools/tool_loop.h"

namespace hearth::cli {

namespace {

class Dialogue {
public:
    Dialogue(Partner& partner, const std::string& history_file, const ToolLoop& tools)
        : partner_(partner), editor_(history_file, complete_command), tools_(tools) {
        tools_.play = [this](const chat::ReplyCall& call) { return play(call); };
    }

    void run() {
        notice(
            "Write a question and press Enter. /help shows what else there is, Ctrl-C stops an answer, Ctrl-D ends.");
        std::string text, initial;
        while (!is_over_) {
            initial = Typing::take_ahead();
            const auto outcome = editor_.read(">>> ", initial, text);
            if (outcome == LineEditor::Outcome::end) break;
            forget_interrupt();
            if (outcome == LineEditor::Outcome::cancelled) continue;
            if (const auto typed = read_command(text)) {
                if (auto done = carry_out(*typed); !done) report(done.error());
                if (!partner_.is_there()) break;
            } else if (text.find_first_not_of(" \t\n") != std::string::npos) {
                ask(text);
            }
            forget_interrupt();
        }
        if (!is_over_) notice("");
    }

private:
    void ask(const std::string& text) {
        question_ = text;
        finish(partner_.answer(text));
    }
    void finish(Result<FinishReason> reason) {
        if (!reason) {
            report(reason.error());
        } else if (!was_interrupted()) {
            if (auto answered = answer_calls(partner_, tools_); !answered) report(answered.error());
        }
        notice("");
    }

    std::optional<std::string> play(const chat::ReplyCall& call) {
        std::string line;
        const auto outcome = editor_.read(fmt::format("result of {}: ", one_line(call.name)), "", line);
        if (outcome != LineEditor::Outcome::text) return std::nullopt;
        return line;
    }

    Result<> carry_out(const TypedCommand& typed) {
        if (!typed.command)
            return fail(ErrorKind::bad_request, fmt::format("there is no command /{}", typed.name), "/help shows all");
        const std::string& argument = typed.argument;
        const std::string name = fmt::format("/{}", typed.command->name);
        const bool wants = *typed.command->argument, may_be_alone = typed.command->action == ChatAction::system;
        if (wants && argument.empty() && !may_be_alone)
            return fail(ErrorKind::bad_request, name + " needs something behind it",
                        fmt::format("write {} {}", name, typed.command->argument));
        if (!wants && !argument.empty())
            return fail(ErrorKind::bad_request, fmt::format("{} takes nothing behind it", name));
        switch (typed.command->action) {
            case ChatAction::help:
                fmt::print(stderr, "{}", commands_help());
                return {};
            case ChatAction::exit:
                is_over_ = true;
                return {};
            case ChatAction::context:
                notice(partner_.context_line());
                return {};
            case ChatAction::show:
                show();
                return {};
            case ChatAction::set:
                return set(argument);
            case ChatAction::clear:
                partner_.forget();
                return {};
            case ChatAction::model:
                return partner_.change_model(argument);
            default:
                break;
        }
        if (!partner_.is_chat())
            return fail(ErrorKind::bad_request, name + " needs the chat form", "start again without --raw");
        switch (typed.command->action) {
            case ChatAction::system:
                partner_.set_system(argument);
                notice(argument.empty() ? "no system text" : "the system text is set");
                return {};
            case ChatAction::think:
                return think(argument);
            case ChatAction::stop_thinking:
                notice("press Enter while the model thinks: it goes on with the answer");
                return {};
            case ChatAction::thoughts:
                return show_thoughts();
            case ChatAction::save:
                return save(argument);
            case ChatAction::load:
                return load(argument);
            case ChatAction::retry:
                return retry();
            case ChatAction::edit:
                return edit();
            case ChatAction::chats:
                fmt::print(stderr, "{}", TRY(partner_.kept()));
                return {};
            case ChatAction::forget:
                return partner_.forget_kept(argument);
            case ChatAction::json:
                return json(argument);
            case ChatAction::schema:
                return argument == "off" ? partner_.set_form(AnswerForm::any, "")
                                         : partner_.set_form(AnswerForm::schema, argument);
            case ChatAction::image:
                return fail(ErrorKind::unsupported, "hearth does not look at images yet",
                            "describe what is in it, or paste its text");
            default:
                return {};
        }
    }

    void show() {
        fmt::print(stderr, "{}", harmless_text(partner_.description()));
        if (const std::string line = partner_.settings().line(); !line.empty()) notice("set: " + line);
        if (!partner_.is_chat()) return;
        const Json::Array& messages = partner_.messages().items();
        if (!messages.empty() && messages[0].find("role") && messages[0].find("role")->as_string() == "system")
            if (const Json* content = messages[0].find("content"); content && content->is_string())
                fmt::print(stderr, "system: {}\n", harmless_text(content->as_string()));
    }

    Result<> set(const std::string& argument) {
        const size_t space = argument.find_first_of(" =");
        if (space == std::string::npos)
            return fail(ErrorKind::bad_request, fmt::format("/set {} has no value", argument),
                        "write for example /set temperature 0.2");
        const size_t value = argument.find_first_not_of(" =", space);
        Settings& settings = partner_.settings();
        const Settings before = settings;
        TRY(settings.set(argument.substr(0, space), value == std::string::npos ? "" : argument.substr(value)));
        if (auto fits = partner_.check_settings(); !fits) {
            settings = before;
            return fits;
        }
        return {};
    }

    Result<> think(const std::string& word) {
        if (word == "on") return partner_.set_thinking(true);
        if (word == "off") return partner_.set_thinking(false);
        if (word == "auto") return partner_.set_thinking(std::nullopt);
        return fail(ErrorKind::bad_request, fmt::format("/think {} is not known", word), "write on, off or auto");
    }

    Result<> json(const std::string& word) {
        if (word == "on") return partner_.set_form(AnswerForm::json, "");
        if (word == "off") return partner_.set_form(AnswerForm::any, "");
        return fail(ErrorKind::bad_request, fmt::format("/json {} is not known", word), "write on or off");
    }

    Result<> show_thoughts() {
        const Json::Array& messages = partner_.messages().items();
        const Json* thought = messages.empty() ? nullptr : messages.back().find("reasoning_content");
        if (!thought || !thought->is_string() || thought->as_string().empty())
            return fail(ErrorKind::not_found, "the last answer has no thoughts", "/think on may bring some");
        fmt::print(stderr, "{}\n", harmless_text(thought->as_string()));
        return {};
    }

    Result<> save(const std::string& file) {
        TRY(write_file(file, Json(Json::Object{{"messages", partner_.messages()}}).dump(2) + "\n"));
        notice(fmt::format("{} messages are in {}", partner_.messages().items().size(), file));
        return {};
    }

    Result<> load(const std::string& file) {
        std::error_code ignored;
        if (!std::filesystem::exists(file, ignored) && file.find_first_of("/.") == std::string::npos) {
            TRY(partner_.go_on_with(file));
            question_.clear();
            return {};
        }
        if (std::filesystem::is_directory(file, ignored))
            return fail(ErrorKind::bad_file, file + " is a folder", "give a file that /save wrote");
        const std::string text = TRY(read_file(file));
        auto messages = read_conversation(text);
        if (!messages)
            return fail(messages.error().kind, fmt::format("{}: {}", file, messages.error().what),
                        messages.error().try_this);
        partner_.forget();
        partner_.messages() = std::move(*messages);
        question_.clear();
        const std::string question = last_question(partner_.messages());
        notice(fmt::format("{} messages{}", partner_.messages().items().size(),
                           question.empty() ? "" : "; the last question was: " + question.substr(0, 200)));
        return {};
    }

    Result<> retry() {
        Json& messages = partner_.messages();
        if (last_question(messages).empty() && question_.empty())
            return fail(ErrorKind::bad_request, "there is no question yet");
        const bool has_question =
            !last_question(messages).empty() && (question_.empty() || last_question(messages) == question_);
        if (!has_question) {  // it was stopped before anything was said
            ask(question_);
            return {};
        }
        const Json before = messages;
        cut_last_question(messages, true);
        const size_t cut = messages.items().size();
        auto reason = partner_.answer_again();
        // Nothing came in its place, be it by an error or by Ctrl-C.
        if (partner_.messages().items().size() == cut) partner_.messages() = before;
        finish(std::move(reason));
        return {};
    }

    Result<> edit() {
        Json& messages = partner_.messages();
        const std::string last = last_question(messages);
        if (last.empty() && question_.empty()) return fail(ErrorKind::bad_request, "there is no question yet");
        const bool has_question = !last.empty() && (question_.empty() || last == question_);
        const std::string text = has_question ? last : question_;
        std::string changed;
        if (editor_.read("edit> ", text, changed) != LineEditor::Outcome::text || changed.empty()) return {};
        const Json before = messages;
        if (has_question) cut_last_question(messages, false);
        question_ = changed;
        const size_t cut = messages.items().size();
        auto reason = partner_.answer(changed);
        if (partner_.messages().items().size() == cut) partner_.messages() = before;
        finish(std::move(reason));
        return {};
    }

    Partner& partner_;
    LineEditor editor_;
    ToolLoop tools_;
    std::string question_;  // the last one that was asked
    bool is_over_ = false;
};

}  // namespace

Result<> talk(Partner& partner, const std::string& history_file, const ToolLoop& tools) {
    Dialogue(partner, history_file, tools).run();
    return {};
}

}  // namespace hearth::cli
