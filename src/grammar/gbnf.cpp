// GBNF, llama.cpp's notation for grammars.
#include <algorithm>
#include <map>

#include "grammar/front_ends.h"

namespace hearth::grammar {

namespace {

class GbnfReader {
public:
    GbnfReader(std::string_view text, Rules& rules) : text_(text), rules_(rules) {}

    Result<ExprId> read() {
        if (text_.size() > kMostText)
            return fail(ErrorKind::bad_request,
                        fmt::format("the grammar is {} bytes long, at most {} are read", text_.size(), kMostText));
        skip_space(true);
        while (at_ < text_.size()) TRY(read_rule());
        for (const auto& [name, rule] : ids_)
            if (!rule.is_defined)
                return fail(ErrorKind::bad_request,
                            fmt::format("line {} names the rule {}, which is nowhere defined", line_of(rule.at), name));
        const auto root = ids_.find("root");
        if (root == ids_.end())
            return fail(ErrorKind::bad_request, "the grammar has no rule root", "begin it with root ::= ...");
        return rules_.rule(root->second.id);
    }

private:
    struct Name {
        RuleId id;
        size_t at;  // where it was first named
        bool is_defined = false;
    };

    char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
    bool takes(std::string_view word) {
        if (!text_.substr(at_).starts_with(word)) return false;
        at_ += word.size();
        return true;
    }
    std::unexpected<Error> wrong(std::string_view what) const {
        return fail(ErrorKind::bad_request, fmt::format("line {} of the grammar {}", line_of(at_), what));
    }
    int64_t line_of(size_t at) const { return 1 + std::ranges::count(text_.substr(0, at), '\n'); }

    void skip_space(bool newlines) {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '#') {
                while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
            } else if (c == ' ' || c == '\t' || (newlines && (c == '\n' || c == '\r'))) {
                ++at_;
            } else {
                return;
            }
        }
    }

    static bool is_name(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    }
    std::string read_name() {
        const size_t begin = at_;
        while (is_name(peek())) ++at_;
        return std::string(text_.substr(begin, at_ - begin));
    }
    Name& named(const std::string& name) {
        const auto [found, is_new] = ids_.try_emplace(name);
        if (is_new) found->second = {rules_.add_rule(name), at_};
        return found->second;
    }

    Result<> read_rule() {
        const std::string name = read_name();
        if (name.empty()) return wrong("should begin with the name of a rule");
        skip_space(false);
        if (!takes("::=")) return wrong(fmt::format("has no ::= behind the name {}", name));
        skip_space(true);
        const RuleId id = named(name).id;
        if (named(name).is_defined) return wrong(fmt::format("defines the rule {} a second time", name));
        named(name).is_defined = true;
        const ExprId body = TRY(read_choice(0));
        rules_.at(id).body = body;
        if (at_ < text_.size() && peek() != '\n' && peek() != '\r')
            return wrong(fmt::format("has something behind the rule {} that belongs to nothing", name));
        skip_space(true);
        return {};
    }

    Result<ExprId> read_choice(int nesting) {
        if (nesting > kMostNesting) return wrong(fmt::format("nests parentheses more than {} deep", kMostNesting));
        std::vector<ExprId> parts{TRY(read_sequence(nesting))};
        while (peek() == '|') {
            ++at_;
            skip_space(true);
            parts.push_back(TRY(read_sequence(nesting)));
        }
        return rules_.choice(std::move(parts));
    }

    Result<ExprId> read_sequence(int nesting) {
        std::vector<ExprId> parts;
        while (at_ < text_.size()) {
            const char c = peek();
            ExprId part;
            if (c == '"') {
                part = TRY(read_literal());
            } else if (c == '[') {
                part = TRY(read_class());
            } else if (c == '.') {
                ++at_;
                part = rules_.codes(CodeSet::all(), Spelling::wide_utf8);
            } else if (c == '(') {
                ++at_;
                skip_space(true);
                part = TRY(read_choice(nesting + 1));
                if (peek() != ')') return wrong("has a parenthesis that is not closed");
                ++at_;
            } else if (c == '<' || (c == '!' && peek(1) == '<')) {
                part = TRY(read_token());
            } else if (is_name(c)) {
                part = rules_.rule(named(read_name()).id);
            } else {
                break;
            }
            skip_space(nesting > 0);
            parts.push_back(TRY(read_repetition(part, nesting)));
        }
        return rules_.sequence(std::move(parts));
    }

    Result<ExprId> read_repetition(ExprId part, int nesting) {
        for (int count = 0;; ++count, skip_space(nesting > 0)) {
            const char c = peek();
            int32_t least = 0, most = Expr::kUnbounded;
            if (c == '*') {
                ++at_;
            } else if (c == '+') {
                ++at_;
                least = 1;
            } else if (c == '?') {
                ++at_;
                most = 1;
            } else if (c == '{') {
                ++at_;
                skip_space(nesting > 0);
                least = most = TRY(read_count());
                skip_space(nesting > 0);
                if (peek() == ',') {
                    ++at_;
                    skip_space(nesting > 0);
                    most = peek() == '}' ? Expr::kUnbounded : TRY(read_count());
                    skip_space(nesting > 0);
                }
                if (peek() != '}') return wrong("has a repetition without its }");
                ++at_;
                if (most != Expr::kUnbounded && most < least)
                    return wrong(fmt::format("asks for {} to {} repetitions", least, most));
            } else {
                return part;
            }
            if (count == kMostQuantifiers)
                return wrong(fmt::format("puts more than {} repetitions behind one part", kMostQuantifiers));
            part = rules_.repeat(part, least, most);
        }
    }

    Result<int32_t> read_count() {
        int64_t count = 0;
        const size_t begin = at_;
        for (; peek() >= '0' && peek() <= '9' && count <= kMostRepetitions; ++at_) count = 10 * count + (peek() - '0');
        if (at_ == begin) return wrong("has a repetition without a number");
        if (count > kMostRepetitions) return wrong(fmt::format("repeats more than {} times", kMostRepetitions));
        return int32_t(count);
    }

    // One character of a literal or a class.
    Result<uint32_t> read_code() {
        if (at_ >= text_.size()) return wrong("ends inside a literal");
        if (peek() != '\\') {
            std::vector<uint32_t> codes;
            size_t length = 1;
            while (length < 4 && (uint8_t(peek(length)) & 0xC0) == 0x80) ++length;
            if (uint8_t(peek()) < 0x80) length = 1;
            if (!read_codes(text_.substr(at_, length), codes) || codes.size() != 1) return wrong("is not valid UTF-8");
            at_ += length;
            return codes[0];
        }
        const char c = peek(1);
        at_ += 2;
        switch (c) {
            case 'x':
                return read_hex(2);
            case 'u':
                return read_hex(4);
            case 'U':
                return read_hex(8);
            case 't':
                return '\t';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case '\\':
            case '"':
            case '[':
            case ']':
                return uint32_t(c);
            default:
                return wrong(fmt::format("has an unknown escape \\{}", c));
        }
    }
    Result<uint32_t> read_hex(int digits) {
        uint32_t code = 0;
        for (int i = 0; i < digits; ++i, ++at_) {
            const char c = peek();
            const int digit = c >= '0' && c <= '9'   ? c - '0'
                              : c >= 'a' && c <= 'f' ? c - 'a' + 10
                              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                     : -1;
            if (digit < 0 || code > kLastCode >> 4)
                return wrong(fmt::format("needs {} hexadecimal digits of a character", digits));
            code = code * 16 + uint32_t(digit);
        }
        if (code > kLastCode) return wrong("names a character beyond U+10FFFF");
        return code;
    }

    Result<ExprId> read_literal() {
        ++at_;
        std::string bytes;
        while (peek() != '"') append_utf8(bytes, TRY(read_code()));
        ++at_;
        return rules_.bytes(bytes);
    }

    Result<ExprId> read_class() {
        ++at_;
        const bool is_negated = peek() == '^';
        if (is_negated) ++at_;
        CodeSet set;
        while (peek() != ']') {
            const uint32_t low = TRY(read_code());
            uint32_t high = low;
            if (peek() == '-' && peek(1) != ']') {
                ++at_;
                high = TRY(read_code());
            }
            if (high < low) return wrong("has a range that runs backwards");
            set.add(low, high);
        }
        ++at_;
        return is_negated ? rules_.codes(set.complement(), Spelling::wide_utf8) : rules_.codes(set);
    }

    Result<ExprId> read_token() {
        TokenTerminal terminal;
        terminal.is_negated = takes("!");
        const size_t end = text_.find_first_of(">\n\r", at_);
        if (end == text_.npos || text_[end] != '>') return wrong("has a token without its >");
        const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
        if (inside.starts_with("[")) {
            int64_t id = 0;
            size_t digits = 0;
            for (const char c : inside.substr(1)) {
                if (c < '0' || c > '9' || id > INT32_MAX / 10) break;
                id = 10 * id + (c - '0');
                ++digits;
            }
            if (digits == 0 || inside.substr(1 + digits) != "]" || id > INT32_MAX)
                return wrong("needs an id in <[...]>");
            terminal.ids.push_back(int32_t(id));
        } else {
            terminal.texts.emplace_back(text_.substr(at_, end + 1 - at_));
        }
        at_ = end + 1;
        return rules_.tokens(std::move(terminal));
    }

    std::string_view text_;
    size_t at_ = 0;
    Rules& rules_;
    std::map<std::string, Name, std::less<>> ids_;
};

}  // namespace

Result<ExprId> read_gbnf(std::string_view text, Rules& rules) {
    return GbnfReader(text, rules).read();
}

}  // namespace hearth::grammar
