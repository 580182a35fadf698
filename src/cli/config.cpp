#include "cli/config.h"

#include <charconv>
#include <filesystem>

#include "base/os.h"
#include "cli/config_file.h"
#include "cli/console.h"

namespace hearth::cli {

namespace {

namespace fs = std::filesystem;
using KnownNames = std::map<std::string, std::vector<Setting>>;  // of every command

// Who has more say: the command line has rank 0.
constexpr int kEnvironment = 1, kOwnTable = 2, kWholeFile = 3;

constexpr uintmax_t kMostBytes = 256 << 10;

std::string_view name_of(ValueKind kind) {
    switch (kind) {
        case ValueKind::truth:
            return "true or false";
        case ValueKind::whole:
            return "a whole number";
        case ValueKind::number:
            return "a number";
        case ValueKind::text:
            return "a text in quotes";
        case ValueKind::wholes:
            return "a list of whole numbers";
        case ValueKind::texts:
            return "a list of texts";
    }
    return "";
}

// A list may have one element without brackets, and a number may be whole.
bool fits(ValueKind value, ValueKind setting) {
    return value == setting || (value == ValueKind::text && setting == ValueKind::texts) ||
           (value == ValueKind::whole && (setting == ValueKind::number || setting == ValueKind::wholes));
}

const Setting* find(const std::vector<Setting>& settings, const std::string& name) {
    for (const Setting& one : settings)
        if (one.name == name) return &one;
    return nullptr;
}

// Letters that must change to make one word the other, as far as they matter: more than two is no slip.
int distance(const std::string& a, const std::string& b) {
    std::vector<int> row(b.size() + 1);
    for (size_t j = 0; j <= b.size(); ++j) row[j] = int(j);
    for (size_t i = 1; i <= a.size(); ++i) {
        int corner = std::exchange(row[0], int(i));
        for (size_t j = 1; j <= b.size(); ++j) {
            const int change = corner + (a[i - 1] == b[j - 1] ? 0 : 1);
            corner = row[j];
            row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row[b.size()];
}

std::string guess(const std::string& name, const std::vector<Setting>& settings) {
    std::string underscored = name, best;
    std::ranges::replace(underscored, '_', '-');
    int least = 3;
    for (const Setting& one : settings)
        if (const int changes = distance(underscored, one.name); changes < least) {
            least = changes;
            best = one.name;
        }
    return best.empty() ? "" : fmt::format(" (did you mean {}?)", best);
}

std::string variable_of(const std::string& name) {
    std::string variable = "HEARTH_";
    for (const char c : name) variable += c == '-' ? '_' : char(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    return variable;
}

// Of "a,b": both.
std::vector<std::string> parts_of(const std::string& text) {
    std::vector<std::string> parts;
    for (size_t begin = 0; begin <= text.size();) {
        const size_t end = std::min(text.find(',', begin), text.size());
        if (end > begin) parts.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return parts;
}

std::string truth_of(const std::string& text) {
    for (const char* word : {"1", "true", "yes", "on"})
        if (text == word) return "true";
    for (const char* word : {"0", "false", "no", "off"})
        if (text == word) return "false";
    return "";
}

std::string usual_file() {
    if (const std::string home = environment("HEARTH_HOME"); !home.empty()) return home + "/config.toml";
    if (const std::string folder = environment("XDG_CONFIG_HOME"); folder.starts_with('/'))
        return folder + "/hearth/config.toml";
    const std::string home = environment("HOME");
    return home.empty() ? "" : home + "/.config/hearth/config.toml";
}

// Text of the file that counts and its path; an empty path: there is none.
struct SettingsText {
    std::string path, text;
};
Result<SettingsText> read_settings_file(const std::string& asked) {
    const std::string path = asked.empty() ? usual_file() : asked;
    std::error_code failed;
    const fs::file_status status = fs::status(path, failed);
    if (path.empty() || (asked.empty() && !fs::exists(status))) return SettingsText{};
    if (!fs::exists(status))
        return fail(ErrorKind::not_found, fmt::format("there is no file {}", path), "check --config");
    if (!fs::is_regular_file(status) || fs::file_size(path, failed) > kMostBytes || failed)
        return fail(ErrorKind::bad_file, fmt::format("{} is no file of at most {} KiB", path, kMostBytes >> 10),
                    "check --config");
    return SettingsText{path, TRY(read_file(path))};
}

Result<std::vector<SettingValue>> settings_of_environment(const std::vector<Setting>& settings) {
    std::vector<SettingValue> found;
    for (const Setting& one : settings) {
        const std::string variable = variable_of(one.name), text = environment(variable.c_str());
        if (text.empty()) continue;
        SettingValue value{.name = one.name, .values = {text}, .origin = variable, .rank = kEnvironment};
        if (one.kind == ValueKind::truth) {
            value.values = {truth_of(text)};
            if (value.values[0].empty())
                return fail(ErrorKind::bad_request, fmt::format("{}={} is neither true nor false", variable, text),
                            "set it to 1 or 0");
        } else if (one.kind == ValueKind::texts || one.kind == ValueKind::wholes) {
            value.values = parts_of(text);
            if (value.values.empty()) continue;
        }
        found.push_back(std::move(value));
    }
    return found;
}

Result<std::vector<SettingValue>> settings_of_text(std::string_view text, const std::string& file_name,
                                                   const std::string& command, const KnownNames& known) {
    const std::vector<FileValue> values = TRY(parse_settings(text, file_name));
    std::vector<SettingValue> own, general;
    std::string tables;
    std::vector<Setting> all;
    for (const auto& [name, settings] : known) {
        tables += fmt::format("{}[{}]", tables.empty() ? "" : ", ", name);
        all.insert(all.end(), settings.begin(), settings.end());
    }
    for (const FileValue& value : values) {
        const std::string origin = fmt::format("{}:{}", file_name, value.line);
        const auto table = known.find(value.table);
        if (!value.table.empty() && table == known.end())
            return fail(ErrorKind::bad_request,
                        fmt::format("{}: there is no table [{}], only {}", origin, value.table, tables));
        const std::vector<Setting>& candidates = value.table.empty() ? all : table->second;
        const Setting* setting = find(candidates, value.name);
        if (!setting)
            return fail(
                ErrorKind::bad_request,
                fmt::format("{}: there is no setting {}{}{}", origin, value.name,
                            value.table.empty() ? "" : " in [" + value.table + "]", guess(value.name, candidates)),
                fmt::format("`hearth {} --check-config` lists them", value.table.empty() ? "serve" : value.table));
        if (!fits(value.kind, setting->kind))
            return fail(ErrorKind::bad_request, fmt::format("{}: {} is {}, and must be {}", origin, value.name,
                                                            name_of(value.kind), name_of(setting->kind)));
        if (value.table.empty() || value.table == command)
            (value.table.empty() ? general : own)
                .push_back({value.name, value.values, origin, value.table.empty() ? kWholeFile : kOwnTable});
    }
    own.insert(own.end(), general.begin(), general.end());
    return own;
}

}  // namespace

void add_settings(Command& command, const std::string& name, std::vector<std::string> typed_only) {
    const auto config = std::make_shared<std::string>();
    command.add("--config", *config,
                "Take settings from this TOML file (default: config.toml in ~/.config/hearth, where there is one)");
    typed_only.emplace_back("--config");
    command.take_settings(
        [command, name, config]() -> Result<std::vector<SettingValue>> {
            const KnownNames known = command.known_settings();
            std::vector<SettingValue> values = TRY(settings_of_environment(known.at(name)));
            const SettingsText file = TRY(read_settings_file(*config));
            if (file.path.empty()) return values;
            const auto of_file = TRY(settings_of_text(file.text, file.path, name, known));
            values.insert(values.end(), of_file.begin(), of_file.end());
            return values;
        },
        typed_only);
}

std::string settings_text(const Command& command) {
    std::string text;
    for (const EffectiveSetting& one : command.effective_settings()) {
        const std::string line =
            one.value.empty() ? fmt::format("# {} =", one.name) : fmt::format("{} = {}", one.name, one.value);
        text += fmt::format("{:<40}  # {}\n", line, one.origin);
    }
    return text;
}

}  // namespace hearth::cli
