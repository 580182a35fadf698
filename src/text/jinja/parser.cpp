#include <algorithm>
#include <cstdlib>

#include "text/jinja/builtins.h"
#include "text/jinja/lexer.h"
#include "text/jinja/syntax.h"

namespace hearth::jinja {

namespace {

constexpr int kDeepestSource = 120, kLongestChain = 400;

class Parser {
public:
    explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

    Outcome<Block> whole() {
        Block block = TRY(statements({}));
        return block;
    }

private:
    using Kind = Token::Kind;

    const Token& now() const { return tokens_[at_]; }
    const Token& take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
    bool is(Kind kind, std::string_view text) const { return now().kind == kind && now().text == text; }
    bool is_sign(std::string_view text) const { return is(Kind::sign, text); }
    bool is_name(std::string_view text) const { return is(Kind::name, text); }
    bool skip(Kind kind, std::string_view text) { return is(kind, text) && (take(), true); }
    bool skip_sign(std::string_view text) { return skip(Kind::sign, text); }
    bool skip_name(std::string_view text) { return skip(Kind::name, text); }

    std::unexpected<Failure> wrong(std::string what) const {
        return std::unexpected(Failure{Failure::Kind::syntax, std::move(what), now().place});
    }
    std::string shown() const {
        switch (now().kind) {
            case Kind::end:
                return "the end of the template";
            case Kind::end_output:
                return "'}}'";
            case Kind::end_statement:
                return "'%}'";
            default:
                return "'" + now().text + "'";
        }
    }
    Outcome<> expect_sign(std::string_view text) {
        if (!skip_sign(text)) return wrong(fmt::format("expected '{}', found {}", text, shown()));
        return {};
    }
    Outcome<std::string> expect_name() {
        if (now().kind != Kind::name) return wrong("expected a name, found " + shown());
        return take().text;
    }
    Outcome<> end_of_tag() {
        if (now().kind != Kind::end_statement) return wrong("expected '%}', found " + shown());
        take();
        return {};
    }

    // Up to a tag whose name is one of `ends`; that name is the current token then.
    Outcome<Block> statements(const std::vector<std::string_view>& ends) {
        const Level level(depth_);
        if (depth_ > kDeepestSource) return wrong("the template is nested too deeply");
        Block block;
        while (true) {
            const Token& token = now();
            if (token.kind == Kind::end) {
                if (ends.empty()) return block;
                return wrong(fmt::format("expected '{}' before the end of the template", ends.back()));
            }
            if (token.kind == Kind::text) {
                block.push_back({.kind = Statement::Kind::text, .place = token.place, .text = token.text});
                take();
                continue;
            }
            take();
            if (token.kind == Kind::begin_output) {
                Statement output{.kind = Statement::Kind::output, .place = token.place};
                output.value = TRY(tuple_or_one());
                if (now().kind != Kind::end_output) return wrong("expected '}}', found " + shown());
                take();
                block.push_back(std::move(output));
                continue;
            }
            if (now().kind != Kind::name) return wrong("expected the name of a tag, found " + shown());
            if (std::ranges::find(ends, now().text) != ends.end()) return block;
            block.push_back(TRY(statement(token.place)));
        }
    }
    Outcome<> end_with(std::string_view name) {
        if (!skip_name(name)) return wrong(fmt::format("expected '{}', found {}", name, shown()));
        return end_of_tag();
    }

    Outcome<Statement> statement(size_t place) {
        const std::string name = now().text;
        Statement made;
        made.place = place;
        if (name == "if") return choice(std::move(made));
        if (name == "for") return loop(std::move(made));
        if (name == "set") return assignment(std::move(made));
        if (name == "macro") return macro(std::move(made));
        if (name == "call") return call_block(std::move(made));
        if (name == "filter") {
            take();
            made.kind = Statement::Kind::filter;
            made.value = TRY(filters(nullptr, true));
            TRY(end_of_tag());
            made.body = TRY(statements({"endfilter"}));
            TRY(end_with("endfilter"));
            return made;
        }
        if (name == "generation") {
            take();
            made.kind = Statement::Kind::group;
            TRY(end_of_tag());
            made.body = TRY(statements({"endgeneration"}));
            TRY(end_with("endgeneration"));
            return made;
        }
        if (name == "with") return with(std::move(made));
        if (name == "break" || name == "continue") {
            if (loops_ == 0) return wrong(name + " outside of a loop");
            take();
            made.kind = name == "break" ? Statement::Kind::leave : Statement::Kind::skip;
            TRY(end_of_tag());
            return made;
        }
        return wrong(fmt::format("unknown tag '{}'", name));
    }

    Outcome<Statement> choice(Statement made) {
        take();
        made.kind = Statement::Kind::choice;
        made.value = TRY(tuple_or_one(false));
        TRY(end_of_tag());
        made.body = TRY(statements({"elif", "else", "endif"}));
        if (is_name("elif")) {
            const Level level(depth_);
            if (depth_ > kDeepestSource) return wrong("the template is nested too deeply");
            Statement next;
            next.place = now().place;
            made.otherwise.push_back(TRY(choice(std::move(next))));
            return made;
        }
        if (skip_name("else")) {
            TRY(end_of_tag());
            made.otherwise = TRY(statements({"endif"}));
        }
        TRY(end_with("endif"));
        return made;
    }

    Outcome<Statement> loop(Statement made) {
        take();
        made.kind = Statement::Kind::loop;
        made.target = TRY(target(false));
        if (!skip_name("in")) return wrong("expected 'in', found " + shown());
        made.value = TRY(tuple_or_one(false));
        if (skip_name("if")) made.condition = TRY(expression());
        made.is_recursive = skip_name("recursive");
        TRY(end_of_tag());
        ++loops_;
        made.body = TRY(statements({"else", "endfor"}));
        --loops_;
        if (skip_name("else")) {
            TRY(end_of_tag());
            made.otherwise = TRY(statements({"endfor"}));
        }
        TRY(end_with("endfor"));
        return made;
    }

    Outcome<Target> target(bool may_be_member) {
        Target made;
        const bool is_bracketed = skip_sign("(");
        made.names.push_back(TRY(expect_name()));
        if (may_be_member && skip_sign(".")) {
            made.member = TRY(expect_name());
            return made;
        }
        while (skip_sign(",")) {
            made.is_tuple = true;
            if (now().kind != Kind::name || is_name("in")) break;
            made.names.push_back(TRY(expect_name()));
        }
        if (is_bracketed) TRY(expect_sign(")"));
        return made;
    }

    Outcome<Statement> assignment(Statement made) {
        take();
        made.target = TRY(target(true));
        if (skip_sign("=")) {
            made.kind = Statement::Kind::assign;
            made.value = TRY(tuple_or_one());
            TRY(end_of_tag());
            return made;
        }
        made.kind = Statement::Kind::assign_body;
        if (is_sign("|")) made.value = TRY(filters(nullptr, false));
        TRY(end_of_tag());
        made.body = TRY(statements({"endset"}));
        TRY(end_with("endset"));
        return made;
    }

    Outcome<std::vector<Parameter>> parameters() {
        std::vector<Parameter> made;
        TRY(expect_sign("("));
        while (!is_sign(")")) {
            if (!made.empty()) TRY(expect_sign(","));
            if (is_sign(")")) break;
            Parameter& parameter = made.emplace_back();
            parameter.name = TRY(expect_name());
            if (skip_sign("=")) parameter.otherwise = TRY(expression());
        }
        TRY(expect_sign(")"));
        return made;
    }

    Outcome<Statement> macro(Statement made) {
        take();
        made.kind = Statement::Kind::macro;
        made.text = TRY(expect_name());
        made.parameters = TRY(parameters());
        TRY(end_of_tag());
        const int loops = std::exchange(loops_, 0);
        made.body = TRY(statements({"endmacro"}));
        loops_ = loops;
        TRY(end_with("endmacro"));
        return made;
    }

    Outcome<Statement> call_block(Statement made) {
        take();
        made.kind = Statement::Kind::call;
        if (is_sign("(")) made.parameters = TRY(parameters());
        made.value = TRY(expression());
        if (made.value->kind != Expression::Kind::call) return wrong("call needs a call");
        TRY(end_of_tag());
        const int loops = std::exchange(loops_, 0);
        made.body = TRY(statements({"endcall"}));
        loops_ = loops;
        TRY(end_with("endcall"));
        return made;
    }

    Outcome<Statement> with(Statement made) {
        take();
        made.kind = Statement::Kind::with;
        while (now().kind != Kind::end_statement) {
            if (!made.parameters.empty()) TRY(expect_sign(","));
            Parameter& parameter = made.parameters.emplace_back();
            parameter.name = TRY(expect_name());
            TRY(expect_sign("="));
            parameter.otherwise = TRY(expression());
        }
        TRY(end_of_tag());
        made.body = TRY(statements({"endwith"}));
        TRY(end_with("endwith"));
        return made;
    }

    // Expressions, loosest first.

    ExpressionPointer make(Expression::Kind kind, size_t place, std::string text = {}) const {
        auto made = std::make_unique<Expression>();
        made->kind = kind;
        made->place = place;
        made->text = std::move(text);
        return made;
    }
    template <class... Parts>
    ExpressionPointer make(Expression::Kind kind, size_t place, std::string text, Parts... parts) const {
        auto made = make(kind, place, std::move(text));
        ((made->depth = std::max(made->depth, parts ? parts->depth + 1 : 1), made->parts.push_back(std::move(parts))),
         ...);
        return made;
    }

    // A chain of a thousand signs nests as deeply as a thousand brackets.
    Outcome<> check_depth(const Expression& expression) const {
        if (expression.depth > kLongestChain) return wrong("the expression is too long");
        return {};
    }

    // a, b: a tuple without brackets.
    Outcome<ExpressionPointer> tuple_or_one(bool has_conditions = true) {
        const size_t place = now().place;
        auto first = TRY(has_conditions ? expression() : either());
        if (!is_sign(",")) return first;
        auto made = make(Expression::Kind::tuple, place, "", std::move(first));
        while (skip_sign(",")) {
            if (now().kind == Kind::end_output || now().kind == Kind::end_statement || is_sign(")")) break;
            add_part(*made, TRY(has_conditions ? expression() : either()));
        }
        return made;
    }

    Outcome<ExpressionPointer> expression() {
        const Level level(depth_);
        if (depth_ > kDeepestSource) return wrong("the expression is nested too deeply");
        const size_t place = now().place;
        auto value = TRY(either());
        while (skip_name("if")) {
            auto condition = TRY(either());
            ExpressionPointer otherwise;
            if (skip_name("else")) otherwise = TRY(expression());
            value = make(Expression::Kind::conditional, place, "", std::move(value), std::move(condition),
                         std::move(otherwise));
            TRY(check_depth(*value));
        }
        return value;
    }

    Outcome<ExpressionPointer> either() {
        auto left = TRY(both());
        while (is_name("or")) {
            const size_t place = take().place;
            auto right = TRY(both());
            left = make(Expression::Kind::either, place, "", std::move(left), std::move(right));
            TRY(check_depth(*left));
        }
        return left;
    }

    Outcome<ExpressionPointer> both() {
        auto left = TRY(negation());
        while (is_name("and")) {
            const size_t place = take().place;
            auto right = TRY(negation());
            left = make(Expression::Kind::both, place, "", std::move(left), std::move(right));
            TRY(check_depth(*left));
        }
        return left;
    }

    Outcome<ExpressionPointer> negation() {
        if (!is_name("not")) return comparison();
        const Level level(depth_);
        if (depth_ > kDeepestSource) return wrong("the expression is nested too deeply");
        const size_t place = take().place;
        return make(Expression::Kind::unary, place, "not", TRY(negation()));
    }

    Outcome<ExpressionPointer> comparison() {
        const size_t place = now().place;
        auto left = TRY(sum());
        ExpressionPointer made;
        while (true) {
            std::string sign;
            for (const char* one : {"==", "!=", "<=", ">=", "<", ">"})
                if (is_sign(one)) sign = one;
            if (!sign.empty()) {
                take();
            } else if (skip_name("in")) {
                sign = "in";
            } else if (is_name("not") && tokens_[at_ + 1].kind == Kind::name && tokens_[at_ + 1].text == "in") {
                take(), take();
                sign = "not in";
            } else {
                return made ? std::move(made) : std::move(left);
            }
            if (!made) made = make(Expression::Kind::comparison, place, "", std::move(left));
            made->signs.push_back(sign);
            add_part(*made, TRY(sum()));
        }
    }

    template <class Operand>
    Outcome<ExpressionPointer> chain(std::initializer_list<const char*> signs, Operand operand) {
        auto left = TRY(operand());
        while (true) {
            const auto found = std::ranges::find_if(signs, [&](const char* sign) { return is_sign(sign); });
            if (found == signs.end()) return left;
            const size_t place = take().place;
            auto right = TRY(operand());
            left = make(Expression::Kind::binary, place, *found, std::move(left), std::move(right));
            TRY(check_depth(*left));
        }
    }
    Outcome<ExpressionPointer> sum() {
        return chain({"+", "-"}, [&] { return chain({"~"}, [&] { return product(); }); });
    }
    Outcome<ExpressionPointer> product() {
        return chain({"*", "//", "/", "%"}, [&] { return chain({"**"}, [&] { return unary(true); }); });
    }

    Outcome<ExpressionPointer> unary(bool with_filters) {
        const Level level(depth_);
        if (depth_ > kDeepestSource) return wrong("the expression is nested too deeply");
        ExpressionPointer value;
        if (is_sign("-") || is_sign("+")) {
            const Token& sign = take();
            value = make(Expression::Kind::unary, sign.place, sign.text, TRY(unary(false)));
        } else {
            value = TRY(primary());
        }
        value = TRY(postfix(std::move(value)));
        return with_filters ? filters(std::move(value), false) : std::move(value);
    }

    Outcome<ExpressionPointer> primary() {
        const Token& token = now();
        auto made = make(Expression::Kind::constant, token.place);
        if (token.kind == Kind::text_literal) {
            std::string text = take().text;
            while (now().kind == Kind::text_literal) text += take().text;
            made->constant = Value(std::move(text));
            return made;
        }
        if (token.kind == Kind::number) {
            if (token.text.find_first_of(".eE") != std::string::npos)
                made->constant = std::strtod(token.text.c_str(), nullptr);
            else
                made->constant = BigInteger::from_digits(token.text, false);
            take();
            return made;
        }
        if (token.kind == Kind::name) {
            const std::string& name = take().text;
            if (name == "true" || name == "True" || name == "false" || name == "False")
                made->constant = name[0] == 't' || name[0] == 'T';
            else if (name != "none" && name != "None")
                made = make(Expression::Kind::name, token.place, name);
            return made;
        }
        if (skip_sign("(")) {
            if (skip_sign(")")) return make(Expression::Kind::tuple, token.place);
            auto inside = TRY(tuple_or_one());
            TRY(expect_sign(")"));
            return inside;
        }
        if (skip_sign("[")) {
            made = make(Expression::Kind::list, token.place);
            while (!is_sign("]")) {
                if (!made->parts.empty()) TRY(expect_sign(","));
                if (is_sign("]")) break;
                add_part(*made, TRY(expression()));
            }
            TRY(expect_sign("]"));
            return made;
        }
        if (skip_sign("{")) {
            made = make(Expression::Kind::dictionary, token.place);
            while (!is_sign("}")) {
                if (!made->parts.empty()) TRY(expect_sign(","));
                if (is_sign("}")) break;
                add_part(*made, TRY(expression()));
                TRY(expect_sign(":"));
                add_part(*made, TRY(expression()));
            }
            TRY(expect_sign("}"));
            return made;
        }
        return wrong("expected a value, found " + shown());
    }

    Outcome<ExpressionPointer> postfix(ExpressionPointer value) {
        while (true) {
            TRY(check_depth(*value));
            const size_t place = now().place;
            if (skip_sign(".")) {
                if (now().kind == Kind::number) {
                    auto index = make(Expression::Kind::constant, place);
                    index->constant = BigInteger::from_digits(take().text, false);
                    value = make(Expression::Kind::item, place, "", std::move(value), std::move(index));
                } else {
                    value = make(Expression::Kind::attribute, place, TRY(expect_name()), std::move(value));
                }
            } else if (is_sign("[")) {
                value = TRY(subscript(std::move(value)));
            } else if (is_sign("(")) {
                auto call = make(Expression::Kind::call, place, "", std::move(value));
                TRY(arguments(*call));
                value = std::move(call);
            } else {
                return value;
            }
        }
    }

    Outcome<ExpressionPointer> subscript(ExpressionPointer value) {
        const size_t place = take().place;
        ExpressionPointer bounds[3];
        int colons = 0;
        while (!is_sign("]")) {
            if (skip_sign(":")) {
                if (++colons > 2) return wrong("a slice has at most two colons");
            } else if (bounds[colons]) {
                return wrong("expected ']', found " + shown());
            } else {
                bounds[colons] = TRY(expression());
            }
        }
        take();
        if (colons > 0)
            return make(Expression::Kind::slice, place, "", std::move(value), std::move(bounds[0]),
                        std::move(bounds[1]), std::move(bounds[2]));
        if (!bounds[0]) return wrong("nothing stands between the brackets");
        return make(Expression::Kind::item, place, "", std::move(value), std::move(bounds[0]));
    }

    static void add_part(Expression& expression, ExpressionPointer part) {
        expression.depth = std::max(expression.depth, part->depth + 1);
        expression.parts.push_back(std::move(part));
    }

    Outcome<> arguments(Expression& call) {
        TRY(expect_sign("("));
        for (bool is_first = true; !is_sign(")"); is_first = false) {
            if (!is_first) TRY(expect_sign(","));
            if (is_sign(")")) break;
            if (now().kind == Kind::name && tokens_[at_ + 1].kind == Kind::sign && tokens_[at_ + 1].text == "=") {
                std::string name = take().text;
                take();
                call.named.push_back({std::move(name), TRY(expression())});
            } else if (!call.named.empty()) {
                return wrong("a value without a name stands behind one with a name");
            } else {
                add_part(call, TRY(expression()));
            }
        }
        return expect_sign(")");
    }

    // What follows a value: | filters, tests, and calls of what they gave. `is_first`: a filter's name is the next
    // word.
    Outcome<ExpressionPointer> filters(ExpressionPointer value, bool is_first) {
        while (true) {
            if (value) TRY(check_depth(*value));
            const size_t place = now().place;
            if (is_first || skip_sign("|")) {
                is_first = false;
                std::string name = TRY(expect_name());
                while (skip_sign(".")) name += "." + TRY(expect_name());
                if (!find_filter(name))
                    return std::unexpected(Failure{Failure::Kind::syntax, "no filter named '" + name + "'", place});
                value = make(Expression::Kind::filter, place, std::move(name), std::move(value));
                if (is_sign("(")) TRY(arguments(*value));
            } else if (value && skip_name("is")) {
                value = TRY(test(std::move(value), place));
            } else if (value && is_sign("(")) {
                auto call = make(Expression::Kind::call, place, "", std::move(value));
                TRY(arguments(*call));
                value = std::move(call);
            } else {
                return value;
            }
        }
    }

    Outcome<ExpressionPointer> test(ExpressionPointer value, size_t place) {
        const bool is_negated = skip_name("not");
        const std::string name = TRY(expect_name());
        if (!find_test(name))
            return std::unexpected(Failure{Failure::Kind::syntax, "no test named '" + name + "'", place});
        auto made = make(Expression::Kind::test, place, name, std::move(value));
        const bool is_value =
            now().kind == Kind::text_literal || now().kind == Kind::number || is_sign("[") || is_sign("{") ||
            (now().kind == Kind::name && !is_name("else") && !is_name("or") && !is_name("and") && !is_name("if") &&
             !is_name("is") && !is_name("in") && !is_name("not") && !is_name("recursive"));
        if (is_sign("(")) {
            TRY(arguments(*made));
        } else if (is_value) {
            auto argument = TRY(primary());
            add_part(*made, TRY(postfix(std::move(argument))));
        }
        return is_negated ? make(Expression::Kind::unary, place, "not", std::move(made)) : std::move(made);
    }

    std::vector<Token> tokens_;
    size_t at_ = 0;
    int depth_ = 0, loops_ = 0;
};

}  // namespace

Outcome<Block> parse(std::string_view source) {
    return Parser(TRY(tokens_of(source))).whole();
}

}  // namespace hearth::jinja
