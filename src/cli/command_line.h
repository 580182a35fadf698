// The words of the command line: every command says here what it takes, and its values are there when it runs. Only
// command_line.cpp knows the library that parses them; its templates are slow to compile.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace hearth::cli {

struct KnownSettings;

// A flag whose value can also come from elsewhere than the command line.
enum class ValueKind { truth, whole, number, text, wholes, texts };
struct Setting {
    std::string name;  // without dashes: "max-body"
    ValueKind kind;
};
// A value from elsewhere, as it would have been typed, and where that is, for messages: "config.toml:4".
struct SettingValue {
    std::string name;
    std::vector<std::string> values;
    std::string origin;
    int rank = 1;  // the less, the more say has who gave it; equal: the same source
};
// What counts in the end, as TOML, and where it comes from.
struct EffectiveSetting {
    std::string name, value;  // value: empty where nothing is set
    std::string origin;
};

// One word or flag of a command; what is known about it can be refined.
class Argument {
public:
    Argument() = default;
    explicit Argument(CLI::Option* option) : option_(option) {}

    Argument& required();
    Argument& show_default();  // in the help, as it is now
    Argument& between(int64_t least, int64_t most);
    Argument& one_of(const std::vector<std::string>& choices);
    Argument& separated_by(char separator);
    Argument& excludes(const Argument& other);
    Argument& in_group(const std::string& name);
    Argument& changed_by(std::function<std::string(const std::string&)> change);  // what was typed -> what it means

    bool was_given() const;

private:
    CLI::Option* option_ = nullptr;
};

// A command, or the program itself, whose commands are then its words. References must outlive it.
class Command {
public:
    Command() = default;
    Command(CLI::App* app, int* exit_code, std::shared_ptr<KnownSettings> known)
        : app_(app), exit_code_(exit_code), known_(std::move(known)) {}

    Command add_command(const std::string& name, const std::string& text);
    void needs_command();

    // "MODEL" is a word at its place, "--threads" or "-n,--max-tokens" a flag with a value.
    Argument add(const std::string& name, std::string& value, const std::string& text);
    Argument add(const std::string& name, int& value, const std::string& text);
    Argument add(const std::string& name, int64_t& value, const std::string& text);
    Argument add(const std::string& name, uint64_t& value, const std::string& text);
    Argument add(const std::string& name, float& value, const std::string& text);
    Argument add(const std::string& name, std::vector<std::string>& values, const std::string& text);
    Argument add(const std::string& name, std::vector<int64_t>& values, const std::string& text);
    Argument add_flag(const std::string& name, bool& value, const std::string& text);
    // "--continue{latest}": alone it means "latest", --continue=TEXT something else. Takes no word behind it.
    Argument add_flag(const std::string& name, std::string& value, const std::string& text);
    void add_footer(const std::string& text);
    bool was_given(const std::string& name) const;
    int rank_of(const std::string& name) const;  // of who gave its value; 0: the command line

    // From here on all its flags but `typed_only` ("--tools") are settings: what the command line does not say comes
    // from `source`, of several values for a setting the first. It is asked once the command line has been read; errors
    // of it and wrong values are wrong usage.
    void take_settings(std::function<Result<std::vector<SettingValue>>()> source,
                       const std::vector<std::string>& typed_only);
    // Of every command that takes settings, by its name.
    std::map<std::string, std::vector<Setting>> known_settings() const;
    std::vector<EffectiveSetting> effective_settings() const;  // of this one

    // What it does; an error is reported, and the number is the program's exit code.
    void runs(std::function<Result<>()> action);
    void runs(std::function<Result<int>()> action);

private:
    Argument known(CLI::Option* option, ValueKind kind, std::function<std::string()> shown);
    void complete(const std::vector<SettingValue>& values) const;

    CLI::App* app_ = nullptr;
    int* exit_code_ = nullptr;
    std::shared_ptr<KnownSettings> known_;
};

class Program {
public:
    Program(const std::string& name, const std::string& text, std::string (*version)());
    ~Program();
    Command& commands() { return commands_; }
    int run(int count, char** words);

private:
    std::unique_ptr<CLI::App> app_;
    int exit_code_ = 0;
    std::shared_ptr<KnownSettings> known_;
    Command commands_;
};

}  // namespace hearth::cli
