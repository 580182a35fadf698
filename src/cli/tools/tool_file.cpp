#include "cli/tools/tool_file.h"

#include <filesystem>
#include <optional>

#include "chat/tools.h"
#include "cli/console.h"

namespace hearth::cli {

namespace {

namespace fs = std::filesystem;

constexpr double kMostSeconds = 86400;
constexpr int64_t kMostOutputBytes = int64_t{1} << 30;

// Reads the object behind "command" of one tool.
class CommandReader {
public:
    CommandReader(std::string tool, const std::string& folder) : folder_(folder) { command_.tool = std::move(tool); }

    Result<ToolCommand> read(const Json& object) {
        if (!object.is_object()) return wrong("is no object", R"(write "command": {"argv": ["program", "word"]})");
        for (const auto& [key, value] : object.members()) TRY(read(key, value));
        if (command_.argv.empty()) return wrong("has no argv", R"(write "argv": ["program", "word"])");
        return std::move(command_);
    }

private:
    std::unexpected<Error> wrong(const std::string& what, std::string try_this) const {
        return fail(ErrorKind::bad_file, fmt::format("the command of tool {} {}", command_.tool, what),
                    std::move(try_this));
    }

    Result<> read(const std::string& key, const Json& value) {
        if (key == "argv") return read_argv(value);
        if (key == "directory") {
            if (!value.is_string() || value.as_string().empty() || has_zero(value.as_string()))
                return wrong("has a directory that is no path", R"(write for example "directory": ".")");
            command_.directory = from_folder(value.as_string());
            return {};
        }
        if (key == "timeout") {
            if (!value.is_number() || !(value.as_double() > 0) || value.as_double() > kMostSeconds)
                return wrong(fmt::format("has the timeout {}", value.dump()),
                             fmt::format("give seconds, more than 0 and at most {}", kMostSeconds));
            command_.timeout_seconds = value.as_double();
            return {};
        }
        if (key == "output_limit") {
            if (!value.is_number() || value.as_int(-1) < 1 || value.as_int() > kMostOutputBytes)
                return wrong(fmt::format("has the output_limit {}", value.dump()),
                             fmt::format("give bytes, a whole number from 1 to {}", kMostOutputBytes));
            command_.output_limit_bytes = value.as_int();
            return {};
        }
        if (key == "allow") {
            const std::string word = value.is_string() ? value.as_string() : "";
            if (word != "ask" && word != "always")
                return wrong(fmt::format("has the allow {}", value.dump()), R"(write "ask" or "always")");
            command_.is_allowed = word == "always";
            return {};
        }
        return wrong(fmt::format("has the unknown key {}", key),
                     "argv, directory, timeout, output_limit and allow are known");
    }

    Result<> read_argv(const Json& list) {
        static constexpr const char* kForm = R"(write "argv": ["program", "word"], all of them strings)";
        if (!list.is_array() || list.items().empty()) return wrong("has an argv that is no list of words", kForm);
        for (const Json& word : list.items()) {
            if (!word.is_string()) return wrong(fmt::format("has {} in its argv", word.dump()), kForm);
            if (has_zero(word.as_string())) return wrong("has a zero byte in its argv", kForm);
            command_.argv.push_back(word.as_string());
        }
        std::string& program = command_.argv[0];
        if (program.empty()) return wrong("names no program", kForm);
        if (program.find('/') != std::string::npos) program = from_folder(program);
        return {};
    }

    static bool has_zero(const std::string& text) { return text.find('\0') != std::string::npos; }
    std::string from_folder(const std::string& path) const { return (fs::path(folder_) / path).lexically_normal(); }

    const std::string& folder_;
    ToolCommand command_;
};

// Takes the entry's command out of it.
std::optional<Json> take_command(Json& entry) {
    if (!entry.is_object()) return std::nullopt;
    auto& members = entry.members();
    for (auto member = members.begin(); member != members.end(); ++member) {
        if (member->first != "command") continue;
        Json command = std::move(member->second);
        members.erase(member);
        return command;
    }
    return std::nullopt;
}

}  // namespace

Result<ToolFile> read_tools(Json list, const std::string& folder) {
    TRY(chat::Tools::read(list));
    ToolFile file;
    if (!list.is_array()) return file;
    for (Json& entry : list.items()) {
        const Json* function = entry.find("function");
        const std::string name = (function ? *function : entry).find("name")->as_string();
        if (function && function->find("command"))
            return fail(ErrorKind::bad_file, fmt::format("the command of tool {} stands inside its function", name),
                        "write it beside \"function\"");
        if (const auto command = take_command(entry))
            file.commands.push_back(TRY(CommandReader(name, folder).read(*command)));
    }
    file.tools = std::move(list);
    return file;
}

Result<ToolFile> read_tool_file(const std::string& path) {
    auto list = Json::parse(TRY(read_file(path)));
    if (!list) return fail(ErrorKind::bad_file, path + " is " + list.error().what, "write a list of tools");
    std::error_code failed;
    const fs::path whole = fs::absolute(path, failed);
    return read_tools(std::move(*list), failed ? fs::path(path).parent_path() : whole.parent_path());
}

}  // namespace hearth::cli
