#include "cli/terminal/highlighter.h"

#include <algorithm>
#include <cctype>

#include "cli/terminal/lookahead.h"

namespace hearth::cli {

struct Language {
    std::string_view names;                     // with a space around each
    std::string_view line_comment, line_other;  // two ways, or none
    std::string_view open_comment, close_comment;
    std::string_view quotes, long_quotes;  // strings of one line; of several: " and ' three times, ` once
    std::string_view keywords;             // with a space around each
    bool ignores_case = false;
};

namespace {
constexpr Language kLanguages[] = {
    {" c h cpp c++ cc hpp cxx cuda glsl objc ", "//", "", "/*", "*/", "\"'", "",
     " alignas alignof auto bool break case catch char class concept const consteval constexpr continue co_await "
     "co_return co_yield decltype default delete do double else enum explicit export extern false final float for "
     "friend goto if inline int long mutable namespace new noexcept nullptr operator override private protected public "
     "register requires return short signed sizeof static static_cast struct switch template this throw true try "
     "typedef typename union unsigned using virtual void volatile while #include #define #ifdef #ifndef #if #else "
     "#endif #pragma "},
    {" java kotlin kt scala c# csharp cs dart swift ", "//", "", "/*", "*/", "\"'", "\"",
     " abstract as async await base bool boolean break byte case catch char class const continue data def default do "
     "double else enum export extends extension false final finally float for foreach fun func get guard if implements "
     "import in init inline instanceof int interface internal is lateinit let long namespace new nil null object "
     "operator out override package private protected protocol public readonly record ref return sealed self set short "
     "static string struct super suspend switch this throw throws trait true try typealias using val var virtual void "
     "when where while with yield "},
    {" javascript js jsx mjs typescript ts tsx ", "//", "", "/*", "*/", "\"'", "`",
     " abstract any as async await boolean break case catch class const continue debugger declare default delete do "
     "else enum export extends false finally for from function get if implements import in instanceof interface keyof "
     "let namespace never new null number object of private protected public readonly return set static string super "
     "switch this throw true try type typeof undefined unknown var void while with yield "},
    {" python py python3 pycon ", "#", "", "", "", "\"'", "\"'",
     " False None True and as assert async await break case class continue def del elif else except finally for from "
     "global if import in is lambda match nonlocal not or pass raise return self try while with yield "},
    {" rust rs ", "//", "", "/*", "*/", "\"", "",
     " as async await box break const continue crate dyn else enum extern false fn for if impl in let loop match mod "
     "move mut pub ref return self Self static struct super trait true type union unsafe use where while bool char str "
     "i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize f32 f64 "},
    {" go golang ", "//", "", "/*", "*/", "\"'", "`",
     " any bool break byte case chan const continue default defer else error fallthrough false float32 float64 for "
     "func "
     "go goto if import int int32 int64 interface iota map nil package range return rune select string struct switch "
     "true type uint var "},
    {" bash sh shell zsh console ", "#", "", "", "", "\"'", "",
     " alias case cd do done echo elif else esac exit export fi for function if in local read return set shift source "
     "sudo then unset until while "},
    {" ruby rb perl pl elixir ex ", "#", "", "", "", "\"'", "",
     " and begin break case class def defmodule do else elsif end ensure false for foreach if in include module my "
     "next "
     "nil not or our package print puts raise require rescue return self sub super then true undef unless until use "
     "when while yield "},
    {" php ", "//", "#", "/*", "*/", "\"'", "",
     " abstract array as break case catch class const continue default do echo else elseif extends false final fn for "
     "foreach function if implements interface match namespace new null private protected public readonly return "
     "static "
     "switch throw trait true try use while yield "},
    {" sql postgresql mysql sqlite ", "--", "", "/*", "*/", "'\"", "",
     " add all alter and as asc begin between by case check column commit constraint count create cross default delete "
     "desc distinct drop else end exists foreign from full group having in index inner insert into is join key left "
     "like limit not null offset on or order outer primary references returning right rollback select set table then "
     "union unique update using values view when where with ",
     true},
    {" lua haskell hs ", "--", "", "", "", "\"", "",
     " and break case class data deriving do else elseif end false for function goto if import in instance let local "
     "module newtype nil not of or repeat return then true type until where while "},
    {" json jsonc json5 jsonl ", "//", "", "", "", "\"", "", " true false null "},
    {" yaml yml toml ini dockerfile makefile make cmake r conf ", "#", "", "", "", "\"'", "",
     " true false null yes no on off FROM RUN COPY ADD CMD ENTRYPOINT ENV EXPOSE WORKDIR ARG USER VOLUME function if "
     "else for in return TRUE FALSE NULL "},
    {" html xml svg vue ", "", "", "<!--", "-->", "\"", "", " "},
    {" css scss less ", "", "", "/*", "*/", "\"'", "", " important inherit initial none auto "},
};

const Language* find_language(std::string_view name) {
    std::string word = " ";
    for (const char c : name.substr(0, 20)) word += char(std::tolower(uint8_t(c)));
    word += ' ';
    for (const Language& language : kLanguages)
        if (word.size() > 2 && language.names.find(word) != std::string_view::npos) return &language;
    return nullptr;
}

bool is_in_word(char c) {
    return std::isalnum(uint8_t(c)) || c == '_' || uint8_t(c) >= 0x80;
}
}  // namespace

Highlighter::Highlighter(std::string_view language) : language_(find_language(language)) {}

size_t Highlighter::take_one(std::string_view text, bool is_whole, StyledSink& out) {
    Lookahead line(text, is_whole, 100);
    const auto show = [&](size_t length, Style style) {
        out.text(text.substr(0, length), style);
        return length;
    };
    const auto open = [&](size_t length, std::string_view until, Style style) {
        until_ = until;
        style_ = style;
        return show(length, style);
    };
    const char c = text[0];
    if (!until_.empty()) {
        if (c == '\\' && style_ == styles::kString) {
            const bool is_last = line[1] == '\n';
            if (line.is_early()) return 0;
            // Whole characters only.
            return show(is_last || uint8_t(text[1]) >= 0x80 ? 1 : 2, style_);
        }
        const bool ends = line.has(0, until_);
        if (line.is_early()) return 0;
        if (ends) {
            const size_t length = until_.size();
            until_.clear();
            return show(length, style_);
        }
        size_t end = 1;
        while (end < text.size() && text[end] != until_[0] && text[end] != '\\') ++end;
        return show(end, style_);
    }
    const Language& language = *language_;
    for (const std::string_view mark : {language.line_comment, language.line_other})
        if (!mark.empty() && line.has(0, mark)) {
            // A # inside a word of a shell is none.
            return open(mark.size(), "\n", styles::kComment);
        }
    if (!language.open_comment.empty() && line.has(0, language.open_comment))
        return open(language.open_comment.size(), language.close_comment, styles::kComment);
    if (language.long_quotes.find(c) != std::string_view::npos) {
        const std::string mark = c == '`' ? "`" : std::string(3, c);
        if (line.has(0, mark)) return open(mark.size(), mark, styles::kString);
    }
    if (line.is_early()) return 0;
    if (language.quotes.find(c) != std::string_view::npos) return open(1, std::string(1, c), styles::kString);
    if (is_in_word(c) || c == '#') {
        size_t end = 1;
        const bool is_number = std::isdigit(uint8_t(c));
        while (is_in_word(line[end]) || (is_number && line[end] == '.' && std::isdigit(uint8_t(line[end + 1])))) ++end;
        if (line.is_early()) return 0;
        // The window may end inside a character.
        while (end > 1 && end < text.size() && (uint8_t(text[end]) & 0xC0) == 0x80) --end;
        if (is_number) return show(end, styles::kNumber);
        std::string word = " " + std::string(text.substr(0, end)) + " ";
        if (language.ignores_case)
            for (char& letter : word) letter = char(std::tolower(uint8_t(letter)));
        const bool is_keyword = language.keywords.find(word) != std::string_view::npos;
        return show(end, is_keyword ? styles::kKeyword : styles::kPlain);
    }
    return show(1, styles::kPlain);
}

size_t Highlighter::take(std::string_view text, bool is_whole, StyledSink& out) {
    size_t at = 0;
    if (!language_) {
        out.text(text, styles::kPlain);
        at = text.size();
    }
    while (at < text.size()) {
        const size_t taken = take_one(text.substr(at), is_whole, out);
        if (taken == 0) break;
        at += taken;
    }
    // Strings and comments of one line end with it.
    if (is_whole && (until_ == "\n" || (until_.size() == 1 && until_ != "`"))) until_.clear();
    return at;
}

}  // namespace hearth::cli
