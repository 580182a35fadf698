// Methods of texts, dictionaries and lists. Those that would change a value are refused: it may be shared.
#include <algorithm>

#include "text/jinja/builtins.h"
#include "text/unicode.h"

namespace hearth::jinja {

namespace {

using TextMethod = Outcome<Value> (*)(Run&, const Text&, const Arguments&);

// An argument that must be a text, or the other one where it is absent or none.
Outcome<Text> text_argument(const Arguments& arguments, size_t place, const char* name, Text otherwise = {}) {
    const Value* given = arguments.find(place, name);
    if (!given || given->is_none()) return otherwise;
    if (given->is_undefined()) return stop(given->why_undefined(), Failure::Kind::undefined);
    if (!given->is_text()) return stop(fmt::format("TypeError: a text is needed, not {}", given->type_name()));
    return given->text();
}
Outcome<int64_t> integer_argument(const Arguments& arguments, size_t place, const char* name, int64_t otherwise) {
    const Value* given = arguments.find(place, name);
    if (!given || given->is_none()) return otherwise;
    int64_t value = 0;
    if (!given->as_integer(value))
        return stop(fmt::format("TypeError: an integer is needed, not {}", given->type_name()));
    return value;
}

Outcome<Value> split(const Text& text, const Arguments& arguments, bool from_right) {
    const Text separator = TRY(text_argument(arguments, 0, "sep"));
    int64_t most = TRY(integer_argument(arguments, 1, "maxsplit", -1));
    const Value* given = arguments.find(0, "sep");
    List parts;
    if (given && given->is_text()) {
        const std::string& mark = separator.bytes;
        if (mark.empty()) return stop("ValueError: empty separator");
        if (from_right) {
            size_t end = text.bytes.size();
            for (; most != 0 && end >= mark.size(); --most) {
                const size_t at = text.bytes.rfind(mark, end - mark.size());
                if (at == std::string::npos) break;
                parts.push_back(text.part(at + mark.size(), end - at - mark.size()));
                end = at;
            }
            parts.push_back(text.part(0, end));
            std::ranges::reverse(parts);
            return parts;
        }
        size_t done = 0;
        for (size_t at; most != 0 && (at = text.bytes.find(mark, done)) != std::string::npos; --most) {
            parts.push_back(text.part(done, at - done));
            done = at + mark.size();
        }
        parts.push_back(text.part(done, std::string::npos));
        return parts;
    }
    // At runs of blanks, none at the ends.
    Text rest = stripped(text, "", true, true);
    while (!rest.bytes.empty()) {
        const auto all = characters(rest.bytes);
        const auto blank = [&](std::string_view one) {
            return unicode::flags(unicode::decode(reinterpret_cast<const uint8_t*>(one.data())).code) & unicode::kWhite;
        };
        size_t at = std::string::npos;
        if (most != 0) {
            if (from_right) {
                for (size_t i = all.size(); i-- > 0 && at == std::string::npos;)
                    if (blank(all[i])) at = size_t(all[i].data() - rest.bytes.data());
            } else {
                const auto found = std::ranges::find_if(all, blank);
                if (found != all.end()) at = size_t(found->data() - rest.bytes.data());
            }
        }
        if (at == std::string::npos) {
            parts.push_back(rest);
            break;
        }
        const Text before = stripped(rest.part(0, at), "", true, true),
                   behind = stripped(rest.part(at, std::string::npos), "", true, true);
        parts.push_back(from_right ? behind : before);
        rest = from_right ? before : behind;
        --most;
    }
    if (from_right) std::ranges::reverse(parts);
    return parts;
}

Outcome<Value> strip(const Text& text, const Arguments& arguments, bool left, bool right) {
    const Value* given = arguments.find(0, "chars");
    if (given && given->is_text() && given->bytes().empty()) return text;
    return stripped(text, TRY(text_argument(arguments, 0, "chars")).bytes, left, right);
}

Outcome<Value> begins_or_ends(const Text& text, const Arguments& arguments, bool at_end) {
    const Value* given = arguments.find(0, "prefix");
    if (!given) return stop("TypeError: a text is needed");
    const List one = given->is_tuple() ? *given->items() : List{*given};
    for (const Value& part : one) {
        if (part.is_undefined()) return stop(part.why_undefined(), Failure::Kind::undefined);
        if (!part.is_text()) return stop(fmt::format("TypeError: a text is needed, not {}", part.type_name()));
        if (at_end ? text.bytes.ends_with(part.bytes()) : text.bytes.starts_with(part.bytes())) return true;
    }
    return false;
}

Outcome<Value> place_of(const Text& text, const Arguments& arguments, bool from_right, bool must_be) {
    const Text wanted = TRY(text_argument(arguments, 0, "sub"));
    const size_t at = from_right ? text.bytes.rfind(wanted.bytes) : text.bytes.find(wanted.bytes);
    if (at != std::string::npos) return characters(std::string_view(text.bytes).substr(0, at)).size();
    if (must_be) return stop("ValueError: substring not found");
    return -1;
}

Outcome<Value> partition(const Text& text, const Arguments& arguments, bool from_right) {
    const Text mark = TRY(text_argument(arguments, 0, "sep"));
    if (mark.bytes.empty()) return stop("ValueError: empty separator");
    const size_t at = from_right ? text.bytes.rfind(mark.bytes) : text.bytes.find(mark.bytes);
    if (at == std::string::npos)
        return from_right ? Value::tuple({Text(), Text(), text}) : Value::tuple({text, Text(), Text()});
    return Value::tuple(
        {text.part(0, at), text.part(at, mark.bytes.size()), text.part(at + mark.bytes.size(), std::string::npos)});
}

enum class Side : uint8_t { left, right, both };
Outcome<Value> fill_up(Run& run, const Text& text, const Arguments& arguments, Side keeps) {
    const int64_t width = TRY(integer_argument(arguments, 0, "width", 0)),
                  size = int64_t(characters(text.bytes).size());
    const std::string fill = TRY(text_argument(arguments, 1, "fillchar", Text(" "))).bytes;
    if (width <= size) return text;
    if (characters(fill).size() != 1) return stop("TypeError: the fill character must be exactly one character long");
    TRY(run.spend(size_t(width)));
    const size_t missing = size_t(width - size);
    const size_t left = keeps == Side::left    ? 0
                        : keeps == Side::right ? missing
                                               : missing / 2 + (missing & size_t(width) & 1);
    Text out;
    for (size_t i = 0; i < left; ++i) out.append_plain(fill);
    out.append(text);
    for (size_t i = left; i < missing; ++i) out.append_plain(fill);
    return out;
}

Outcome<Value> lines_of(const Text& text, const Arguments& arguments) {
    const Value* keeps = arguments.find(0, "keepends");
    List lines;
    for (size_t at = 0; at < text.bytes.size();) {
        const size_t end = std::min(text.bytes.find_first_of("\r\n\v\f", at), text.bytes.size());
        const size_t next = std::min(end + 1 + (text.bytes.substr(end, 2) == "\r\n"), text.bytes.size());
        lines.push_back(text.part(at, (keeps && keeps->is_true() ? next : end) - at));
        at = next;
    }
    return lines;
}

template <class Is>
bool all_are(const Text& text, Is is) {
    const auto all = characters(text.bytes);
    return !all.empty() && std::ranges::all_of(all, [&](std::string_view one) {
        return is(unicode::decode(reinterpret_cast<const uint8_t*>(one.data())).code);
    });
}

// Has cased letters, and all of them are of one case.
bool is_cased(const Text& text, unicode::Flag wanted, unicode::Flag other) {
    bool has_wanted = false, has_other = false;
    for (const std::string_view one : characters(text.bytes)) {
        const uint8_t flags = unicode::flags(unicode::decode(reinterpret_cast<const uint8_t*>(one.data())).code);
        has_wanted |= flags & wanted;
        has_other |= flags & other;
    }
    return has_wanted && !has_other;
}

Outcome<Value> swap_case(const Text& text) {
    std::string out;
    for (const std::string_view one : characters(text.bytes)) {
        const std::string low = lower_case(one);
        out += low == one ? upper_case(one) : low;
    }
    return made_from(text, std::move(out));
}

Outcome<Value> without(const Text& text, const Arguments& arguments, bool at_end) {
    const std::string part = TRY(text_argument(arguments, 0, "prefix")).bytes;
    if (part.empty() || !(at_end ? text.bytes.ends_with(part) : text.bytes.starts_with(part))) return text;
    return at_end ? text.part(0, text.bytes.size() - part.size()) : text.part(part.size(), std::string::npos);
}

Outcome<Value> count(const Text& text, const Arguments& arguments) {
    const std::string part = TRY(text_argument(arguments, 0, "sub")).bytes;
    if (part.empty()) return characters(text.bytes).size() + 1;
    int64_t found = 0;
    for (size_t at = 0; (at = text.bytes.find(part, at)) != std::string::npos; at += part.size()) ++found;
    return found;
}

Outcome<Value> zero_fill(Run& run, const Text& text, const Arguments& arguments) {
    const int64_t width = TRY(integer_argument(arguments, 0, "width", 0)),
                  size = int64_t(characters(text.bytes).size());
    if (width <= size) return text;
    TRY(run.spend(size_t(width)));
    std::string out = text.bytes;
    return made_from(text, out.insert(out.starts_with('-') || out.starts_with('+'), size_t(width - size), '0'));
}

Outcome<Value> join(Run& run, const Text& text, const Arguments& arguments) {
    if (arguments.positional.size() != 1) return stop("TypeError: join takes one list");
    Text out;
    const List items = TRY(items_of(arguments.positional[0]));
    for (size_t i = 0; i < items.size(); ++i) {
        if (!items[i].is_text())
            return stop(
                fmt::format("TypeError: sequence item {}: expected str instance, {} found", i, items[i].type_name()));
        if (i > 0) out.append(text);
        TRY(run.spend((text.bytes.size() + items[i].bytes().size()) / 64));
        out.append(items[i].text());
    }
    return out;
}

#define ON_TEXT(body)                                                              \
    [](Run& run, const Text& text, const Arguments& arguments) -> Outcome<Value> { \
        (void)run, (void)arguments;                                                \
        return body;                                                               \
    }

constexpr Named<TextMethod> kTextMethods[] = {
    {"capitalize", ON_TEXT(made_from(text, capitalised(text.bytes)))},
    {"casefold", ON_TEXT(made_from(text, lower_case(text.bytes)))},
    {"center", ON_TEXT(fill_up(run, text, arguments, Side::both))},
    {"count", ON_TEXT(count(text, arguments))},
    {"endswith", ON_TEXT(begins_or_ends(text, arguments, true))},
    {"find", ON_TEXT(place_of(text, arguments, false, false))},
    {"format", ON_TEXT(brace_format(text, arguments))},
    {"index", ON_TEXT(place_of(text, arguments, false, true))},
    {"isalnum", ON_TEXT(all_are(text, [](uint32_t code) { return (unicode::flags(code) & (unicode::kLetter | unicode::kNumber)) != 0; }))},
    {"isalpha", ON_TEXT(all_are(text, [](uint32_t code) { return (unicode::flags(code) & unicode::kLetter) != 0; }))},
    {"isdecimal", ON_TEXT(all_are(text, unicode::is_decimal_digit))},
    {"isdigit", ON_TEXT(all_are(text, unicode::is_decimal_digit))},
    {"islower", ON_TEXT(is_cased(text, unicode::kLower, unicode::kUpper))},
    {"isnumeric", ON_TEXT(all_are(text, [](uint32_t code) { return (unicode::flags(code) & unicode::kNumber) != 0; }))},
    {"isspace", ON_TEXT(all_are(text, [](uint32_t code) { return (unicode::flags(code) & unicode::kWhite) != 0; }))},
    {"isupper", ON_TEXT(is_cased(text, unicode::kUpper, unicode::kLower))},
    {"join", ON_TEXT(join(run, text, arguments))},
    {"ljust", ON_TEXT(fill_up(run, text, arguments, Side::left))},
    {"lower", ON_TEXT(made_from(text, lower_case(text.bytes)))},
    {"lstrip", ON_TEXT(strip(text, arguments, true, false))},
    {"partition", ON_TEXT(partition(text, arguments, false))},
    {"removeprefix", ON_TEXT(without(text, arguments, false))},
    {"removesuffix", ON_TEXT(without(text, arguments, true))},
    {"replace", [](Run& run, const Text& text, const Arguments& arguments) -> Outcome<Value> {
         const Text from = TRY(text_argument(arguments, 0, "old")), to = TRY(text_argument(arguments, 1, "new"));
          TRY(run.spend(text.bytes.size() / 4 * (1 + to.bytes.size() / 16)));
         return replaced(text, from.bytes, to, TRY(integer_argument(arguments, 2, "count", -1)));
     }},
    {"rfind", ON_TEXT(place_of(text, arguments, true, false))},
    {"rindex", ON_TEXT(place_of(text, arguments, true, true))},
    {"rjust", ON_TEXT(fill_up(run, text, arguments, Side::right))},
    {"rpartition", ON_TEXT(partition(text, arguments, true))},
    {"rsplit", ON_TEXT(split(text, arguments, true))},
    {"rstrip", ON_TEXT(strip(text, arguments, false, true))},
    {"split", ON_TEXT(split(text, arguments, false))},
    {"splitlines", ON_TEXT(lines_of(text, arguments))},
    {"startswith", ON_TEXT(begins_or_ends(text, arguments, false))},
    {"strip", ON_TEXT(strip(text, arguments, true, true))},
    {"swapcase", ON_TEXT(swap_case(text))},
    {"title", ON_TEXT(made_from(text, title_case(text.bytes)))},
    {"upper", ON_TEXT(made_from(text, upper_case(text.bytes)))},
    {"zfill", ON_TEXT(zero_fill(run, text, arguments))},
};

using DictionaryMethod = Outcome<Value> (*)(const Dictionary&, const Arguments&);

#define ON_DICTIONARY(...)                                                           \
    [](const Dictionary& dictionary, const Arguments& arguments) -> Outcome<Value> { \
        (void)arguments;                                                             \
        __VA_ARGS__                                                                  \
    }

constexpr Named<DictionaryMethod> kDictionaryMethods[] = {
    {"copy", ON_DICTIONARY(return dictionary;)},
    {"get",
     ON_DICTIONARY(if (arguments.positional.empty()) return stop("TypeError: get takes a key");
                   if (const Value* found = dictionary.find(arguments.positional[0])) return *found;
                   const Value* otherwise = arguments.find(1, "default"); return otherwise ? *otherwise : Value();)},
    {"items", ON_DICTIONARY(List items; for (const auto& [key, value]
                                             : dictionary.members) items.push_back(Value::tuple({key, value}));
                            return items;)},
    {"keys", ON_DICTIONARY(List items; for (const auto& [key, value]
                                            : dictionary.members) items.push_back(key);
                           return items;)},
    {"values", ON_DICTIONARY(List items; for (const auto& [key, value]
                                              : dictionary.members) items.push_back(value);
                             return items;)},
};

constexpr std::string_view kChangers[] = {"append", "clear",   "extend",     "insert", "pop",   "popitem",
                                          "remove", "reverse", "setdefault", "sort",   "update"};

}  // namespace

Outcome<Value> method_of(const Value& value, std::string_view name) {
    if (value.is_text()) {
        if (const auto method = find_named(kTextMethods, name))
            return Callable{std::string(name),
                            [method, value](Run& run, const Arguments& arguments) -> Outcome<Value> {
                                TRY(run.spend_on(value));
                                return method(run, value.text(), arguments);
                            },
                            value.depth() + 1};
    }
    if (value.is_dictionary()) {
        if (const auto method = find_named(kDictionaryMethods, name))
            return Callable{std::string(name),
                            [method, value](Run& run, const Arguments& arguments) -> Outcome<Value> {
                                TRY(run.spend(value.dictionary().members.size()));
                                return method(value.dictionary(), arguments);
                            },
                            value.depth() + 1};
    }
    const List* items = value.items();
    if (items && (name == "index" || name == "count"))
        return Callable{std::string(name),
                        [value, is_count = name == "count"](Run&, const Arguments& arguments) -> Outcome<Value> {
                            if (arguments.positional.empty()) return stop("TypeError: a value is needed");
                            int64_t found = 0, place = 0;
                            for (const Value& one : *value.items()) {
                                if (one.equals(arguments.positional[0])) {
                                    if (!is_count) return place;
                                    ++found;
                                }
                                ++place;
                            }
                            if (!is_count) return stop("ValueError: the value is not in the list");
                            return found;
                        },
                        value.depth() + 1};
    if (value.is_list() && name == "copy")
        return Callable{"copy", [value](Run&, const Arguments&) -> Outcome<Value> { return value; }, value.depth() + 1};
    if ((value.is_list() || value.is_dictionary()) && std::ranges::find(kChangers, name) != std::end(kChangers))
        return Callable{std::string(name),
                        [name = std::string(name), type = value.type_name()](Run&, const Arguments&) -> Outcome<Value> {
                            return stop(fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, type),
                                        Failure::Kind::security);
                        }};
    return Value::undefined(fmt::format("'{} object' has no attribute '{}'", value.type_name(), name));
}

Outcome<Value> attribute_of(const Value& value, std::string_view name) {
    if (value.is_undefined()) return stop(value.why_undefined(), Failure::Kind::undefined);
    if (const Namespace* space = value.space()) {
        const Value* found = space->find(name);
        return found ? *found : Value::undefined(fmt::format("'Namespace object' has no attribute '{}'", name));
    }
    Value method = TRY(method_of(value, name));
    if (method.is_undefined() && value.is_dictionary())
        if (const Value* found = value.dictionary().find(name)) return *found;
    return method;
}

}  // namespace hearth::jinja
