#include "text/jinja/run.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "text/jinja/builtins.h"

namespace hearth::jinja {

namespace {

constexpr int kDeepest = 400;            // statements, expressions and macros inside of each other
constexpr uint32_t kDeepestValue = 300;  // variables may have 200
constexpr size_t kLargest = size_t{64} << 20;

// Keeps the scope inside as long as it lives.
class Inside {
public:
    Inside(std::shared_ptr<Scope>& scope, std::shared_ptr<Scope> around) : scope_(scope), before_(scope) {
        scope_ = std::make_shared<Scope>();
        scope_->around = std::move(around);
    }
    ~Inside() { scope_ = before_; }

private:
    std::shared_ptr<Scope>& scope_;
    std::shared_ptr<Scope> before_;
};

std::unexpected<Failure> no_operation(const std::string& sign, const Value& a, const Value& b) {
    if (sign == "+" && a.is_text())
        return stop(fmt::format("TypeError: can only concatenate str (not \"{}\") to str", b.type_name()));
    return stop(fmt::format("TypeError: unsupported operand type(s) for {}: '{}' and '{}'", sign, a.type_name(),
                            b.type_name()));
}

Outcome<Value> on_reals(const std::string& sign, double a, double b) {
    if (sign == "+") return a + b;
    if (sign == "-") return a - b;
    if (sign == "*") return a * b;
    if (sign == "**") return std::pow(a, b);
    if (b == 0) return stop("ZeroDivisionError: division by zero");
    if (sign == "/") return a / b;
    if (sign == "//") return std::floor(a / b);
    const double rest = std::fmod(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

Outcome<Value> on_integers(const std::string& sign, const Value& a, const Value& b) {
    int64_t x = 0, y = 0, small = 0;
    const bool are_small = a.as_integer(x) && b.as_integer(y);
    if (sign == "+")
        return are_small && !__builtin_add_overflow(x, y, &small) ? Value(small) : Value(a.as_big() + b.as_big());
    if (sign == "-")
        return are_small && !__builtin_sub_overflow(x, y, &small) ? Value(small) : Value(a.as_big() - b.as_big());
    if (sign == "*") {
        if (are_small && !__builtin_mul_overflow(x, y, &small)) return small;
        const BigInteger large = a.as_big(), other = b.as_big();
        if (large.digits() + other.digits() > 10000) return stop("a number is too large", Failure::Kind::limit);
        return large * other;
    }
    if (sign == "**") {
        if (!b.as_integer(y) || y > 4096) return stop("a number is too large", Failure::Kind::limit);
        if (y < 0) return on_reals(sign, a.as_double(), double(y));
        BigInteger power = 1;
        const BigInteger base = a.as_big();
        for (; y > 0; --y) {
            power = power * base;
            if (power.digits() > 10000) return stop("a number is too large", Failure::Kind::limit);
        }
        return power;
    }
    if (sign == "/") return on_reals(sign, a.as_double(), b.as_double());
    if (!are_small) return stop("a number is too large for " + sign, Failure::Kind::limit);
    if (y == 0) return stop("ZeroDivisionError: integer division or modulo by zero");
    if (y == -1) return sign == "//" ? Value(BigInteger(x).negated()) : Value(0);
    const int64_t rest = x % y, floor = x / y - (rest != 0 && (rest < 0) != (y < 0));
    return sign == "//" ? floor : x - floor * y;
}

Outcome<bool> is_in(const Value& item, const Value& all) {
    if (all.is_undefined()) return false;
    if (all.is_text()) {
        if (!item.is_text())
            return stop(
                fmt::format("TypeError: 'in <string>' requires string as left operand, not {}", item.type_name()));
        return all.bytes().find(item.bytes()) != std::string::npos;
    }
    if (const List* items = all.items()) {
        for (const Value& one : *items)
            if (one.equals(item)) return true;
        return false;
    }
    if (all.is_dictionary()) return all.dictionary().find(item) != nullptr;
    return stop(fmt::format("TypeError: argument of type '{}' is not iterable", all.type_name()));
}

}  // namespace

const Value* Scope::find(std::string_view name) const {
    for (const Scope* scope = this; scope; scope = scope->around.get())
        for (const auto& [known, value] : scope->names)
            if (known == name) return &value;
    return nullptr;
}

void Scope::set(std::string_view name, Value value) {
    for (auto& [known, old] : names)
        if (known == name) {
            old = std::move(value);
            return;
        }
    names.emplace_back(name, std::move(value));
}

Run::~Run() {
    for (const auto& one : namespaces_) one->members.clear();
}

Outcome<> Run::spend_on(const Value& value) {
    if (value.is_text()) return spend(value.bytes().size() / 16);
    if (const List* items = value.items()) return spend(items->size() / 4);
    return value.is_dictionary() ? spend(value.dictionary().members.size() / 4) : Outcome<>();
}

Outcome<Text> Run::printed(const Value& value) {
    Text text = value.print();
    TRY(spend(text.bytes.size() / (value.is_text() ? 64 : 8)));
    return text;
}

std::shared_ptr<Namespace> Run::make_namespace() {
    namespaces_.push_back(std::make_shared<Namespace>());
    return namespaces_.back();
}

size_t Run::keep(std::shared_ptr<Scope> scope) {
    if (closures_.empty() || closures_.back() != scope) closures_.push_back(std::move(scope));
    return closures_.size() - 1;
}

Outcome<> Run::spend(size_t work) {
    work_ += work;
    if (work_ > most_work_) return stop("the template does more than any chat needs", Failure::Kind::limit);
    return {};
}

Outcome<Text> Run::render(const Block& block, std::shared_ptr<Scope> globals) {
    scope_ = std::make_shared<Scope>();
    scope_->around = std::move(globals);
    Text out;
    TRY(execute(block, out));
    return out;
}

Outcome<Text> Run::captured(const Block& block) {
    const Inside inside(scope_, scope_);
    Text out;
    TRY(execute(block, out));
    return out;
}

Outcome<Run::Flow> Run::execute(const Block& block, Text& out) {
    for (const Statement& statement : block) {
        auto flow = execute(statement, out);
        if (!flow && flow.error().place == Failure::kNowhere) flow.error().place = statement.place;
        if (!flow || *flow != Flow::next) return flow;
    }
    return Flow::next;
}

Outcome<Run::Flow> Run::execute(const Statement& statement, Text& out) {
    TRY(spend(1));
    const Level level(depth_);
    if (depth_ > kDeepest) return stop("the template is nested too deeply", Failure::Kind::limit);
    switch (statement.kind) {
        case Statement::Kind::text:
            TRY(spend(statement.text.size() / 64));
            out.append_plain(statement.text);
            break;
        case Statement::Kind::output:
            out.append(TRY(printed(TRY(evaluate(*statement.value)))));
            break;
        case Statement::Kind::choice:
            return execute(TRY(evaluate(*statement.value)).is_true() ? statement.body : statement.otherwise, out);
        case Statement::Kind::loop: {
            const Value all = TRY(evaluate(*statement.value));
            TRY(spend_on(all));
            TRY(loop(statement, TRY(items_of(all)), out, 0));
            break;
        }
        case Statement::Kind::assign:
            TRY(assign(statement.target, TRY(evaluate(*statement.value))));
            break;
        case Statement::Kind::assign_body: {
            Value value = TRY(captured(statement.body));
            if (statement.value) value = TRY(apply_filter(*statement.value, value));
            TRY(assign(statement.target, std::move(value)));
            break;
        }
        case Statement::Kind::macro:
            scope_->set(statement.text, make_macro(statement.text, statement.parameters, statement.body));
            break;
        case Statement::Kind::call: {
            const Value callee = TRY(evaluate(*statement.value->parts[0]));
            Arguments arguments = TRY(arguments_of(*statement.value));
            arguments.named.emplace_back("caller", make_macro("caller", statement.parameters, statement.body));
            out.append(TRY(call(callee, arguments)).print());
            break;
        }
        case Statement::Kind::filter:
            out.append(TRY(apply_filter(*statement.value, TRY(captured(statement.body)))).print());
            break;
        case Statement::Kind::with: {
            std::vector<Value> values;
            for (const Parameter& parameter : statement.parameters)
                values.push_back(TRY(evaluate(*parameter.otherwise)));
            const Inside inside(scope_, scope_);
            for (size_t i = 0; i < values.size(); ++i) scope_->set(statement.parameters[i].name, std::move(values[i]));
            return execute(statement.body, out);
        }
        case Statement::Kind::group:
            return execute(statement.body, out);
        case Statement::Kind::leave:
            return Flow::leave;
        case Statement::Kind::skip:
            return Flow::skip;
    }
    if (out.bytes.size() > kLargest) return stop("the template writes more than any chat needs", Failure::Kind::limit);
    return Flow::next;
}

Outcome<> Run::assign(const Target& target, Value value) {
    if (!target.member.empty()) {
        const Value* found = scope_->find(target.names[0]);
        if (!found || !found->space()) return stop("only members of a namespace can be set");
        found->space()->set(target.member, std::move(value));
        return {};
    }
    if (!target.is_tuple) {
        scope_->set(target.names[0], std::move(value));
        return {};
    }
    const List items = TRY(items_of(value));
    if (items.size() != target.names.size())
        return stop(fmt::format("ValueError: {} values for {} names", items.size(), target.names.size()));
    for (size_t i = 0; i < items.size(); ++i) scope_->set(target.names[i], items[i]);
    return {};
}

Outcome<> Run::loop(const Statement& statement, const List& all, Text& out, int64_t depth) {
    // A condition sees the loop's variables, but its `loop` counts only what passed.
    List items;
    if (statement.condition) {
        const Inside inside(scope_, scope_);
        for (const Value& item : all) {
            TRY(assign(statement.target, item));
            if (TRY(evaluate(*statement.condition)).is_true()) items.push_back(item);
        }
    } else {
        items = all;
    }
    if (items.empty()) {
        const Inside inside(scope_, scope_);
        TRY(execute(statement.otherwise, out));
        return {};
    }
    const auto around = scope_;
    const auto state = std::make_shared<Namespace>();
    const size_t count = items.size();
    const auto index = std::make_shared<size_t>(0);
    const auto last_seen = std::make_shared<std::optional<List>>();
    state->set("cycle", Callable{"cycle", [index](Run&, const Arguments& arguments) -> Outcome<Value> {
                                     if (arguments.positional.empty()) return stop("cycle needs values");
                                     return arguments.positional[*index % arguments.positional.size()];
                                 }});
    state->set("changed", Callable{"changed", [last_seen](Run&, const Arguments& arguments) -> Outcome<Value> {
                                       const bool is_same =
                                           *last_seen && Value(**last_seen).equals(Value(arguments.positional));
                                       *last_seen = arguments.positional;
                                       return !is_same;
                                   }});
    if (statement.is_recursive)
        state->set("()", Callable{"loop",
                                  [this, &statement, place = keep(around), depth](
                                      Run&, const Arguments& arguments) -> Outcome<Value> {
                                      if (arguments.positional.size() != 1) return stop("loop takes one value");
                                      const List inner = TRY(items_of(arguments.positional[0]));
                                      const auto before = std::exchange(scope_, closures_[place]);
                                      Text inside;
                                      const auto done = loop(statement, inner, inside, depth + 1);
                                      scope_ = before;
                                      if (!done) return std::unexpected(done.error());
                                      return inside;
                                  }});
    for (size_t i = 0; i < count; ++i) {
        TRY(spend(1));
        *index = i;
        state->set("index0", i);
        state->set("index", i + 1);
        state->set("revindex0", count - 1 - i);
        state->set("revindex", count - i);
        state->set("first", i == 0);
        state->set("last", i + 1 == count);
        state->set("length", count);
        state->set("depth0", depth);
        state->set("depth", depth + 1);
        state->set("previtem", i > 0 ? items[i - 1] : Value::undefined("there is no previous item"));
        state->set("nextitem", i + 1 < count ? items[i + 1] : Value::undefined("there is no next item"));
        const Inside inside(scope_, around);
        scope_->set("loop", state);
        TRY(assign(statement.target, items[i]));
        if (TRY(execute(statement.body, out)) == Flow::leave) break;
    }
    if (state.use_count() > 1) namespaces_.push_back(state);  // somebody kept it
    return {};
}

Value Run::make_macro(const std::string& name, const std::vector<Parameter>& parameters, const Block& body) {
    return Callable{
        name, [place = keep(scope_), &parameters, &body](Run& run, const Arguments& arguments) -> Outcome<Value> {
            const Inside inside(run.scope_, run.closures_[place]);
            List rest;
            Dictionary others;
            for (size_t i = parameters.size(); i < arguments.positional.size(); ++i)
                rest.push_back(arguments.positional[i]);
            for (const auto& [given, value] : arguments.named) {
                if (given == "caller")
                    run.scope_->set("caller", value);
                else if (std::ranges::find(parameters, given, &Parameter::name) == parameters.end())
                    others.set(Value(given), value);
            }
            run.scope_->set("varargs", Value::tuple(std::move(rest)));
            run.scope_->set("kwargs", Value(std::move(others)));
            for (size_t i = 0; i < parameters.size(); ++i) {
                const Parameter& parameter = parameters[i];
                if (const Value* given = arguments.find(i, parameter.name))
                    run.scope_->set(parameter.name, *given);
                else if (parameter.otherwise)
                    run.scope_->set(parameter.name, TRY(run.evaluate(*parameter.otherwise)));
                else
                    run.scope_->set(parameter.name,
                                    Value::undefined(fmt::format("parameter '{}' was not provided", parameter.name)));
            }
            Text out;
            TRY(run.execute(body, out));
            return out;
        }};
}

Outcome<Value> Run::call(const Value& callee, const Arguments& arguments) {
    TRY(need_defined(callee));
    const Callable* callable = callee.callable();
    if (const Namespace* space = callee.space())
        if (const Value* recursion = space->find("()")) callable = recursion->callable();
    if (!callable) return stop(fmt::format("TypeError: '{}' object is not callable", callee.type_name()));
    TRY(spend(1));
    return callable->call(*this, arguments);
}

Outcome<Arguments> Run::arguments_of(const Expression& expression) {
    Arguments arguments;
    for (size_t i = 1; i < expression.parts.size(); ++i)
        arguments.positional.push_back(TRY(evaluate(*expression.parts[i])));
    for (const NamedExpression& one : expression.named)
        arguments.named.emplace_back(one.name, TRY(evaluate(*one.value)));
    return arguments;
}

Outcome<Value> Run::apply_filter(const Expression& expression, const Value& value) {
    // In a chain the value goes into its first filter.
    const Value before = expression.parts[0] ? TRY(apply_filter(*expression.parts[0], value)) : value;
    return find_filter(expression.text)(*this, before, TRY(arguments_of(expression)));
}

Outcome<Value> Run::evaluate(const Expression& expression) {
    TRY(spend(1));
    const Level level(depth_);
    if (depth_ > kDeepest) return stop("the template is nested too deeply", Failure::Kind::limit);
    auto value = compute(expression);
    if (value && value->depth() > kDeepestValue)
        value = stop("the template makes a value that is nested too deeply", Failure::Kind::limit);
    if (!value && value.error().place == Failure::kNowhere) value.error().place = expression.place;
    return value;
}

Outcome<Value> Run::compute(const Expression& expression) {
    using Kind = Expression::Kind;
    const auto part = [&](size_t i) { return evaluate(*expression.parts[i]); };
    switch (expression.kind) {
        case Kind::constant:
            return expression.constant;
        case Kind::name:
            if (const Value* found = scope_->find(expression.text)) return *found;
            return Value::undefined(fmt::format("'{}' is undefined", expression.text));
        case Kind::attribute: {
            const Value value = TRY(part(0));
            if (value.is_dictionary()) TRY(spend(value.dictionary().members.size() / 32));
            return attribute_of(value, expression.text);
        }
        case Kind::item: {
            const Value value = TRY(part(0));
            if (value.is_text()) TRY(spend_on(value));
            if (value.is_dictionary()) TRY(spend(value.dictionary().members.size() / 32));
            return item_of(value, TRY(part(1)));
        }
        case Kind::slice: {
            const Value value = TRY(part(0));
            TRY(spend_on(value));
            Value bounds[3];
            for (size_t i = 0; i < 3; ++i)
                if (expression.parts[i + 1]) bounds[i] = TRY(part(i + 1));
            return slice_of(value, bounds[0], bounds[1], bounds[2]);
        }
        case Kind::call: {
            const Value callee = TRY(part(0));
            return call(callee, TRY(arguments_of(expression)));
        }
        case Kind::filter: {
            const Value value = TRY(part(0));
            TRY(spend_on(value));
            const Value made = TRY(find_filter(expression.text)(*this, value, TRY(arguments_of(expression))));
            TRY(spend_on(made));
            return made;
        }
        case Kind::test: {
            const Value value = TRY(part(0));
            TRY(spend_on(value));
            return TRY(find_test(expression.text)(*this, value, TRY(arguments_of(expression))));
        }
        case Kind::unary: {
            const Value value = TRY(part(0));
            if (expression.text == "not") return !value.is_true();
            TRY(need_defined(value));
            if (!value.is_number())
                return stop(
                    fmt::format("TypeError: bad operand type for unary {}: '{}'", expression.text, value.type_name()));
            if (value.is_real()) return expression.text == "-" ? -value.as_double() : value.as_double();
            return expression.text == "-" ? value.as_big().negated() : value.as_big();
        }
        case Kind::binary:
            return compute_binary(expression);
        case Kind::comparison:
            return compute_comparison(expression);
        case Kind::both: {
            Value left = TRY(part(0));
            return left.is_true() ? part(1) : Outcome<Value>(std::move(left));
        }
        case Kind::either: {
            Value left = TRY(part(0));
            return left.is_true() ? Outcome<Value>(std::move(left)) : part(1);
        }
        case Kind::conditional:
            if (TRY(part(1)).is_true()) return part(0);
            if (expression.parts[2]) return part(2);
            return Value::undefined("the inline if-expression evaluated to false and no else section was defined");
        case Kind::list:
        case Kind::tuple: {
            List items;
            for (size_t i = 0; i < expression.parts.size(); ++i) items.push_back(TRY(part(i)));
            return expression.kind == Kind::list ? Value(std::move(items)) : Value::tuple(std::move(items));
        }
        case Kind::dictionary: {
            Dictionary made;
            for (size_t i = 0; i < expression.parts.size(); i += 2) {
                Value key = TRY(part(i));
                if (key.is_list() || key.is_dictionary())
                    return stop(fmt::format("TypeError: unhashable type: '{}'", key.type_name()));
                TRY(spend(made.members.size() / 2));
                made.set(std::move(key), TRY(part(i + 1)));
            }
            return made;
        }
    }
    return Value();
}

Outcome<Value> Run::compute_binary(const Expression& expression) {
    const std::string& sign = expression.text;
    const Value a = TRY(evaluate(*expression.parts[0])), b = TRY(evaluate(*expression.parts[1]));
    if (sign == "~") {
        Text joined = TRY(printed(a));
        joined.append(TRY(printed(b)));
        return joined;
    }
    TRY(need_defined(a));
    TRY(need_defined(b));
    if (sign == "%" && a.is_text()) TRY(spend_on(a));
    if (sign == "%" && a.is_text()) return TRY(percent_format(a.text(), b.is_tuple() ? *b.items() : List{b}));
    if (a.is_number() && b.is_number())
        return a.is_real() || b.is_real() ? on_reals(sign, a.as_double(), b.as_double()) : on_integers(sign, a, b);
    if (sign == "+" && a.is_text() && b.is_text()) {
        Text joined = a.text();
        joined.append(b.text());
        TRY(spend(joined.bytes.size() / 64));
        return joined;
    }
    if (sign == "+" && a.items() && b.items() && a.is_list() == b.is_list()) {
        List joined = *a.items();
        joined.insert(joined.end(), b.items()->begin(), b.items()->end());
        TRY(spend(joined.size()));
        return a.is_list() ? Value(std::move(joined)) : Value::tuple(std::move(joined));
    }
    if (sign == "*") {
        int64_t times = 0;
        const bool counts_first = a.as_integer(times);
        const Value& repeated = counts_first ? b : a;
        if ((counts_first || b.as_integer(times)) && (repeated.is_text() || repeated.items())) {
            times = std::max<int64_t>(times, 0);
            const size_t size = repeated.is_text() ? repeated.bytes().size() / 16 + 1 : repeated.items()->size() + 1;
            if (times > int64_t(most_work_))
                return stop("the template makes a value that is too large", Failure::Kind::limit);
            TRY(spend(size * size_t(times)));
            Text text;
            List items;
            for (; times > 0; --times) {
                if (repeated.is_text())
                    text.append(repeated.text());
                else
                    items.insert(items.end(), repeated.items()->begin(), repeated.items()->end());
            }
            if (repeated.is_text()) return text;
            return repeated.is_list() ? Value(std::move(items)) : Value::tuple(std::move(items));
        }
    }
    return no_operation(sign, a, b);
}

Outcome<Value> Run::compute_comparison(const Expression& expression) {
    Value left = TRY(evaluate(*expression.parts[0]));
    for (size_t i = 0; i < expression.signs.size(); ++i) {
        const std::string& sign = expression.signs[i];
        Value right = TRY(evaluate(*expression.parts[i + 1]));
        TRY(spend_on(right));
        bool holds = false;
        if (sign == "==")
            holds = left.equals(right);
        else if (sign == "!=")
            holds = !left.equals(right);
        else if (sign == "in")
            holds = TRY(is_in(left, right));
        else if (sign == "not in")
            holds = !TRY(is_in(left, right));
        else {
            const int order = TRY(compare(left, right));
            holds = sign == "<" ? order < 0 : sign == ">" ? order > 0 : sign == "<=" ? order <= 0 : order >= 0;
        }
        if (!holds) return false;
        left = std::move(right);
    }
    return true;
}

}  // namespace hearth::jinja
