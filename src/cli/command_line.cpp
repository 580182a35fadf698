#include "cli/command_line.h"

#include <CLI/CLI.hpp>

#include "cli/console.h"

namespace hearth::cli {

// Every flag of every command, with what is known of its value.
struct KnownSettings {
    struct One {
        const CLI::App* command;
        CLI::Option* option;
        Setting setting;
        std::function<std::string()> shown;  // the value as TOML
        std::string origin;                  // empty: the command line, if it was given at all
        int rank = 0;                        // of who gave it; 0: the command line
        bool is_typed_only = true;
    };
    std::vector<One> all;

    // A setting that is on and excludes this one.
    const One* rival_of(const One& one) const {
        const auto excluded = one.option->get_excludes();
        for (const One& other : all)
            if (excluded.contains(other.option) && other.option->count() > 0 &&
                other.option->results() != std::vector<std::string>{"false"})
                return &other;
        return nullptr;
    }
};

namespace {

// Wrong values from elsewhere, on their way out of the parser.
struct SettingsError {
    Error error;
};

std::string toml_text(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (uint8_t(c) < 0x20 || c == 0x7F)
            out += fmt::format("\\u{:04X}", uint8_t(c));
        else
            out += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
    }
    return out + '"';
}
std::string toml_of(const std::string& value) {
    return value.empty() ? "" : toml_text(value);
}
std::string toml_of(bool value) {
    return value ? "true" : "false";
}
template <class Number>
std::string toml_of(Number value) {
    return fmt::format("{}", value);
}
std::string toml_of(const std::vector<std::string>& values) {
    std::vector<std::string> quoted;
    for (const std::string& one : values) quoted.push_back(toml_text(one));
    return values.empty() ? "" : fmt::format("[{}]", fmt::join(quoted, ", "));
}
std::string toml_of(const std::vector<int64_t>& values) {
    return values.empty() ? "" : fmt::format("[{}]", fmt::join(values, ", "));
}

// "--port: Value 70000 not in range [0 - 65535]" without what stands in front: the name is said already.
std::string without_flag(const std::string& complaint, const std::string& flag) {
    return complaint.starts_with(flag + ": ") ? complaint.substr(flag.size() + 2) : complaint;
}

}  // namespace

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
    return {app_->add_subcommand(name, text), exit_code_, known_};
}

void Command::needs_command() {
    app_->require_subcommand(1);
}

Argument Command::add(const std::string& name, std::string& value, const std::string& text) {
    return known(app_->add_option(name, value, text), ValueKind::text, [&value] { return toml_of(value); });
}

Argument Command::add(const std::string& name, int& value, const std::string& text) {
    return known(app_->add_option(name, value, text), ValueKind::whole, [&value] { return toml_of(value); });
}

Argument Command::add(const std::string& name, int64_t& value, const std::string& text) {
    return known(app_->add_option(name, value, text), ValueKind::whole, [&value] { return toml_of(value); });
}

Argument Command::add(const std::string& name, uint64_t& value, const std::string& text) {
    return known(app_->add_option(name, value, text), ValueKind::whole, [&value] { return toml_of(value); });
}

Argument Command::add(const std::string& name, float& value, const std::string& text) {
    return known(app_->add_option(name, value, text), ValueKind::number, [&value] { return toml_of(value); });
}

Argument Command::add(const std::string& name, std::vector<std::string>& values, const std::string& text) {
    return known(app_->add_option(name, values, text), ValueKind::texts, [&values] { return toml_of(values); });
}

Argument Command::add(const std::string& name, std::vector<int64_t>& values, const std::string& text) {
    return known(app_->add_option(name, values, text), ValueKind::wholes, [&values] { return toml_of(values); });
}

Argument Command::add_flag(const std::string& name, bool& value, const std::string& text) {
    return known(app_->add_flag(name, value, text), ValueKind::truth, [&value] { return toml_of(value); });
}

Argument Command::known(CLI::Option* option, ValueKind kind, std::function<std::string()> shown) {
    if (!option->get_lnames().empty())
        known_->all.push_back({app_, option, {option->get_lnames()[0], kind}, std::move(shown)});
    return Argument(option);
}

void Command::take_settings(std::function<Result<std::vector<SettingValue>>()> source,
                            const std::vector<std::string>& typed_only) {
    for (auto& one : known_->all)
        if (one.command == app_)
            one.is_typed_only = std::ranges::find(typed_only, "--" + one.setting.name) != typed_only.end();
    app_->parse_complete_callback([self = *this, source = std::move(source)] {
        const auto values = source();
        if (!values) throw SettingsError{values.error()};
        self.complete(*values);
    });
}

void Command::complete(const std::vector<SettingValue>& values) const {
    const auto refuse = [](const SettingValue& value, const std::string& why) {
        throw SettingsError{{ErrorKind::bad_request, value.origin + ": " + why, {}}};
    };
    for (const SettingValue& value : values)
        for (auto& one : known_->all) {
            if (one.command != app_ || one.is_typed_only || one.setting.name != value.name) continue;
            if (one.option->count() > 0) continue;  // somebody with more say was first
            const KnownSettings::One* rival = known_->rival_of(one);
            // Who has more say switches off what cannot go together with it.
            if (rival && rival->rank < value.rank) continue;
            if (rival && value.values != std::vector<std::string>{"false"})
                refuse(value, fmt::format("{} and {} exclude each other", value.name, rival->setting.name));
            one.origin = value.origin;
            one.rank = value.rank;
            try {
                one.option->add_result(value.values);
                one.option->run_callback();
            } catch (const CLI::ParseError& error) {
                refuse(value, without_flag(error.what(), "--" + value.name));
            }
        }
}

std::map<std::string, std::vector<Setting>> Command::known_settings() const {
    std::map<std::string, std::vector<Setting>> found;
    for (const auto& one : known_->all)
        if (!one.is_typed_only) found[one.command->get_name()].push_back(one.setting);
    return found;
}

std::vector<EffectiveSetting> Command::effective_settings() const {
    std::vector<EffectiveSetting> found;
    for (const auto& one : known_->all) {
        if (one.command != app_ || one.is_typed_only) continue;
        const bool is_given = one.option->count() > 0;
        // Where the help does not tell a number's default, it is a sign for "as it fits", chosen at the start.
        const bool is_open = !is_given && one.setting.kind != ValueKind::truth && one.setting.kind != ValueKind::text &&
                             one.option->get_default_str().empty();
        found.push_back({one.setting.name, is_open ? "" : one.shown(),
                         !is_given            ? "built-in"
                         : one.origin.empty() ? "--" + one.setting.name
                                              : one.origin});
    }
    return found;
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

int Command::rank_of(const std::string& name) const {
    for (const auto& one : known_->all)
        if (one.command == app_ && one.option->check_name(name)) return one.rank;
    return 0;
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
    : app_(std::make_unique<CLI::App>(text, name)),
      known_(std::make_shared<KnownSettings>()),
      commands_(app_.get(), &exit_code_, known_) {
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
    } catch (const SettingsError& wrong) {
        return wrong_usage(wrong.error.line());
    } catch (const std::bad_alloc&) {
        return report({ErrorKind::out_of_memory, "out of memory", "use a smaller --ctx or a smaller model"});
    }
    return exit_code_;
}

}  // namespace hearth::cli
