// What `is` asks, and the functions that every template sees.
#include <algorithm>

#include "text/jinja/builtins.h"

namespace hearth::jinja {

namespace {

Outcome<Value> argument(const Arguments& arguments) {
    if (arguments.positional.size() != 1) return stop("TypeError: this test takes one value");
    return arguments.positional[0];
}

Outcome<int> order_of(const Value& value, const Arguments& arguments) {
    return compare(value, TRY(argument(arguments)));
}

Outcome<bool> has_rest(const Value& value, const Arguments& arguments, const Value& divisor, int64_t wanted) {
    int64_t number = 0, by = 0;
    if (value.is_undefined()) return stop(value.why_undefined(), Failure::Kind::undefined);
    if (!value.as_integer(number) || !divisor.as_integer(by))
        return stop("TypeError: not all arguments converted during string formatting");
    if (by == 0) return stop("ZeroDivisionError: integer division or modulo by zero");
    (void)arguments;
    return by == -1 || ((number % by) + by) % by == wanted;
}

bool is_same(const Value& a, const Value& b) {
    return std::string_view(a.type_name()) == b.type_name() && a.equals(b);
}

#define TEST(...)                                                                   \
    [](Run& run, const Value& value, const Arguments& arguments) -> Outcome<bool> { \
        (void)run, (void)value, (void)arguments;                                    \
        __VA_ARGS__                                                                 \
    }

constexpr Named<Test> kTests[] = {
    {"!=", TEST(return !value.equals(TRY(argument(arguments)));)},
    {"<", TEST(return TRY(order_of(value, arguments)) < 0;)},
    {"<=", TEST(return TRY(order_of(value, arguments)) <= 0;)},
    {"==", TEST(return value.equals(TRY(argument(arguments)));)},
    {">", TEST(return TRY(order_of(value, arguments)) > 0;)},
    {">=", TEST(return TRY(order_of(value, arguments)) >= 0;)},
    {"boolean", TEST(return value.is_boolean();)},
    {"callable", TEST(return value.callable() != nullptr;)},
    {"defined", TEST(return !value.is_undefined();)},
    {"divisibleby", TEST(return has_rest(value, arguments, TRY(argument(arguments)), 0);)},
    {"eq", TEST(return value.equals(TRY(argument(arguments)));)},
    {"equalto", TEST(return value.equals(TRY(argument(arguments)));)},
    {"escaped", TEST(return false;)},
    {"even", TEST(return has_rest(value, arguments, 2, 0);)},
    {"false", TEST(return value.is_boolean() && !value.is_true();)},
    {"filter", TEST(return value.is_text() && find_filter(value.bytes()) != nullptr;)},
    {"float", TEST(return value.is_real();)},
    {"ge", TEST(return TRY(order_of(value, arguments)) >= 0;)},
    {"greaterthan", TEST(return TRY(order_of(value, arguments)) > 0;)},
    {"gt", TEST(return TRY(order_of(value, arguments)) > 0;)},
    {"in", TEST(const List all = TRY(items_of(TRY(argument(arguments))));
                if (arguments.positional[0].is_text() && value.is_text()) return arguments.positional[0].bytes().find(
                    value.bytes()) != std::string::npos;
                return std::ranges::any_of(all, [&](const Value& one) { return one.equals(value); });)},
    {"integer", TEST(return value.is_integer();)},
    {"iterable", TEST(return value.items() || value.is_text() || value.is_dictionary() || value.is_undefined();)},
    {"le", TEST(return TRY(order_of(value, arguments)) <= 0;)},
    {"lessthan", TEST(return TRY(order_of(value, arguments)) < 0;)},
    {"lower",
     TEST(return run.call(TRY(method_of(Value(value.print()), "islower")), {}).value_or(Value(false)).is_true();)},
    {"lt", TEST(return TRY(order_of(value, arguments)) < 0;)},
    {"mapping", TEST(return value.is_dictionary();)},
    {"ne", TEST(return !value.equals(TRY(argument(arguments)));)},
    {"none", TEST(return value.is_none();)},
    {"number", TEST(return value.is_number();)},
    {"odd", TEST(return has_rest(value, arguments, 2, 1);)},
    {"sameas", TEST(return is_same(value, TRY(argument(arguments)));)},
    {"sequence", TEST(return value.items() || value.is_text() || value.is_dictionary();)},
    {"string", TEST(return value.is_text();)},
    {"test", TEST(return value.is_text() && find_test(value.bytes()) != nullptr;)},
    {"true", TEST(return value.is_boolean() && value.is_true();)},
    {"undefined", TEST(return value.is_undefined();)},
    {"upper",
     TEST(return run.call(TRY(method_of(Value(value.print()), "isupper")), {}).value_or(Value(false)).is_true();)},
};

Outcome<Value> range(Run& run, const Arguments& arguments) {
    int64_t bounds[3] = {0, 0, 1};
    const size_t count = arguments.positional.size();
    if (count < 1 || count > 3) return stop("TypeError: range takes one to three integers");
    for (size_t i = 0; i < count; ++i)
        if (!arguments.positional[i].as_integer(bounds[count == 1 ? 1 : i]))
            return stop(fmt::format("TypeError: range takes integers, not {}", arguments.positional[i].type_name()));
    const auto [begin, end, step] = bounds;
    if (step == 0) return stop("ValueError: range() arg 3 must not be zero");
    List out;
    for (int64_t i = begin; step > 0 ? i < end : i > end;) {
        TRY(run.spend(2));
        out.push_back(i);
        if (__builtin_add_overflow(i, step, &i)) break;
    }
    return out;
}

Outcome<Value> make_namespace(Run& run, const Arguments& arguments) {
    const auto made = run.make_namespace();
    for (const Value& one : arguments.positional)
        if (one.is_dictionary())
            for (const auto& [key, value] : one.dictionary().members) made->set(key.print().bytes, value);
    for (const auto& [name, value] : arguments.named) made->set(name, value);
    return made;
}

Outcome<Value> make_dictionary(Run& run, const Arguments& arguments) {
    Dictionary made;
    for (const Value& one : arguments.positional) {
        if (one.is_dictionary()) {
            for (const auto& [key, value] : one.dictionary().members) {
                TRY(run.spend(made.members.size() / 2));
                made.set(key, value);
            }
            continue;
        }
        for (const Value& pair : TRY(items_of(one))) {
            const List both = TRY(items_of(pair));
            TRY(run.spend(made.members.size() / 2));
            if (both.size() != 2) return stop("ValueError: dict needs pairs");
            made.set(both[0], both[1]);
        }
    }
    for (const auto& [name, value] : arguments.named) made.set(Value(name), value);
    return made;
}

Outcome<Value> make_joiner(Run&, const Arguments& arguments) {
    const Value* given = arguments.find(0, "sep");
    return Callable{
        "joiner",
        [between = given ? *given : Value(", "), is_used = std::make_shared<bool>(false)](
            Run&, const Arguments&) -> Outcome<Value> { return std::exchange(*is_used, true) ? between : Value(""); },
        given ? given->depth() + 1 : 1};
}

Outcome<Value> make_cycler(Run& run, const Arguments& arguments) {
    if (arguments.positional.empty()) return stop("cycler needs values");
    const auto made = run.make_namespace();
    const auto at = std::make_shared<size_t>(0);
    made->set("current", arguments.positional[0]);
    // It is kept by the run, and keeps itself only weakly.
    const auto go = [weak = std::weak_ptr(made), at, values = arguments.positional](size_t to) -> Value {
        const Value before = values[*at];
        *at = to % values.size();
        if (const auto space = weak.lock()) space->set("current", values[*at]);
        return before;
    };
    made->set("next", Callable{"next", [go, at](Run&, const Arguments&) -> Outcome<Value> { return go(*at + 1); }});
    made->set("reset", Callable{"reset", [go](Run&, const Arguments&) -> Outcome<Value> { return go(0), Value(); }});
    return made;
}

Outcome<Value> raise(Run&, const Arguments& arguments) {
    const Value* given = arguments.find(0, "message");
    return stop(given ? given->print().bytes : "", Failure::Kind::raised);
}

Outcome<Value> time_text(Run& run, const Arguments& arguments) {
    const Value* given = arguments.find(0, "format");
    if (!given || !given->is_text()) return stop("TypeError: strftime_now takes a format");
    if (given->bytes().empty()) return "";
    std::string out(given->bytes().size() * 16 + 256, '\0');
    if (given->bytes().size() > 1000) return stop("a format is too long", Failure::Kind::limit);
    out.resize(std::strftime(out.data(), out.size(), given->bytes().c_str(), &run.now()));
    return out;
}

}  // namespace

Test find_test(std::string_view name) {
    return find_named(kTests, name);
}

void add_globals(Scope& scope) {
    scope.set("range", Callable{"range", range});
    scope.set("namespace", Callable{"namespace", make_namespace});
    scope.set("dict", Callable{"dict", make_dictionary});
    scope.set("joiner", Callable{"joiner", make_joiner});
    scope.set("cycler", Callable{"cycler", make_cycler});
    scope.set("raise_exception", Callable{"raise_exception", raise});
    scope.set("strftime_now", Callable{"strftime_now", time_text});
}

}  // namespace hearth::jinja
