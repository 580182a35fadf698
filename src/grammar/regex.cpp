#include "grammar/regex.h"

#include <algorithm>

#include "grammar/front_ends.h"

namespace hearth::grammar {

namespace {

CodeSet set_of(std::initializer_list<CodeRange> ranges) {
    CodeSet set;
    for (const CodeRange& range : ranges) set.add(range.low, range.high);
    return set;
}

class RegexReader {
public:
    RegexReader(std::string_view text, RegexDialect dialect, Spelling spelling, Rules& rules)
        : dialect_(dialect), spelling_(spelling), rules_(rules) {
        is_valid_ = read_codes(text, text_);
    }

    Result<ExprId> read() {
        if (!is_valid_) return wrong("is not valid UTF-8");
        const ExprId made = TRY(read_choice(0));
        if (at_ < text_.size()) return wrong(fmt::format("has a ) too many at character {}", at_));
        return made;
    }

private:
    static std::unexpected<Error> wrong(std::string what) {
        return fail(ErrorKind::bad_request, "the regular expression " + what);
    }
    static std::unexpected<Error> refused(std::string_view what) {
        return fail(ErrorKind::unsupported,
                    fmt::format("the regular expression uses {}, which cannot be enforced", what),
                    "leave it away or spell out what it means");
    }
    uint32_t peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : UINT32_MAX; }
    bool takes(uint32_t code) {
        if (peek() != code) return false;
        ++at_;
        return true;
    }
    ExprId codes(CodeSet set) { return rules_.codes(std::move(set), spelling_); }

    Result<ExprId> read_choice(int nesting) {
        if (nesting > kMostNesting) return wrong(fmt::format("nests parentheses more than {} deep", kMostNesting));
        std::vector<ExprId> parts{TRY(read_sequence(nesting))};
        while (takes('|')) parts.push_back(TRY(read_sequence(nesting)));
        return rules_.choice(std::move(parts));
    }

    Result<ExprId> read_sequence(int nesting) {
        std::vector<ExprId> parts;
        while (at_ < text_.size() && peek() != '|' && peek() != ')') {
            const ExprId part = TRY(read_atom(nesting));
            parts.push_back(TRY(read_repetition(part)));
        }
        return rules_.sequence(std::move(parts));
    }

    Result<ExprId> read_atom(int nesting) {
        const uint32_t code = text_[at_++];
        switch (code) {
            case '^':
                return codes(CodeSet(kTextBegin, kTextBegin));
            case '$':
                return codes(CodeSet(kTextEnd, kTextEnd));
            case '.':
                return codes((dialect_ == RegexDialect::ecma ? set_of({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}})
                                                             : set_of({{'\n', '\n'}}))
                                 .complement());
            case '[':
                return codes(TRY(read_class()));
            case '(': {
                if (takes('?')) TRY(read_group_kind());
                const ExprId inside = TRY(read_choice(nesting + 1));
                if (!takes(')')) return wrong("has a ( that is not closed");
                return inside;
            }
            case '\\':
                return codes(TRY(read_escape(false)));
            case '*':
            case '+':
            case '?':
                return wrong(fmt::format("repeats nothing at character {}", at_ - 1));
            default:
                return codes(CodeSet(code, code));
        }
    }

    Result<> read_group_kind() {
        if (takes(':')) return {};
        if (peek() == '=' || peek() == '!' || (peek() == '<' && (peek(1) == '=' || peek(1) == '!')))
            return refused("a look-around");
        takes('P');
        if (!takes('<')) return refused("flags or a special group");
        while (at_ < text_.size() && peek() != '>') ++at_;
        if (!takes('>')) return wrong("has a group name without its >");
        return {};
    }

    Result<ExprId> read_repetition(ExprId part) {
        for (int count = 0;; ++count) {
            int32_t least = 0, most = Expr::kUnbounded;
            if (takes('*')) {
            } else if (takes('+')) {
                least = 1;
            } else if (takes('?')) {
                most = 1;
            } else if (peek() == '{') {
                const size_t begin = at_++;
                const auto number = [&]() -> int64_t {
                    if (peek() < '0' || peek() > '9') return -1;
                    int64_t value = 0;
                    for (; peek() >= '0' && peek() <= '9'; ++at_)
                        value = std::min<int64_t>(10 * value + (peek() - '0'), int64_t(kMostRepetitions) + 1);
                    return value;
                };
                int64_t low = number(), high = low;
                if (takes(',')) high = peek() == '}' ? Expr::kUnbounded : number();
                if (low < 0 || (high < 0 && high != Expr::kUnbounded) || !takes('}')) {
                    if (dialect_ == RegexDialect::rust) return wrong("has a { that begins no repetition");
                    at_ = begin;  // an ordinary brace
                    return part;
                }
                if (low > kMostRepetitions || high > kMostRepetitions)
                    return wrong(fmt::format("repeats more than {} times", kMostRepetitions));
                if (high != Expr::kUnbounded && high < low)
                    return wrong(fmt::format("asks for {} to {} repetitions", low, high));
                least = int32_t(low), most = int32_t(high);
            } else {
                return part;
            }
            if (count == kMostQuantifiers)
                return wrong(fmt::format("puts more than {} repetitions behind one part", kMostQuantifiers));
            takes('?');  // how much it prefers to take does not change what matches
            part = rules_.repeat(part, least, most);
        }
    }

    Result<uint32_t> read_hex(int digits) {
        uint32_t code = 0;
        for (int i = 0; i < digits; ++i, ++at_) {
            const uint32_t c = peek();
            const int digit = c >= '0' && c <= '9'   ? int(c - '0')
                              : c >= 'a' && c <= 'f' ? int(c - 'a') + 10
                              : c >= 'A' && c <= 'F' ? int(c - 'A') + 10
                                                     : -1;
            if (digit < 0) return wrong("has an escape without its hexadecimal digits");
            code = code * 16 + uint32_t(digit);
        }
        return code;
    }

    Result<CodeSet> read_escape(bool in_class) {
        if (at_ >= text_.size()) return wrong("ends with a backslash");
        const uint32_t c = text_[at_++];
        const CodeSet digits('0', '9'), words = set_of({{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}});
        const CodeSet spaces = dialect_ == RegexDialect::ecma ? set_of({{9, 13},
                                                                        {' ', ' '},
                                                                        {0xA0, 0xA0},
                                                                        {0x1680, 0x1680},
                                                                        {0x2000, 0x200A},
                                                                        {0x2028, 0x2029},
                                                                        {0x202F, 0x202F},
                                                                        {0x205F, 0x205F},
                                                                        {0x3000, 0x3000},
                                                                        {0xFEFF, 0xFEFF}})
                                                              : set_of({{9, 13}, {' ', ' '}});
        const auto one = [](uint32_t code) { return CodeSet(code, code); };
        switch (c) {
            case 'd':
                return digits;
            case 'D':
                return digits.complement();
            case 'w':
                return words;
            case 'W':
                return words.complement();
            case 's':
                return spaces;
            case 'S':
                return spaces.complement();
            case 'n':
                return one('\n');
            case 'r':
                return one('\r');
            case 't':
                return one('\t');
            case 'f':
                return one('\f');
            case 'v':
                return one('\v');
            case '0':
                if (peek() >= '0' && peek() <= '9') return refused("an octal escape");
                return one(0);
            case 'b':
                if (in_class) return one('\b');
                return refused("a word border (\\b)");
            case 'c':
                if ((peek() | 32) < 'a' || (peek() | 32) > 'z') return wrong("has \\c without a letter");
                return one(text_[at_++] & 31);
            case 'x':
                if (dialect_ == RegexDialect::rust && peek() == '{') return read_braced();
                return one(TRY(read_hex(2)));
            case 'u': {
                if (peek() == '{') return read_braced();
                const uint32_t code = TRY(read_hex(4));
                if (code < 0xD800 || code > 0xDFFF) return one(code);
                if (code > 0xDBFF || peek() != '\\' || peek(1) != 'u') return refused("half of a surrogate pair");
                at_ += 2;
                const uint32_t low = TRY(read_hex(4));
                if (low < 0xDC00 || low > 0xDFFF) return refused("half of a surrogate pair");
                return one(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00));
            }
            case 'p':
            case 'P':
                return refused("a Unicode property (\\p)");
            case 'B':
                return refused("a word border (\\B)");
            case 'k':
                return refused("a reference back");
            default:
                if (c >= '1' && c <= '9') return refused("a reference back");
                if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
                    std::string letter;
                    append_utf8(letter, c);
                    return refused("the escape \\" + letter);
                }
                return one(c);
        }
    }
    Result<CodeSet> read_braced() {
        ++at_;
        uint32_t code = 0;
        size_t digits = 0;
        for (; peek() != '}' && digits < 7; ++digits) code = code * 16 + TRY(read_hex(1));
        if (digits == 0 || !takes('}') || code > kLastCode) return wrong("has a character that does not exist");
        return CodeSet(code, code);
    }

    Result<CodeSet> read_class() {
        const bool is_negated = takes('^');
        CodeSet set;
        bool is_first = true;
        while (at_ < text_.size()) {
            // In Rust's dialect a bracket in first place stands for itself.
            if (peek() == ']' && !(is_first && dialect_ == RegexDialect::rust)) break;
            is_first = false;
            if (dialect_ == RegexDialect::rust &&
                (peek() == '[' || (peek() == '&' && peek(1) == '&') || (peek() == '-' && peek(1) == '-')))
                return refused("classes inside classes");
            const CodeSet low = TRY(read_class_atom());
            if (peek() != '-' || peek(1) == ']' || at_ + 1 >= text_.size()) {
                set.add(low);
                continue;
            }
            ++at_;
            const CodeSet high = TRY(read_class_atom());
            const auto is_one = [](const CodeSet& s) {
                return s.ranges().size() == 1 && s.ranges()[0].low == s.ranges()[0].high;
            };
            if (!is_one(low) || !is_one(high)) {  // [\w-x]: a dash
                set.add(low);
                set.add('-', '-');
                set.add(high);
            } else if (high.ranges()[0].low < low.ranges()[0].low) {
                return wrong("has a range that runs backwards");
            } else {
                set.add(low.ranges()[0].low, high.ranges()[0].low);
            }
        }
        if (!takes(']')) return wrong("has a [ that is not closed");
        return is_negated ? set.complement() : set;
    }
    Result<CodeSet> read_class_atom() {
        const uint32_t code = text_[at_++];
        if (code == '\\') return read_escape(true);
        return CodeSet(code, code);
    }

    std::vector<uint32_t> text_;
    RegexDialect dialect_;
    Spelling spelling_;
    Rules& rules_;
    size_t at_ = 0;
    bool is_valid_ = true;
};

bool is_anchor(const Rules& rules, ExprId id, uint32_t code) {
    const Expr& e = rules.expression(id);
    return e.kind == Expr::Kind::codes && rules.codes_of(e).ranges() == std::vector<CodeRange>{{code, code}};
}

bool has_anchor(const Rules& rules, ExprId id) {
    const Expr& e = rules.expression(id);
    if (e.kind == Expr::Kind::codes) return rules.codes_of(e).ranges().back().high > kLastCode;
    return std::ranges::any_of(e.parts, [&](ExprId part) { return has_anchor(rules, part); });
}

// Anchors at the ends of alternatives, as nearly all stand, go without an automaton. Nothing: there are others.
std::optional<ExprId> resolve_simple(ExprId id, bool is_whole, Spelling spelling, Rules& rules) {
    const Expr e = rules.expression(id);
    if (e.kind == Expr::Kind::choice) {
        std::vector<ExprId> parts;
        for (const ExprId part : e.parts) {
            const auto resolved = resolve_simple(part, is_whole, spelling, rules);
            if (!resolved) return std::nullopt;
            parts.push_back(*resolved);
        }
        return rules.choice(std::move(parts));
    }
    std::vector<ExprId> parts = e.kind == Expr::Kind::sequence ? e.parts : std::vector<ExprId>{id};
    const bool begins = is_anchor(rules, parts.front(), kTextBegin);
    if (begins) parts.erase(parts.begin());
    const bool ends = !parts.empty() && is_anchor(rules, parts.back(), kTextEnd);
    if (ends) parts.pop_back();
    if (parts.size() == 1 && !begins && !ends && rules.expression(parts[0]).kind == Expr::Kind::choice)
        return resolve_simple(parts[0], is_whole, spelling, rules);
    for (const ExprId part : parts)
        if (has_anchor(rules, part)) return std::nullopt;
    const ExprId anything = rules.repeat(rules.codes(CodeSet::all(), spelling), 0, Expr::kUnbounded);
    if (!is_whole && !begins) parts.insert(parts.begin(), anything);
    if (!is_whole && !ends) parts.push_back(anything);
    return rules.sequence(std::move(parts));
}

}  // namespace

Result<ExprId> read_expression(std::string_view text, RegexDialect dialect, Spelling spelling, Rules& rules) {
    return RegexReader(text, dialect, spelling, rules).read();
}

Result<ExprId> resolve_anchors(ExprId expression, bool is_whole, Spelling spelling, Rules& rules) {
    if (const auto simple = resolve_simple(expression, is_whole, spelling, rules)) return *simple;
    return rules.graph(without_anchors(TRY(graph_of(rules, expression)), is_whole), spelling);
}

Result<CharGraph> expression_graph(std::string_view text, RegexDialect dialect, bool is_whole) {
    Rules rules;
    const ExprId expression = TRY(read_expression(text, dialect, Spelling::utf8, rules));
    return deterministic(without_anchors(TRY(graph_of(rules, expression)), is_whole));
}

Result<ExprId> read_regex(std::string_view expression, Rules& rules) {
    if (expression.size() > kMostText)
        return fail(ErrorKind::bad_request, fmt::format("the regular expression is {} bytes long, at most {} are read",
                                                        expression.size(), kMostText));
    const ExprId read = TRY(read_expression(expression, RegexDialect::rust, Spelling::utf8, rules));
    return resolve_anchors(read, true, Spelling::utf8, rules);
}

}  // namespace hearth::grammar
