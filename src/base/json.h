// JSON as the project needs it: object keys keep their order, numbers keep their text, input is bounded and strict.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace hearth {

class Json {
public:
    using Array = std::vector<Json>;
    using Member = std::pair<std::string, Json>;
    using Object = std::vector<Member>;
    struct Number {
        std::string text;  // exactly as written, or the shortest text that reads back to the same value
    };

    Json() = default;  // null
    Json(std::nullptr_t) {}
    Json(bool value) : value_(value) {}
    Json(int value) : Json(int64_t{value}) {}
    Json(int64_t value);
    Json(uint64_t value);
    Json(double value);  // not finite becomes null: JSON has no other word for it
    Json(const char* value) : value_(std::string(value)) {}
    Json(std::string value) : value_(std::move(value)) {}
    Json(std::string_view value) : value_(std::string(value)) {}
    Json(Number value) : value_(std::move(value)) {}
    Json(Array value) : value_(std::move(value)) {}
    Json(Object value) : value_(std::move(value)) {}
    static Json object() { return Json(Object{}); }
    static Json array() { return Json(Array{}); }

    // Strict RFC 8259 text, at most `max_depth` deep. The error names the byte offset.
    static Result<Json> parse(std::string_view text, int max_depth = 200);
    // indent < 0: one line. Strings must be UTF-8; other bytes are written as U+FFFD.
    std::string dump(int indent = -1) const;

    bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
    bool is_bool() const { return std::holds_alternative<bool>(value_); }
    bool is_number() const { return std::holds_alternative<Number>(value_); }
    bool is_string() const { return std::holds_alternative<std::string>(value_); }
    bool is_array() const { return std::holds_alternative<Array>(value_); }
    bool is_object() const { return std::holds_alternative<Object>(value_); }

    // Preconditions: the kind fits (ask first; input is checked where it enters).
    bool as_bool() const { return std::get<bool>(value_); }
    const std::string& as_string() const { return std::get<std::string>(value_); }
    const std::string& number_text() const { return std::get<Number>(value_).text; }
    double as_double() const;
    int64_t as_int(int64_t if_not_integer = 0) const;  // also for 3.0; saturates never: out of range gives the default
    bool is_integer() const;
    const Array& items() const { return std::get<Array>(value_); }
    Array& items() { return std::get<Array>(value_); }
    const Object& members() const { return std::get<Object>(value_); }
    Object& members() { return std::get<Object>(value_); }

    const Json* find(std::string_view key) const;  // nullptr: not an object or no such key
    void set(std::string key, Json value);         // replaces, or appends in order
    void push(Json value) { items().push_back(std::move(value)); }

private:
    void write(std::string& out, int indent, int depth) const;
    std::variant<std::monostate, bool, Number, std::string, Array, Object> value_;
};

// Appends what stands for `text` between the quotes of a JSON string. The bytes of a character may come in several
// calls; whether they are UTF-8 is not looked at.
void append_json_escaped(std::string_view text, std::string& out);

}  // namespace hearth
