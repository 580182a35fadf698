#include "cli/command_line.h"

#include <CLI/CLI.hpp>

#include "cli/console.h"

namespace hearth::cli {

Argument& Argument::required() {
    option_->required();
    return *this;
}

Argument& Argument::show_default() {
    option_->capture_default_str();
    return *this;
}

Argument& Argument::between(int64_t least, int64_t most) {
    option_->check(CLI::Range(least, most));
    return *this;
}

Argument& Argument::one_of(const std::vector<std::string>& choices) {
    option_->check(CLI::IsMember(choices));
    return *this;
}

Argument& Argument::separated_by(char separator) {
    option_->delimiter(separator);
    return *this;
}

Argument& Argument::excludes(const Argument& other) {
    option_->excludes(other.option_);
    return *this;
}

Argument& Argument::in_group(const std::string& name) {
    option_->group(name);
    return *this;
}

Argument& Argument::changed_by(std::function<std::string(const std::string&)> change) {
    option_->transform(std::move(change));
    return *this;
}

bool Argument::was_given() const {
    return option_->count() > 0;
}

Command Command::add_command(const std::string& name, const std::string& text) {
    return {app_->add_subcommand(name, text), exit_code_};
}

void Command::needs_command() {
    app_->require_subcommand(1);
}

Argument Command::add(const std::string& name, std::string& value, const std::string& text) {
    return Argument(app_->add_option(name, value, text));
}

Argument Command::add(const std::string& name, int& value, const std::string& text) {
    return Argument(app_->add_option(name, value, text));
}

Argument Command::add(const std::string& name, int64_t& value, const std::string& text) {
    return Argument(app_->add_option(name, value, text));
}

Argument Command::add(const std::string& name, uint64_t& value, const std::string& text) {
    return Argument(app_->add_option(name, value, text));
}

Argument Command::add(const std::string& name, float& value, const std::string& text) {
    return Argument(app_->add_option(name, value, text));
}

Argument Command::add(const std::string& name, std::vector<std::string>& values, const std::string& text) {
    return Argument(app_->add_option(name, values, text));
}

Argument Command::add(const std::string& name, std::vector<int64_t>& values, const std::string& text) {
    return Argument(app_->add_option(name, values, text));
}

Argument Command::add_flag(const std::string& name, bool& value, const std::string& text) {
    return Argument(app_->add_flag(name, value, text));
}

Argument Command::add_flag(const std::string& name, std::string& value, const std::string& text) {
    return Argument(app_->add_flag(name, value, text));
}

void Command::add_footer(const std::string& text) {
    app_->footer(text);
}

bool Command::was_given(const std::string& name) const {
    return app_->count(name) > 0;
}

void Command::runs(std::function<Result<>()> action) {
    app_->callback([action = std::move(action), exit_code = exit_code_] {
        if (const auto done = action(); !done) *exit_code = report(done.error());
    });
}

void Command::runs(std::function<Result<int>()> action) {
    app_->callback([action = std::move(action), exit_code = exit_code_] {
        const auto done = action();
        *exit_code = done ? *done : report(done.error());
    });
}

Program::Program(const std::string& name, const std::string& text, std::string (*version)())
    : app_(std::make_unique<CLI::App>(text, name)), commands_(app_.get(), &exit_code_) {
    app_->set_version_flag("--version", version);
    app_->require_subcommand(1);
    app_->failure_message(CLI::FailureMessage::simple);
}

Program::~Program() = default;

int Program::run(int count, char** words) {
    const std::string program = app_->get_name();
    try {
        app_->parse(count, words);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == int(CLI::ExitCodes::Success)) return app_->exit(error);  // --help, --version
        const std::string command = count > 1 && words[1][0] != '-' ? words[1] : "";
        const auto named = app_->get_subcommands([&](const CLI::App* one) { return one->get_name() == command; });
        if (!command.empty() && named.empty())
            return wrong_usage("there is no command \"" + command + "\"; `" + program + " --help` lists them");
        return wrong_usage(std::string(error.what()) + "; `" + program + (command.empty() ? "" : " " + command) +
                           " --help` tells how it is used");
    } catch (const std::bad_alloc&) {
        return report({ErrorKind::out_of_memory, "out of memory", "use a smaller --ctx or a smaller model"});
    }
    return exit_code_;
}

}  // namespace hearth::cli
