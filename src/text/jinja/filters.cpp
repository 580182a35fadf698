#include <algorithm>
#include <cmath>
#include <optional>

#include "text/jinja/builtins.h"
#include "text/unicode.h"

namespace hearth::jinja {

namespace {

bool flag_of(const Arguments& arguments, size_t place, std::string_view name, bool otherwise = false) {
    const Value* given = arguments.find(place, name);
    return given ? given->is_true() : otherwise;
}

Outcome<int64_t> integer_of(const Arguments& arguments, size_t place, std::string_view name, int64_t otherwise) {
    const Value* given = arguments.find(place, name);
    int64_t value = otherwise;
    if (given && !given->is_none() && !given->as_integer(value))
        return stop(fmt::format("TypeError: {} must be an integer, not {}", name, given->type_name()));
    return value;
}

Text text_of(const Arguments& arguments, size_t place, std::string_view name, std::string otherwise = {}) {
    const Value* given = arguments.find(place, name);
    return given && !given->is_none() ? given->print() : Text(std::move(otherwise));
}

// "a.b.0": through attributes and items.
Outcome<Value> path_of(const Value& value, const Value& path, const Value* otherwise = nullptr) {
    Value at = value;
    int64_t index = 0;
    if (path.as_integer(index)) {
        at = TRY(item_of(at, path));
    } else {
        const std::string whole = path.print().bytes;
        for (size_t begin = 0; begin <= whole.size();) {
            const size_t end = std::min(whole.find('.', begin), whole.size());
            const std::string part = whole.substr(begin, end - begin);
            const bool is_place =
                !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string::npos;
            at = TRY(item_of(at, is_place ? Value(std::atoi(part.c_str())) : Value(part)));
            if (at.is_undefined() && otherwise) return *otherwise;
            begin = end + 1;
        }
    }
    return at.is_undefined() && otherwise ? *otherwise : at;
}

Arguments without_first(const Arguments& arguments) {
    Arguments rest = arguments;
    if (!rest.positional.empty()) rest.positional.erase(rest.positional.begin());
    return rest;
}

Value folded(const Value& value, bool is_exact) {
    return value.is_text() && !is_exact ? Value(lower_case(value.bytes())) : value;
}

// Sorts by keys that can all be ordered, or says which cannot.
template <class Key>
Outcome<List> sorted(List items, bool is_reversed, Key key) {
    std::vector<std::pair<Value, Value>> keyed;
    for (Value& item : items) keyed.emplace_back(TRY(key(item)), std::move(item));
    for (size_t i = 1; i < keyed.size(); ++i) TRY(compare(keyed[0].first, keyed[i].first));
    std::optional<Failure> failure;
    std::ranges::stable_sort(keyed, [&](const auto& a, const auto& b) {
        const auto order = is_reversed ? compare(b.first, a.first) : compare(a.first, b.first);
        if (!order && !failure) failure = order.error();
        return order && *order < 0;
    });
    if (failure) return std::unexpected(*failure);
    items.clear();
    for (auto& [_, item] : keyed) items.push_back(std::move(item));
    return items;
}

Outcome<Value> sort(Run& run, const Value& value, const Arguments& arguments) {
    List items = TRY(items_of(value));
    TRY(run.spend(items.size() * 4));
    const bool is_exact = flag_of(arguments, 1, "case_sensitive");
    const Value* attribute = arguments.find(2, "attribute");
    return TRY(sorted(std::move(items), flag_of(arguments, 0, "reverse"), [&](const Value& item) -> Outcome<Value> {
        return folded(attribute && !attribute->is_none() ? TRY(path_of(item, *attribute)) : item, is_exact);
    }));
}

Outcome<Value> sort_members(Run& run, const Value& value, const Arguments& arguments) {
    TRY(need_defined(value));
    if (!value.is_dictionary()) return stop(fmt::format("TypeError: dictsort needs a dict, not {}", value.type_name()));
    List items;
    for (const auto& [key, member] : value.dictionary().members) items.push_back(Value::tuple({key, member}));
    TRY(run.spend(items.size() * 4));
    const bool is_exact = flag_of(arguments, 0, "case_sensitive");
    const std::string by = text_of(arguments, 1, "by", "key").bytes;
    if (by != "key" && by != "value") return stop("dictsort sorts by 'key' or by 'value'");
    return TRY(sorted(std::move(items), flag_of(arguments, 2, "reverse"), [&](const Value& item) -> Outcome<Value> {
        return folded((*item.items())[by == "value"], is_exact);
    }));
}

Outcome<Value> group(Run& run, const Value& value, const Arguments& arguments) {
    List items = TRY(items_of(value));
    TRY(run.spend(items.size() * 4));
    const Value* attribute = arguments.find(0, "attribute");
    if (!attribute) return stop("TypeError: groupby needs an attribute");
    const Value* otherwise = arguments.find(1, "default");
    const bool is_exact = flag_of(arguments, 2, "case_sensitive");
    const auto key = [&](const Value& item) -> Outcome<Value> {
        return folded(TRY(path_of(item, *attribute, otherwise)), is_exact);
    };
    items = TRY(sorted(std::move(items), false, key));
    List groups;
    for (size_t i = 0; i < items.size();) {
        const Value first = TRY(key(items[i]));
        List members;
        const Value shown = TRY(path_of(items[i], *attribute, otherwise));
        while (i < items.size() && TRY(key(items[i])).equals(first)) members.push_back(items[i++]);
        groups.push_back(Value::tuple({shown, members}));
    }
    return groups;
}

Outcome<Value> map(Run& run, const Value& value, const Arguments& arguments) {
    List out;
    const List items = TRY(items_of(value));
    if (arguments.positional.empty()) {
        const Value* attribute = arguments.find(0, "attribute");
        if (!attribute) return stop("map needs a filter or an attribute");
        const Value* otherwise = arguments.find(1, "default");
        for (const Value& item : items) out.push_back(TRY(path_of(item, *attribute, otherwise)));
        return out;
    }
    const std::string name = arguments.positional[0].print().bytes;
    const Filter filter = find_filter(name);
    if (!filter) return stop("no filter named '" + name + "'");
    const Arguments rest = without_first(arguments);
    for (const Value& item : items) {
        TRY(run.spend(1));
        out.push_back(TRY(filter(run, item, rest)));
    }
    return out;
}

// select, reject; selectattr and rejectattr look at an attribute.
Outcome<Value> choose(Run& run, const Value& value, const Arguments& arguments, bool wanted, bool by_attribute) {
    Arguments rest = arguments;
    Value attribute;
    if (by_attribute) {
        if (rest.positional.empty()) return stop("an attribute is needed");
        attribute = rest.positional[0];
        rest = without_first(rest);
    }
    Test test = nullptr;
    if (!rest.positional.empty()) {
        const std::string name = rest.positional[0].print().bytes;
        test = find_test(name);
        if (!test) return stop("no test named '" + name + "'");
        rest = without_first(rest);
    }
    List out;
    for (const Value& item : TRY(items_of(value))) {
        TRY(run.spend(1));
        const Value tested = by_attribute ? TRY(path_of(item, attribute)) : item;
        if ((test ? TRY(test(run, tested, rest)) : tested.is_true()) == wanted) out.push_back(item);
    }
    return out;
}

Outcome<Value> join(Run& run, const Value& value, const Arguments& arguments) {
    const Text between = text_of(arguments, 0, "d");
    const Value* attribute = arguments.find(1, "attribute");
    Text out;
    bool is_first = true;
    for (const Value& item : TRY(items_of(value))) {
        if (!is_first) out.append(between);
        is_first = false;
        const Text one = (attribute && !attribute->is_none() ? TRY(path_of(item, *attribute)) : item).print();
        TRY(run.spend(1 + (one.bytes.size() + between.bytes.size()) / 64));
        out.append(one);
    }
    return out;
}

Outcome<Value> to_integer(const Value& value, const Arguments& arguments) {
    const Value* given = arguments.find(0, "default");
    const Value otherwise = given ? *given : Value(0);
    const int64_t base = TRY(integer_of(arguments, 1, "base", 10));
    if (value.is_integer() || value.is_boolean()) return value.as_big();
    double real = 0;
    if (value.is_real()) {
        real = value.as_double();
    } else if (value.is_text()) {
        std::string text = stripped(value.text(), "", true, true).bytes;
        std::erase(text, '_');
        const bool is_negative = text.starts_with('-');
        std::string_view digits = std::string_view(text).substr(is_negative || text.starts_with('+'));
        if (base == 10 && !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos)
            return BigInteger::from_digits(digits, is_negative);
        if (base != 10 && base >= 2 && base <= 36) {
            const std::string_view prefix = base == 16 ? "0x" : base == 8 ? "0o" : base == 2 ? "0b" : "";
            if (!prefix.empty() && lower_case(digits.substr(0, 2)) == prefix) digits.remove_prefix(2);
            char* end = nullptr;
            const std::string rest(digits);
            const long long whole = std::strtoll(rest.c_str(), &end, int(base));
            if (!rest.empty() && !*end) return int64_t(is_negative ? -whole : whole);
            return otherwise;
        }
        char* end = nullptr;
        real = std::strtod(text.c_str(), &end);
        if (text.empty() || *end) return otherwise;
    } else {
        return otherwise;
    }
    if (!std::isfinite(real)) return otherwise;
    const std::string whole = fmt::format("{:.0f}", std::trunc(real));
    return BigInteger::from_digits(std::string_view(whole).substr(whole.starts_with('-')), whole.starts_with('-'));
}

Outcome<Value> to_real(const Value& value, const Arguments& arguments) {
    const Value* given = arguments.find(0, "default");
    if (value.is_number()) return value.as_double();
    if (value.is_text()) {
        const std::string text = stripped(value.text(), "", true, true).bytes;
        char* end = nullptr;
        const double real = std::strtod(text.c_str(), &end);
        if (!text.empty() && !*end) return real;
    }
    return given ? *given : Value(0.0);
}

Outcome<Value> round(const Value& value, const Arguments& arguments) {
    TRY(need_defined(value));
    if (!value.is_number()) return stop(fmt::format("TypeError: a number is needed, not {}", value.type_name()));
    const int64_t places = std::clamp<int64_t>(TRY(integer_of(arguments, 0, "precision", 0)), -300, 300);
    const std::string method = text_of(arguments, 1, "method", "common").bytes;
    if (method == "common") {
        if (!value.is_real() && places >= 0) return value;
        return rounded(value.as_double(), int(places));
    }
    if (method != "ceil" && method != "floor") return stop("method must be common, ceil or floor");
    const double unit = std::pow(10.0, double(places)), scaled = value.as_double() * unit;
    return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit;
}

Outcome<Value> to_json(const Value& value, const Arguments& arguments) {
    JsonForm form;
    form.is_ascii = flag_of(arguments, 0, "ensure_ascii");
    if (const Value* indent = arguments.find(1, "indent"); indent && !indent->is_none())
        form.indent = int(std::clamp<int64_t>(TRY(integer_of(arguments, 1, "indent", 0)), 0, 64));
    form.item_separator = form.indent >= 0 ? "," : ", ";
    if (const Value* separators = arguments.find(2, "separators");
        separators && separators->items() && separators->items()->size() == 2) {
        form.item_separator = (*separators->items())[0].print().bytes;
        form.key_separator = (*separators->items())[1].print().bytes;
    }
    form.sorts_keys = flag_of(arguments, 3, "sort_keys");
    return TRY(json_text(value, form));
}

Outcome<Value> indent(Run& run, const Value& value, const Arguments& arguments) {
    const Value* width = arguments.find(0, "width");
    int64_t count = 4;
    Text lead;
    if (width && width->is_text())
        lead = width->text();
    else
        lead =
            Text(std::string(size_t(std::clamp<int64_t>(TRY(integer_of(arguments, 0, "width", count)), 0, 1000)), ' '));
    const bool first = flag_of(arguments, 1, "first"), blank = flag_of(arguments, 2, "blank");
    const Text source = value.print();
    TRY(run.spend(source.bytes.size() / 4));
    Text out;
    for (size_t at = 0, line = 0; at <= source.bytes.size(); ++line) {
        const size_t end = std::min(source.bytes.find('\n', at), source.bytes.size());
        if (line > 0) out.append_plain("\n");
        if (line == 0 ? first : blank || end > at) out.append(lead);
        out.append(source.part(at, end - at));
        at = end + 1;
    }
    return out;
}

Outcome<Value> batch(const Value& value, const Arguments& arguments) {
    const int64_t size = TRY(integer_of(arguments, 0, "linecount", 0));
    if (size < 1) return stop("batch needs a number of items");
    const Value* fill = arguments.find(1, "fill_with");
    List out, row;
    for (const Value& item : TRY(items_of(value))) {
        row.push_back(item);
        if (int64_t(row.size()) == size) out.push_back(std::exchange(row, {}));
    }
    if (!row.empty()) {
        while (fill && !fill->is_none() && int64_t(row.size()) < std::min<int64_t>(size, 10000)) row.push_back(*fill);
        out.push_back(row);
    }
    return out;
}

Outcome<Value> slice(const Value& value, const Arguments& arguments) {
    const int64_t count = TRY(integer_of(arguments, 0, "slices", 0));
    if (count < 1 || count > 10000) return stop("slice needs a number of slices");
    const Value* fill = arguments.find(1, "fill_with");
    const List items = TRY(items_of(value));
    const size_t slices = size_t(count), each = items.size() / slices, longer = items.size() % slices;
    List out;
    for (size_t i = 0, at = 0; i < slices; ++i) {
        const size_t size = each + (i < longer);
        List row(items.begin() + ptrdiff_t(at), items.begin() + ptrdiff_t(at + size));
        at += size;
        if (fill && !fill->is_none() && i >= longer) row.push_back(*fill);
        out.push_back(row);
    }
    return out;
}

Outcome<Value> extreme(const Value& value, const Arguments& arguments, bool is_least) {
    const bool is_exact = flag_of(arguments, 0, "case_sensitive");
    const Value* attribute = arguments.find(1, "attribute");
    Value best = Value::undefined("No aggregated item, sequence was empty."), best_key;
    for (const Value& item : TRY(items_of(value))) {
        const Value key = folded(attribute && !attribute->is_none() ? TRY(path_of(item, *attribute)) : item, is_exact);
        if (best.is_undefined() || (is_least ? TRY(compare(key, best_key)) < 0 : TRY(compare(key, best_key)) > 0))
            best = item, best_key = key;
    }
    return best;
}

Outcome<Value> sum(const Value& value, const Arguments& arguments) {
    const Value* attribute = arguments.find(0, "attribute");
    const Value* start = arguments.find(1, "start");
    Value total = start ? *start : Value(0);
    for (const Value& item : TRY(items_of(value))) {
        const Value one = attribute && !attribute->is_none() ? TRY(path_of(item, *attribute)) : item;
        if (!one.is_number() || !total.is_number())
            return stop(fmt::format("TypeError: unsupported operand type(s) for +: '{}' and '{}'", total.type_name(),
                                    one.type_name()));
        total = one.is_real() || total.is_real() ? Value(total.as_double() + one.as_double())
                                                 : Value(total.as_big() + one.as_big());
    }
    return total;
}

Outcome<Value> unique(Run& run, const Value& value, const Arguments& arguments) {
    const bool is_exact = flag_of(arguments, 0, "case_sensitive");
    const Value* attribute = arguments.find(1, "attribute");
    List out, seen;
    for (const Value& item : TRY(items_of(value))) {
        const Value key = folded(attribute && !attribute->is_none() ? TRY(path_of(item, *attribute)) : item, is_exact);
        TRY(run.spend(seen.size() / 8 + 1));
        if (std::ranges::any_of(seen, [&](const Value& known) { return known.equals(key); })) continue;
        seen.push_back(key);
        out.push_back(item);
    }
    return out;
}

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (c == '\'')
            out += "&#39;";
        else if (c == '"')
            out += "&#34;";
        else
            out += c;
    }
    return out;
}

std::string url_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                              std::string_view("_.-~/").find(c) != std::string_view::npos;
        out += is_plain ? std::string(1, c) : fmt::format("%{:02X}", uint8_t(c));
    }
    return out;
}

Outcome<Value> truncate(const Value& value, const Arguments& arguments) {
    const Text text = value.print();
    const auto all = characters(text.bytes);
    const int64_t length = TRY(integer_of(arguments, 0, "length", 255)),
                  leeway = TRY(integer_of(arguments, 3, "leeway", 5));
    const Text end = text_of(arguments, 2, "end", "...");
    const int64_t room = length - int64_t(characters(end.bytes).size());
    if (room < 0) return stop("truncate needs a length of at least that of the end");
    if (int64_t(all.size()) <= length + std::max<int64_t>(leeway, 0)) return text;
    const size_t cut = size_t(all[size_t(room)].data() - text.bytes.data());
    Text out = text.part(0, cut);
    if (!flag_of(arguments, 1, "killwords"))
        if (const size_t blank = out.bytes.rfind(' '); blank != std::string::npos) out = out.part(0, blank);
    out.append(end);
    return out;
}

size_t word_count(std::string_view text) {
    size_t words = 0;
    bool is_inside = false;
    for (const std::string_view one : characters(text)) {
        const bool is_word = unicode::is_word(unicode::decode(reinterpret_cast<const uint8_t*>(one.data())).code);
        words += is_word && !is_inside;
        is_inside = is_word;
    }
    return words;
}

// The method of the same name, on what the value prints as.
Outcome<Value> by_method(Run& run, const Value& value, const Arguments& arguments, const char* name) {
    return run.call(TRY(method_of(Value(value.print()), name)), arguments);
}

Outcome<Value> end_of(const Value& value, bool is_last) {
    const List items = TRY(items_of(value));
    if (items.empty()) return Value::undefined("No first item, sequence was empty.");
    return is_last ? items.back() : items.front();
}

#define FILTER(...)                                                                  \
    [](Run& run, const Value& value, const Arguments& arguments) -> Outcome<Value> { \
        (void)run, (void)arguments;                                                  \
        __VA_ARGS__                                                                  \
    }

constexpr Named<Filter> kFilters[] = {
    {"abs", FILTER(TRY(need_defined(value)); if (!value.is_number()) return stop(
                       fmt::format("TypeError: bad operand type for abs(): '{}'", value.type_name()));
                   if (value.is_real()) return std::abs(value.as_double());
                   return value.as_big().is_negative() ? value.as_big().negated() : value.as_big();)},
    {"attr", FILTER(return method_of(value, text_of(arguments, 0, "name").bytes);)},
    {"batch", FILTER(return batch(value, arguments);)},
    {"capitalize", FILTER(return by_method(run, value, {}, "capitalize");)},
    {"center", FILTER(Arguments given = arguments;
                      if (given.positional.empty() && given.named.empty()) given.positional.push_back(80);
                      return by_method(run, value, given, "center");)},
    {"count", FILTER(return TRY(length_of(value));)},
    {"d", FILTER(return find_filter("default")(run, value, arguments);)},
    {"default",
     FILTER(const Value* otherwise = arguments.find(0, "default_value");
            if (value.is_undefined() || (flag_of(arguments, 1, "boolean") && !value.is_true())) return otherwise
                ? *otherwise
                : Value("");
            return value;)},
    {"dictsort", FILTER(return sort_members(run, value, arguments);)},
    {"e", FILTER(return made_from(value.print(), escaped(value.print().bytes));)},
    {"escape", FILTER(return made_from(value.print(), escaped(value.print().bytes));)},
    {"first", FILTER(return end_of(value, false);)},
    {"float", FILTER(return to_real(value, arguments);)},
    {"forceescape", FILTER(return made_from(value.print(), escaped(value.print().bytes));)},
    {"format",
     FILTER(if (!arguments.positional.empty()) return TRY(percent_format(value.print(), arguments.positional));
            return value.print();)},
    {"groupby", FILTER(return group(run, value, arguments);)},
    {"indent", FILTER(return indent(run, value, arguments);)},
    {"int", FILTER(return to_integer(value, arguments);)},
    {"items", FILTER(if (value.is_undefined()) return List();
                     if (!value.is_dictionary()) return stop("TypeError: Can only get item pairs from a mapping.");
                     return run.call(TRY(method_of(value, "items")), {});)},
    {"join", FILTER(return join(run, value, arguments);)},
    {"last", FILTER(return end_of(value, true);)},
    {"length", FILTER(return TRY(length_of(value));)},
    {"list", FILTER(return TRY(items_of(value));)},
    {"lower", FILTER(return by_method(run, value, {}, "lower");)},
    {"map", FILTER(return map(run, value, arguments);)},
    {"max", FILTER(return extreme(value, arguments, false);)},
    {"min", FILTER(return extreme(value, arguments, true);)},
    {"pprint", FILTER(return value.representation();)},
    {"reject", FILTER(return choose(run, value, arguments, false, false);)},
    {"rejectattr", FILTER(return choose(run, value, arguments, false, true);)},
    {"replace", FILTER(return by_method(run, value, arguments, "replace");)},
    {"reverse", FILTER(if (value.is_text()) return slice_of(value, {}, {}, -1); List items = TRY(items_of(value));
                       std::ranges::reverse(items); return items;)},
    {"round", FILTER(return round(value, arguments);)},
    {"safe", FILTER(return value.print();)},
    {"select", FILTER(return choose(run, value, arguments, true, false);)},
    {"selectattr", FILTER(return choose(run, value, arguments, true, true);)},
    {"slice", FILTER(return slice(value, arguments);)},
    {"sort", FILTER(return sort(run, value, arguments);)},
    {"string", FILTER(return value.print();)},
    {"sum", FILTER(return sum(value, arguments);)},
    {"title", FILTER(return made_from(value.print(), title_case(value.print().bytes));)},
    {"tojson", FILTER(return to_json(value, arguments);)},
    {"trim", FILTER(return by_method(run, value, arguments, "strip");)},
    {"truncate", FILTER(return truncate(value, arguments);)},
    {"unique", FILTER(return unique(run, value, arguments);)},
    {"upper", FILTER(return by_method(run, value, {}, "upper");)},
    {"urlencode", FILTER(return made_from(value.print(), url_encoded(value.print().bytes));)},
    {"wordcount", FILTER(return word_count(value.print().bytes);)},
};

}  // namespace

Filter find_filter(std::string_view name) {
    return find_named(kFilters, name);
}

}  // namespace hearth::jinja
