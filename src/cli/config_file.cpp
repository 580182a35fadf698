#include "cli/config_file.h"

#include <sstream>
#include <toml.hpp>

namespace hearth::cli {

namespace {

std::unexpected<Error> wrong(const std::string& name, size_t line, const std::string& what) {
    return fail(ErrorKind::bad_request, fmt::format("{}:{}: {}", name, line, what));
}

// The kind and text of one value; false: of a kind that no setting has.
bool read_one(const toml::value& value, ValueKind& kind, std::string& text) {
    switch (value.type()) {
        case toml::value_t::boolean:
            kind = ValueKind::truth;
            text = value.as_boolean() ? "true" : "false";
            return true;
        case toml::value_t::integer:
            kind = ValueKind::whole;
            text = std::to_string(value.as_integer());
            return true;
        case toml::value_t::floating:
            kind = ValueKind::number;
            text = fmt::format("{}", value.as_floating());
            return true;
        case toml::value_t::string:
            kind = ValueKind::text;
            text = value.as_string().str;
            return true;
        default:
            return false;
    }
}

Result<FileValue> read_value(const toml::value& value, const std::string& file) {
    FileValue read{.line = int(value.location().line())};
    std::string text;
    if (!value.is_array()) {
        if (!read_one(value, read.kind, text))
            return wrong(file, size_t(read.line), "settings are texts, numbers, true, false, and lists of these");
        read.values.push_back(std::move(text));
        return read;
    }
    read.kind = ValueKind::texts;
    for (const toml::value& one : value.as_array()) {
        ValueKind kind{};
        if (!read_one(one, kind, text) || (kind != ValueKind::text && kind != ValueKind::whole))
            return wrong(file, size_t(read.line), "a list holds texts or whole numbers");
        const ValueKind whole_list = kind == ValueKind::text ? ValueKind::texts : ValueKind::wholes;
        if (!read.values.empty() && read.kind != whole_list)
            return wrong(file, size_t(read.line), "a list holds either texts or numbers");
        read.kind = whole_list;
        read.values.push_back(text);
    }
    if (read.values.empty()) return wrong(file, size_t(read.line), "the list is empty; leave the setting away");
    return read;
}

Result<> read_table(const toml::table& table, const std::string& name, const std::string& file,
                    std::vector<FileValue>& found) {
    for (const auto& [key, value] : table) {
        if (value.is_table()) {
            if (!name.empty())
                return wrong(file, value.location().line(), fmt::format("there are no tables in [{}]", name));
            TRY(read_table(value.as_table(), key, file, found));
            continue;
        }
        FileValue read = TRY(read_value(value, file));
        read.table = name;
        read.name = key;
        found.push_back(std::move(read));
    }
    return {};
}

// Of "[error] toml::parse_table: invalid line format\n --> config.toml ...": what it says.
std::string complaint_of(std::string_view message) {
    message = message.substr(0, message.find('\n'));
    if (const size_t end = message.find("] "); message.starts_with('[') && end != message.npos)
        message.remove_prefix(end + 2);
    if (const size_t end = message.find(": "); message.starts_with("toml::") && end != message.npos)
        message.remove_prefix(end + 2);
    return "this is not TOML: " + std::string(message);
}

}  // namespace

Result<std::vector<FileValue>> parse_settings(std::string_view text, const std::string& name) {
    std::vector<FileValue> found;
    try {
        std::istringstream stream{std::string(text)};
        const toml::value file = toml::parse(stream, name);
        TRY(read_table(file.as_table(), "", name, found));
    } catch (const toml::exception& error) {
        return wrong(name, error.location().line(), complaint_of(error.what()));
    } catch (const std::exception& error) {
        return fail(ErrorKind::bad_request, fmt::format("{}: {}", name, complaint_of(error.what())));
    }
    std::ranges::sort(found, {}, &FileValue::line);  // its tables are unordered
    return found;
}

}  // namespace hearth::cli
