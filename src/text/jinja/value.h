// What a template computes with. Values behave as Python's do; texts, lists and dictionaries never change, so copies
// share them. A text remembers which of its bytes came from the conversation, so that a special token that somebody
// wrote into a message can be told from one that the template put there.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "text/jinja.h"
#include "text/jinja/numbers.h"

namespace hearth::jinja {

// Why a template stopped. `place` is an offset into its source.
struct Failure {
    enum class Kind : uint8_t { syntax, undefined, runtime, security, raised, limit } kind = Kind::runtime;
    std::string what;
    size_t place = kNowhere;

    static constexpr size_t kNowhere = SIZE_MAX;
};
template <class T = void>
using Outcome = std::expected<T, Failure>;
inline std::unexpected<Failure> stop(std::string what, Failure::Kind kind = Failure::Kind::runtime) {
    return std::unexpected(Failure{kind, std::move(what)});
}

// One level deeper as long as it lives. Deeper nesting than anybody writes would exhaust the stack.
struct Level {
    int& depth;
    explicit Level(int& depth) : depth(depth) { ++depth; }
    ~Level() { --depth; }
};

struct Text {
    std::string bytes;
    std::vector<InputSpan> input;  // ascending, apart from each other

    Text() = default;
    Text(std::string text, bool is_input = false);  // NOLINT: texts are made everywhere
    void append(const Text& other);
    void append_plain(std::string_view plain) { bytes += plain; }
    Text part(size_t begin, size_t length) const;
};

class Value;
struct Dictionary;
struct Namespace;
struct Callable;

struct Undefined {
    std::shared_ptr<const std::string> why;  // "'x' is undefined"
};
struct None {};
using List = std::vector<Value>;
struct Items;
struct Tuple {
    std::shared_ptr<const Items> items;
};

class Value {
public:
    using TextPointer = std::shared_ptr<const Text>;
    using ListPointer = std::shared_ptr<const Items>;
    using DictionaryPointer = std::shared_ptr<const Dictionary>;
    using NamespacePointer = std::shared_ptr<Namespace>;
    using CallablePointer = std::shared_ptr<const Callable>;
    using BigPointer = std::shared_ptr<const BigInteger>;

    Value() : value_(None{}) {}
    Value(None) : value_(None{}) {}
    Value(Undefined why) : value_(std::move(why)) {}
    Value(bool value) : value_(value) {}
    Value(int value) : value_(int64_t{value}) {}
    Value(int64_t value) : value_(value) {}
    Value(size_t value) : value_(int64_t(value)) {}
    Value(double value) : value_(value) {}
    Value(const BigInteger& value);
    Value(const char* text) : Value(Text(text)) {}
    Value(std::string text) : Value(Text(std::move(text))) {}
    Value(std::string_view text) : Value(Text(std::string(text))) {}
    Value(Text text) : value_(std::make_shared<const Text>(std::move(text))) {}
    Value(List items);
    Value(Tuple items) : value_(std::move(items)) {}
    Value(Dictionary dictionary);
    Value(NamespacePointer space) : value_(std::move(space)) {}
    Value(Callable callable);
    static Value tuple(List items);
    static Value undefined(std::string why);
    static Value of(const Json& json, bool is_input);

    bool is_undefined() const { return std::holds_alternative<Undefined>(value_); }
    bool is_none() const { return std::holds_alternative<None>(value_); }
    bool is_boolean() const { return std::holds_alternative<bool>(value_); }
    bool is_integer() const { return std::holds_alternative<int64_t>(value_) || big(); }
    bool is_real() const { return std::holds_alternative<double>(value_); }
    bool is_number() const { return is_boolean() || is_integer() || is_real(); }
    bool is_text() const { return std::holds_alternative<TextPointer>(value_); }
    bool is_list() const { return std::holds_alternative<ListPointer>(value_); }
    bool is_tuple() const { return std::holds_alternative<Tuple>(value_); }
    bool is_dictionary() const { return std::holds_alternative<DictionaryPointer>(value_); }

    const std::string& why_undefined() const { return *std::get<Undefined>(value_).why; }
    const Text& text() const { return *std::get<TextPointer>(value_); }
    const std::string& bytes() const { return text().bytes; }
    const List* items() const;  // of a list or a tuple
    const Dictionary& dictionary() const { return *std::get<DictionaryPointer>(value_); }
    const BigInteger* big() const;
    Namespace* space() const;
    const Callable* callable() const;

    bool is_true() const;
    // A number that counts: integers that fit, and booleans.
    bool as_integer(int64_t& value) const;
    double as_double() const;  // of any number
    BigInteger as_big() const;

    Text print() const;                  // what {{ }} writes
    std::string representation() const;  // inside of lists: texts with quotes
    const char* type_name() const;       // as Python's messages call it

    bool equals(const Value& other) const;
    // How many containers lie inside of each other. Whoever makes values keeps it small: they are printed, compared and
    // destroyed level by level.
    uint32_t depth() const;

private:
    std::variant<Undefined, None, bool, int64_t, double, BigPointer, TextPointer, ListPointer, Tuple, DictionaryPointer,
                 NamespacePointer, CallablePointer>
        value_;
};

struct Items {
    List list;
    uint32_t depth = 1;
};

struct Dictionary {
    std::vector<std::pair<Value, Value>> members;
    uint32_t depth = 1;  // known once it is a value

    const Value* find(const Value& key) const;
    const Value* find(std::string_view key) const;
    void set(Value key, Value value);
};

struct Namespace {
    std::vector<std::pair<std::string, Value>> members;

    const Value* find(std::string_view name) const;
    void set(std::string_view name, Value value);
};

struct Arguments {
    std::vector<Value> positional;
    std::vector<std::pair<std::string, Value>> named;

    // The argument at a place or of a name; null: it was not given.
    const Value* find(size_t place, std::string_view name) const;
};

class Run;

struct Callable {
    std::string name;
    std::function<Outcome<Value>(Run&, const Arguments&)> call;
    uint32_t depth = 1;  // of the value it belongs to
};

Outcome<> need_defined(const Value& value);
// -1, 0, 1, or a failure where Python cannot order the two.
Outcome<int> compare(const Value& a, const Value& b);
// What a loop runs over.
Outcome<List> items_of(const Value& value);
Outcome<int64_t> length_of(const Value& value);
// a.b tries what the value can do, then its items; a['b'] its items first.
Outcome<Value> attribute_of(const Value& value, std::string_view name);
Outcome<Value> item_of(const Value& value, const Value& key);
Outcome<Value> slice_of(const Value& value, const Value& begin, const Value& end, const Value& step);

// Code points of a text.
std::vector<std::string_view> characters(std::string_view text);

// json.dumps
struct JsonForm {
    int indent = -1;  // -1: one line
    std::string item_separator, key_separator = ": ";
    bool sorts_keys = false, is_ascii = false;
};
Outcome<Text> json_text(const Value& value, const JsonForm& form);

}  // namespace hearth::jinja
