// Json: values by hand, parsing by Boost.JSON's event parser (it validates, bounds the depth, and hands out number
// text).
#include "base/json.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/src.hpp>
#include <charconv>
#include <cmath>

#include "base/text_format.h"

namespace hearth {

void append_json_escaped(std::string_view text, std::string& out) {
    for (const char c : text) switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\t':
                out += "\\t";
                break;
            case '\b':
                out += "\\b";
                break;
            case '\f':
                out += "\\f";
                break;
            default:
                if (uint8_t(c) < 0x20)
                    out += fmt::format("\\u{:04x}", uint8_t(c));
                else
                    out += c;
        }
}

Json::Json(int64_t value) : value_(Number{std::to_string(value)}) {}
Json::Json(uint64_t value) : value_(Number{std::to_string(value)}) {}
Json::Json(double value) {
    if (std::isfinite(value)) value_ = Number{fmt::format("{}", value)};
}

double Json::as_double() const {
    const std::string& text = number_text();
    double value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (read.ec == std::errc::result_out_of_range) return std::strtod(text.c_str(), nullptr);
    return value;
}

bool Json::is_integer() const {
    if (!is_number()) return false;
    const std::string& text = number_text();
    int64_t value;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (read.ec == std::errc() && read.ptr == text.data() + text.size()) return true;
    const double number = as_double();
    return std::floor(number) == number && std::abs(number) < 9.2e18;
}

int64_t Json::as_int(int64_t if_not_integer) const {
    if (!is_integer()) return if_not_integer;
    const std::string& text = number_text();
    int64_t value;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (read.ec == std::errc() && read.ptr == text.data() + text.size()) return value;
    return int64_t(as_double());
}

const Json* Json::find(std::string_view key) const {
    if (!is_object()) return nullptr;
    for (const auto& [name, value] : members())
        if (name == key) return &value;
    return nullptr;
}

void Json::set(std::string key, Json value) {
    for (auto& [name, old] : members())
        if (name == key) {
            old = std::move(value);
            return;
        }
    members().emplace_back(std::move(key), std::move(value));
}

namespace {

void write_string(std::string& out, std::string_view text) {
    out += '"';
    append_json_escaped(valid_utf8(text), out);
    out += '"';
}

// Receives the parser's events and builds the value bottom-up: finished values lie on a stack until their container
// closes.
struct Builder {
    static constexpr std::size_t max_array_size = -1, max_object_size = -1, max_string_size = -1, max_key_size = -1;
    using Code = boost::system::error_code;
    using View = boost::json::string_view;
    std::vector<Json> values;
    std::vector<std::string> keys;
    std::string text, number;

    bool on_document_begin(Code&) { return true; }
    bool on_document_end(Code&) { return true; }
    bool on_array_begin(Code&) { return true; }
    bool on_array_end(std::size_t count, Code&) {
        Json::Array items(std::make_move_iterator(values.end() - count), std::make_move_iterator(values.end()));
        values.resize(values.size() - count);
        values.emplace_back(std::move(items));
        return true;
    }
    bool on_object_begin(Code&) { return true; }
    bool on_object_end(std::size_t count, Code&) {
        Json::Object members;
        members.reserve(count);
        for (std::size_t i = 0; i < count; ++i)
            members.emplace_back(std::move(keys[keys.size() - count + i]),
                                 std::move(values[values.size() - count + i]));
        keys.resize(keys.size() - count);
        values.resize(values.size() - count);
        values.emplace_back(std::move(members));
        return true;
    }
    bool on_string_part(View part, std::size_t, Code&) { return text.append(part.data(), part.size()), true; }
    bool on_string(View part, std::size_t, Code&) {
        text.append(part.data(), part.size());
        values.emplace_back(std::exchange(text, {}));
        return true;
    }
    bool on_key_part(View part, std::size_t, Code&) { return text.append(part.data(), part.size()), true; }
    bool on_key(View part, std::size_t, Code&) {
        text.append(part.data(), part.size());
        keys.push_back(std::exchange(text, {}));
        return true;
    }
    bool on_number_part(View part, Code&) { return number.append(part.data(), part.size()), true; }
    bool take_number(View part) {
        number.append(part.data(), part.size());
        values.emplace_back(Json::Number{std::exchange(number, {})});
        return true;
    }
    bool on_int64(int64_t, View part, Code&) { return take_number(part); }
    bool on_uint64(uint64_t, View part, Code&) { return take_number(part); }
    bool on_double(double, View part, Code&) { return take_number(part); }
    bool on_bool(bool value, Code&) { return values.emplace_back(value), true; }
    bool on_null(Code&) { return values.emplace_back(), true; }
    bool on_comment_part(View, Code&) { return true; }
    bool on_comment(View, Code&) { return true; }
};

}  // namespace

Result<Json> Json::parse(std::string_view text, int max_depth) {
    boost::json::parse_options options;
    options.max_depth = std::size_t(max_depth);
    boost::json::basic_parser<Builder> parser(options);
    boost::system::error_code code;
    const std::size_t used = parser.write_some(false, text.data(), text.size(), code);
    if (!code && used < text.size()) code = boost::json::error::extra_data;
    if (code) return fail(ErrorKind::bad_request, fmt::format("not valid JSON at byte {}: {}", used, code.message()));
    return std::move(parser.handler().values.front());
}

std::string Json::dump(int indent) const {
    std::string out;
    write(out, indent, 0);
    return out;
}

void Json::write(std::string& out, int indent, int depth) const {
    const auto line = [&](int level) {
        if (indent >= 0) out += '\n', out.append(size_t(indent * level), ' ');
    };
    if (is_null()) out += "null";
    if (is_bool()) out += as_bool() ? "true" : "false";
    if (is_number()) out += number_text();
    if (is_string()) write_string(out, as_string());
    if (is_array()) {
        out += '[';
        for (size_t i = 0; i < items().size(); ++i) {
            if (i) out += ',';
            line(depth + 1);
            items()[i].write(out, indent, depth + 1);
        }
        if (!items().empty()) line(depth);
        out += ']';
    }
    if (is_object()) {
        out += '{';
        for (size_t i = 0; i < members().size(); ++i) {
            if (i) out += ',';
            line(depth + 1);
            write_string(out, members()[i].first);
            out += indent >= 0 ? ": " : ":";
            members()[i].second.write(out, indent, depth + 1);
        }
        if (!members().empty()) line(depth);
        out += '}';
    }
}

}  // namespace hearth
