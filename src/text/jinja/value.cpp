#include "text/jinja/value.h"

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "text/unicode.h"

namespace hearth::jinja {

namespace {

// As Python's repr decides whether a character is shown: no controls, no blanks but the space, nothing unassigned.
bool is_printable(uint32_t code) {
    if (code == ' ') return true;
    return code >= 0x20 && code != 0x7F && !unicode::is_control(code) && !(unicode::flags(code) & unicode::kWhite);
}

uint32_t depth_around(const List& items) {
    uint32_t depth = 1;
    for (const Value& item : items) depth = std::max(depth, item.depth() + 1);
    return depth;
}

std::string quoted(std::string_view text) {
    const bool has_single = text.find('\'') != std::string_view::npos;
    const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
    std::string out(1, quote);
    for (const std::string_view one : characters(text)) {
        const uint32_t code = unicode::decode(reinterpret_cast<const uint8_t*>(one.data())).code;
        if (code == uint32_t(quote) || code == '\\')
            (out += '\\') += one;
        else if (code == '\n')
            out += "\\n";
        else if (code == '\r')
            out += "\\r";
        else if (code == '\t')
            out += "\\t";
        else if (is_printable(code))
            out += one;
        else
            out += code < 0x100     ? fmt::format("\\x{:02x}", code)
                   : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                                    : fmt::format("\\U{:08x}", code);
    }
    return out + quote;
}

std::string list_text(const List& items, char open, char close) {
    std::string out(1, open);
    for (size_t i = 0; i < items.size(); ++i) out += (i == 0 ? "" : ", ") + items[i].representation();
    return out + close;
}

}  // namespace

Text::Text(std::string text, bool is_input) : bytes(std::move(text)) {
    if (is_input && !bytes.empty()) input.push_back({0, bytes.size()});
}

void Text::append(const Text& other) {
    const size_t begin = bytes.size();
    for (const InputSpan& span : other.input) {
        if (!input.empty() && input.back().end == begin + span.begin)
            input.back().end = begin + span.end;
        else
            input.push_back({begin + span.begin, begin + span.end});
    }
    bytes += other.bytes;
}

Text Text::part(size_t begin, size_t length) const {
    Text made(bytes.substr(begin, length));
    const size_t end = begin + made.bytes.size();
    for (const InputSpan& span : input) {
        const size_t from = std::max(span.begin, begin), to = std::min(span.end, end);
        if (from < to) made.input.push_back({from - begin, to - begin});
    }
    return made;
}

Value::Value(const BigInteger& value) {
    int64_t small = 0;
    if (value.fits(small))
        value_ = small;
    else
        value_ = std::make_shared<const BigInteger>(value);
}

Value::Value(List items) {
    const uint32_t depth = depth_around(items);
    value_ = std::make_shared<const Items>(std::move(items), depth);
}

Value Value::tuple(List items) {
    const uint32_t depth = depth_around(items);
    return Tuple{std::make_shared<const Items>(std::move(items), depth)};
}

Value::Value(Dictionary dictionary) {
    for (const auto& [key, value] : dictionary.members)
        dictionary.depth = std::max({dictionary.depth, key.depth() + 1, value.depth() + 1});
    value_ = std::make_shared<const Dictionary>(std::move(dictionary));
}

Value::Value(Callable callable) : value_(std::make_shared<const Callable>(std::move(callable))) {}

Value Value::undefined(std::string why) {
    return Undefined{std::make_shared<const std::string>(std::move(why))};
}

Value Value::of(const Json& json, bool is_input) {
    if (json.is_bool()) return json.as_bool();
    if (json.is_string()) {
        std::string storage;
        return Text(std::string(unicode::sanitize(json.as_string(), storage)), is_input);
    }
    if (json.is_number()) {
        const std::string& digits = json.number_text();
        if (digits.find_first_of(".eE") != std::string::npos) return json.as_double();
        const bool is_negative = digits.starts_with('-');
        return BigInteger::from_digits(std::string_view(digits).substr(is_negative), is_negative);
    }
    if (json.is_array()) {
        List items;
        for (const Json& item : json.items()) items.push_back(of(item, is_input));
        return items;
    }
    if (json.is_object()) {
        Dictionary dictionary;
        for (const auto& [key, value] : json.members())
            dictionary.members.emplace_back(Text(key, is_input), of(value, is_input));
        return dictionary;
    }
    return None{};
}

const List* Value::items() const {
    if (const auto* list = std::get_if<ListPointer>(&value_)) return &(*list)->list;
    if (const auto* tuple = std::get_if<Tuple>(&value_)) return &tuple->items->list;
    return nullptr;
}

uint32_t Value::depth() const {
    if (const auto* list = std::get_if<ListPointer>(&value_)) return (*list)->depth;
    if (const auto* tuple = std::get_if<Tuple>(&value_)) return tuple->items->depth;
    if (is_dictionary()) return dictionary().depth;
    return callable() ? callable()->depth : 0;
}

const BigInteger* Value::big() const {
    const auto* big = std::get_if<BigPointer>(&value_);
    return big ? big->get() : nullptr;
}

Namespace* Value::space() const {
    const auto* space = std::get_if<NamespacePointer>(&value_);
    return space ? space->get() : nullptr;
}

const Callable* Value::callable() const {
    const auto* callable = std::get_if<CallablePointer>(&value_);
    return callable ? callable->get() : nullptr;
}

bool Value::is_true() const {
    if (is_undefined() || is_none()) return false;
    if (const bool* boolean = std::get_if<bool>(&value_)) return *boolean;
    if (const int64_t* integer = std::get_if<int64_t>(&value_)) return *integer != 0;
    if (is_real()) return as_double() != 0;
    if (is_text()) return !bytes().empty();
    if (const List* list = items()) return !list->empty();
    if (is_dictionary()) return !dictionary().members.empty();
    return true;
}

bool Value::as_integer(int64_t& value) const {
    if (const int64_t* integer = std::get_if<int64_t>(&value_)) return value = *integer, true;
    if (const bool* boolean = std::get_if<bool>(&value_)) return value = *boolean, true;
    return false;
}

double Value::as_double() const {
    if (const double* real = std::get_if<double>(&value_)) return *real;
    if (const BigInteger* large = big()) return large->as_double();
    int64_t integer = 0;
    as_integer(integer);
    return double(integer);
}

BigInteger Value::as_big() const {
    if (const BigInteger* large = big()) return *large;
    int64_t integer = 0;
    as_integer(integer);
    return integer;
}

Text Value::print() const {
    if (is_text()) return text();
    if (is_undefined()) return {};
    return representation();
}

std::string Value::representation() const {
    if (is_undefined()) return "Undefined";
    if (is_none()) return "None";
    if (const bool* boolean = std::get_if<bool>(&value_)) return *boolean ? "True" : "False";
    if (const int64_t* integer = std::get_if<int64_t>(&value_)) return fmt::format("{}", *integer);
    if (const BigInteger* large = big()) return large->text();
    if (is_real()) return float_text(as_double());
    if (is_text()) return quoted(bytes());
    if (is_list()) return list_text(*items(), '[', ']');
    if (is_tuple())
        return items()->size() == 1 ? "(" + items()->front().representation() + ",)" : list_text(*items(), '(', ')');
    if (is_dictionary()) {
        std::string out = "{";
        for (const auto& [key, value] : dictionary().members)
            out += (out.size() == 1 ? "" : ", ") + key.representation() + ": " + value.representation();
        return out + "}";
    }
    if (space()) return "<Namespace>";
    return "<function " + callable()->name + ">";
}

const char* Value::type_name() const {
    if (is_undefined()) return "Undefined";
    if (is_none()) return "NoneType";
    if (is_boolean()) return "bool";
    if (is_integer()) return "int";
    if (is_real()) return "float";
    if (is_text()) return "str";
    if (is_list()) return "list";
    if (is_tuple()) return "tuple";
    if (is_dictionary()) return "dict";
    return space() ? "Namespace" : "function";
}

bool Value::equals(const Value& other) const {
    if (is_number() && other.is_number()) {
        if (is_real() || other.is_real()) return as_double() == other.as_double();
        return as_big().compare(other.as_big()) == 0;
    }
    if (is_text() && other.is_text()) return bytes() == other.bytes();
    if ((is_list() && other.is_list()) || (is_tuple() && other.is_tuple()))
        return std::ranges::equal(*items(), *other.items(), [](const Value& a, const Value& b) { return a.equals(b); });
    if (is_dictionary() && other.is_dictionary())
        return dictionary().members.size() == other.dictionary().members.size() &&
               std::ranges::all_of(dictionary().members, [&](const auto& member) {
                   const Value* found = other.dictionary().find(member.first);
                   return found && member.second.equals(*found);
               });
    if (space() || callable())
        return value_.index() == other.value_.index() && space() == other.space() && callable() == other.callable();
    return value_.index() == other.value_.index();  // none and none, undefined and undefined
}

const Value* Dictionary::find(const Value& key) const {
    for (const auto& [name, value] : members)
        if (name.equals(key)) return &value;
    return nullptr;
}

const Value* Dictionary::find(std::string_view key) const {
    for (const auto& [name, value] : members)
        if (name.is_text() && name.bytes() == key) return &value;
    return nullptr;
}

void Dictionary::set(Value key, Value value) {
    for (auto& [name, old] : members)
        if (name.equals(key)) {
            old = std::move(value);
            return;
        }
    members.emplace_back(std::move(key), std::move(value));
}

const Value* Namespace::find(std::string_view name) const {
    for (const auto& [known, value] : members)
        if (known == name) return &value;
    return nullptr;
}

void Namespace::set(std::string_view name, Value value) {
    for (auto& [known, old] : members)
        if (known == name) {
            old = std::move(value);
            return;
        }
    members.emplace_back(name, std::move(value));
}

const Value* Arguments::find(size_t place, std::string_view name) const {
    if (place < positional.size()) return &positional[place];
    for (const auto& [known, value] : named)
        if (known == name) return &value;
    return nullptr;
}

Outcome<> need_defined(const Value& value) {
    if (value.is_undefined()) return stop(value.why_undefined(), Failure::Kind::undefined);
    return {};
}

Outcome<int> compare(const Value& a, const Value& b) {
    const auto sign = [](auto x, auto y) { return x < y ? -1 : y < x ? 1 : 0; };
    if (a.is_number() && b.is_number()) {
        if (a.is_real() || b.is_real()) return sign(a.as_double(), b.as_double());
        return sign(a.as_big().compare(b.as_big()), 0);
    }
    if (a.is_text() && b.is_text()) return sign(a.bytes().compare(b.bytes()), 0);  // UTF-8 orders as code points do
    if (a.items() && b.items() && a.is_list() == b.is_list()) {
        const List &x = *a.items(), &y = *b.items();
        for (size_t i = 0; i < std::min(x.size(), y.size()); ++i)
            if (!x[i].equals(y[i])) return compare(x[i], y[i]);
        return sign(x.size(), y.size());
    }
    for (const Value* value : {&a, &b})
        if (value->is_undefined()) return stop(value->why_undefined(), Failure::Kind::undefined);
    return stop(fmt::format("'{}' and '{}' cannot be ordered", a.type_name(), b.type_name()));
}

Outcome<List> items_of(const Value& value) {
    if (const List* items = value.items()) return *items;
    if (value.is_undefined()) return List();
    List out;
    if (value.is_text()) {
        const Text& text = value.text();
        for (const std::string_view one : characters(text.bytes))
            out.push_back(text.part(size_t(one.data() - text.bytes.data()), one.size()));
        return out;
    }
    if (value.is_dictionary()) {
        for (const auto& [key, _] : value.dictionary().members) out.push_back(key);
        return out;
    }
    return stop(fmt::format("'{}' object is not iterable", value.type_name()));
}

Outcome<int64_t> length_of(const Value& value) {
    if (const List* items = value.items()) return int64_t(items->size());
    if (value.is_undefined()) return 0;
    if (value.is_text()) return int64_t(characters(value.bytes()).size());
    if (value.is_dictionary()) return int64_t(value.dictionary().members.size());
    return stop(fmt::format("object of type '{}' has no len()", value.type_name()));
}

Outcome<Value> item_of(const Value& value, const Value& key) {
    if (value.is_undefined()) return stop(value.why_undefined(), Failure::Kind::undefined);
    int64_t index = 0;
    if (value.is_dictionary()) {
        if (const Value* found = value.dictionary().find(key)) return *found;
    } else if ((value.items() || value.is_text()) && key.as_integer(index)) {
        const int64_t count = *length_of(value);
        if (index < 0) index += count;
        if (index >= 0 && index < count) {
            if (const List* items = value.items()) return (*items)[size_t(index)];
            const auto all = characters(value.bytes());
            return value.text().part(size_t(all[size_t(index)].data() - value.bytes().data()),
                                     all[size_t(index)].size());
        }
    }
    if (key.is_text()) return attribute_of(value, key.bytes());
    return Value::undefined(fmt::format("'{} object' has no element {}", value.type_name(), key.representation()));
}

Outcome<Value> slice_of(const Value& value, const Value& begin, const Value& end, const Value& step_value) {
    if (value.is_undefined()) return stop(value.why_undefined(), Failure::Kind::undefined);
    if (!value.items() && !value.is_text())
        return stop(fmt::format("'{}' object cannot be cut into slices", value.type_name()));
    int64_t step = 1;
    for (const Value* bound : {&begin, &end, &step_value}) {
        int64_t ignored;
        if (!bound->is_none() && !bound->as_integer(ignored)) return stop("slice indices must be integers");
    }
    if (!step_value.is_none()) step_value.as_integer(step);
    if (step == 0) return stop("slice step cannot be zero");
    const int64_t count = *length_of(value);
    const auto bound = [&](const Value& given, int64_t otherwise) {
        if (given.is_none()) return otherwise;
        int64_t place = 0;
        given.as_integer(place);
        if (place < 0) place += count;
        return std::clamp<int64_t>(place, step < 0 ? -1 : 0, step < 0 ? count - 1 : count);
    };
    const int64_t from = bound(begin, step < 0 ? count - 1 : 0), to = bound(end, step < 0 ? -1 : count);
    std::vector<size_t> places;
    for (int64_t i = from; step < 0 ? i > to : i < to; i += step) {
        places.push_back(size_t(i));
        if (step > count || step < -count) break;  // the next one would be outside, perhaps beyond all numbers
    }
    if (const List* items = value.items()) {
        List out;
        for (const size_t place : places) out.push_back((*items)[place]);
        return value.is_tuple() ? Value::tuple(std::move(out)) : Value(std::move(out));
    }
    const Text& text = value.text();
    const auto all = characters(text.bytes);
    const auto offset = [&](size_t place) {
        return place < all.size() ? size_t(all[place].data() - text.bytes.data()) : text.bytes.size();
    };
    if (places.empty()) return Text();
    if (step == 1) return text.part(offset(places.front()), offset(places.back() + 1) - offset(places.front()));
    Text out;
    for (const size_t place : places) out.append(text.part(offset(place), all[place].size()));
    return out;
}

std::vector<std::string_view> characters(std::string_view text) {
    std::vector<std::string_view> out;
    out.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
        const size_t length = unicode::strict_sequence(text, at).length;
        out.push_back(text.substr(at, length));
        at += length;
    }
    return out;
}

namespace {

void append_json_text(std::string& out, std::string_view text, bool is_ascii) {
    out += '"';
    if (!is_ascii) {
        append_json_escaped(text, out);
    } else {
        for (const std::string_view one : characters(text)) {
            const uint32_t code = unicode::decode(reinterpret_cast<const uint8_t*>(one.data())).code;
            if (code <= 0x7E)
                append_json_escaped(one, out);
            else if (code < 0x10000)
                out += fmt::format("\\u{:04x}", code);
            else
                out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((code - 0x10000) >> 10),
                                   0xDC00 + ((code - 0x10000) & 0x3FF));
        }
    }
    out += '"';
}

class JsonWriter {
public:
    explicit JsonWriter(const JsonForm& form) : form_(form) {}

    Outcome<> write(const Value& value, int depth) {
        if (depth > 200) return stop("a value is too deep for JSON", Failure::Kind::limit);
        if (value.is_none()) return out_ += "null", Outcome<>();
        if (value.is_boolean()) return out_ += value.is_true() ? "true" : "false", Outcome<>();
        if (value.is_real() && !std::isfinite(value.as_double())) {
            out_ += std::isnan(value.as_double()) ? "NaN" : value.as_double() < 0 ? "-Infinity" : "Infinity";
            return {};
        }
        if (value.is_number()) return out_ += value.representation(), Outcome<>();
        if (value.is_text()) {
            has_input_ |= !value.text().input.empty();
            append_json_text(out_, value.bytes(), form_.is_ascii);
            return {};
        }
        if (const List* items = value.items()) {
            return write_members('[', ']', items->size(), depth,
                                 [&](size_t i) { return write((*items)[i], depth + 1); });
        }
        if (value.is_dictionary()) {
            auto members = value.dictionary().members;
            if (form_.sorts_keys)
                std::ranges::stable_sort(members, {}, [](const auto& member) { return member.first.print().bytes; });
            return write_members('{', '}', members.size(), depth, [&](size_t i) -> Outcome<> {
                const Value& key = members[i].first;
                has_input_ |= key.is_text() && !key.text().input.empty();
                append_json_text(out_,
                                 key.is_none()      ? "null"
                                 : key.is_boolean() ? (key.is_true() ? "true" : "false")
                                                    : key.print().bytes,
                                 form_.is_ascii);
                out_ += form_.key_separator;
                return write(members[i].second, depth + 1);
            });
        }
        return stop(fmt::format("TypeError: Object of type {} is not JSON serializable", value.type_name()));
    }
    Text text() { return Text(std::move(out_), has_input_); }

private:
    template <class Member>
    Outcome<> write_members(char open, char close, size_t count, int depth, Member member) {
        out_ += open;
        for (size_t i = 0; i < count; ++i) {
            if (i > 0) out_ += form_.item_separator;
            new_line(depth + 1);
            TRY(member(i));
        }
        if (count > 0) new_line(depth);
        out_ += close;
        return {};
    }
    void new_line(int depth) {
        if (form_.indent >= 0) (out_ += '\n').append(size_t(depth * form_.indent), ' ');
    }

    const JsonForm& form_;
    std::string out_;
    bool has_input_ = false;
};

}  // namespace

Outcome<Text> json_text(const Value& value, const JsonForm& form) {
    JsonWriter writer(form);
    TRY(writer.write(value, 0));
    return writer.text();
}

}  // namespace hearth::jinja
