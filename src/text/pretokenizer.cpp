#include "text/pretokenizer.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "text/scan_words.h"

namespace hearth {

namespace {

using namespace scan;

// ---- classes ----

struct Number {
    static bool has(uint32_t, uint32_t flags) { return flags & kNumber; }
};
struct Letter {
    static bool has(uint32_t, uint32_t flags) { return flags & kLetter; }
};
struct Punctuation {
    static bool has(uint32_t, uint32_t flags) { return flags & kPunctuation; }
};
struct LineBreak {
    static bool has(uint32_t code, uint32_t) { return code == '\n' || code == '\r'; }
};
struct NotWhite {
    static bool has(uint32_t, uint32_t flags) { return !(flags & (kWhite | kEnd)); }
};
struct AsciiDigit {
    static bool has(uint32_t code, uint32_t) { return code - '0' < 10; }
};
template <bool backtick>
struct FalconSign {  // [\p{P}$+<=>^~|`]
    static bool has(uint32_t code, uint32_t flags) {
        if (flags & kPunctuation) return true;
        return code == '$' || code == '+' || (code >= '<' && code <= '>') || code == '^' || code == '~' ||
               code == '|' || (backtick && code == '`');
    }
};
struct ChameleonSign {  // [\p{P}!-/:-@\[-`{-~]
    static bool has(uint32_t code, uint32_t flags) {
        return (flags & kPunctuation) || (code > 0x20 && code < 0x7F && !(flags & (kLetter | kNumber)));
    }
};
struct NotBloomSign {  // [^(\s|.,!?…。，、।۔،)]
    static bool has(uint32_t code, uint32_t flags) {
        if (flags & (kWhite | kEnd)) return false;
        if (code < 0x80) return std::strchr("(|.,!?)", int(code)) == nullptr || code == 0;
        return code != 0x2026 && code != 0x3002 && code != 0xFF0C && code != 0x3001 && code != 0x964 && code != 0x6D4 &&
               code != 0x60C;
    }
};
// White space counts as nothing but white space in DeepSeek's lists, though some of it lies in their ranges.
struct DeepSeekCjk {  // [一-龥ࠀ-一가-퟿]
    static bool has(uint32_t code, uint32_t flags) {
        return ((code >= 0x800 && code <= 0x9FA5) || (code >= 0xAC00 && code <= 0xD7FF)) && !(flags & kWhite);
    }
};
struct HanAndKana {  // [一-龥぀-ゟ゠-ヿ]
    static bool has(uint32_t code, uint32_t) {
        return (code >= 0x4E00 && code <= 0x9FA5) || (code >= 0x3040 && code <= 0x30FF);
    }
};
struct DeepSeekSign {  // [!-/:-~！-／：-～‘-‟　-。]
    static bool has(uint32_t code, uint32_t) {
        static constexpr Range kRanges[] = {{0x21, 0x2F},     {0x3A, 0x7E},     {0xFF01, 0xFF0F},
                                            {0xFF1A, 0xFF5E}, {0x2018, 0x201F}, {0x3001, 0x3002}};
        return in(kRanges, code);
    }
};
struct DeepSeekLetter {  // the letters of alphabets with case, as DeepSeek LLM lists them
    static bool has(uint32_t code, uint32_t) {
        static constexpr Range kRanges[] = {
            {0x41, 0x5A},       {0x61, 0x7A},       {0xB5, 0xB5},       {0xC0, 0xD6},       {0xD8, 0xF6},
            {0xF8, 0x1BA},      {0x1BC, 0x1BF},     {0x1C4, 0x293},     {0x295, 0x2AF},     {0x370, 0x373},
            {0x376, 0x377},     {0x37B, 0x37D},     {0x37F, 0x37F},     {0x386, 0x386},     {0x388, 0x38A},
            {0x38C, 0x38C},     {0x38E, 0x3A1},     {0x3A3, 0x3F5},     {0x3F7, 0x481},     {0x48A, 0x52F},
            {0x531, 0x556},     {0x10A0, 0x10C5},   {0x13A0, 0x13F5},   {0x13F8, 0x13FD},   {0x1C90, 0x1CBA},
            {0x1CBD, 0x1CBF},   {0x1D00, 0x1D2B},   {0x1D6B, 0x1D77},   {0x1D79, 0x1D9A},   {0x1E00, 0x1F15},
            {0x1F18, 0x1F1D},   {0x1F20, 0x1F45},   {0x1F48, 0x1F4D},   {0x1F50, 0x1F57},   {0x1F59, 0x1F59},
            {0x1F5B, 0x1F5B},   {0x1F5D, 0x1F5D},   {0x1F5F, 0x1F7D},   {0x1F80, 0x1FB4},   {0x1FB6, 0x1FBC},
            {0x1FBE, 0x1FBE},   {0x1FC2, 0x1FC4},   {0x1FC6, 0x1FCC},   {0x1FD0, 0x1FD3},   {0x1FD6, 0x1FDB},
            {0x1FE0, 0x1FEC},   {0x1FF2, 0x1FF4},   {0x1FF6, 0x1FFC},   {0x2102, 0x2102},   {0x2107, 0x2107},
            {0x210A, 0x2113},   {0x2115, 0x2115},   {0x2119, 0x211D},   {0x2124, 0x2124},   {0x2126, 0x2126},
            {0x2128, 0x2128},   {0x212A, 0x212D},   {0x212F, 0x2134},   {0x2139, 0x2139},   {0x213C, 0x213F},
            {0x2145, 0x2149},   {0x214E, 0x214E},   {0x2183, 0x2184},   {0x2C00, 0x2C7B},   {0x2C7E, 0x2CE4},
            {0x2CEB, 0x2CEE},   {0x2CF2, 0x2CF3},   {0xA640, 0xA66D},   {0xA680, 0xA69B},   {0xA722, 0xA76F},
            {0xA771, 0xA787},   {0xA78B, 0xA78E},   {0xAB70, 0xABBF},   {0xFB00, 0xFB06},   {0xFB13, 0xFB17},
            {0xFF21, 0xFF3A},   {0xFF41, 0xFF5A},   {0x10400, 0x1044F}, {0x104B0, 0x104D3}, {0x104D8, 0x104FB},
            {0x10C80, 0x10CB2}, {0x10CC0, 0x10CF2}, {0x118A0, 0x118DF}, {0x1E900, 0x1E943}};
        if (code < 0x80) return (code | 32) - 'a' < 26;
        return code <= 0x1E943 && in(kRanges, code);
    }
};
// Ideographs, Kana, Thai, Lao, Khmer, Burmese, Hangul. llama.cpp's list begins the compatibility ideographs (U+F900) at
// U+8C48, the normal form of that character.
template <bool normalized>
struct AfmoeScripts {
    static bool has(uint32_t code, uint32_t) {
        static constexpr Range kRanges[] = {{0x4E00, 0x9FFF}, {0x3400, 0x4DBF}, {normalized ? 0x8C48 : 0xF900, 0xFAFF},
                                            {0x3040, 0x30FF}, {0xFF65, 0xFF9F}, {0x2F00, 0x2FDF},
                                            {0x0E40, 0x0E7F}, {0x0E80, 0x0EFF}, {0x1780, 0x17FF},
                                            {0x1000, 0x109F}, {0xAA60, 0xAA7F}, {0xA9E0, 0xA9FF},
                                            {0xAC00, 0xD7AF}, {0x1100, 0x11FF}};
        return code >= 0xE40 && in(kRanges, code);
    }
};

// ---- scanners of single models ----

// \s+$
struct TrailingWhite : Text {
    Match find(size_t at) const {
        while (at < end) {
            const Look c = look(at);
            if (!(c.flags & kWhite)) {
                at += c.length;
                continue;
            }
            const size_t p = run(at, kWhite);
            if (p == end) return {at, p};
            at = p;
        }
        return {Match::kNone, 0};
    }
};

//  ?[^(\s|.,!?…。，、।۔،)]+
struct BloomWord : Text {
    Match find(size_t at) const {
        const Match match = ClassRun<NotBloomSign>{{s, begin, end}}.find(at);
        if (match.begin != Match::kNone && match.begin > at && s[match.begin - 1] == ' ')
            return {match.begin - 1, match.end};
        return match;
    }
};

// [^\n]+|[\n]+
struct Lines : Text {
    size_t next(size_t at) const {
        const bool newline = s[at] == '\n';
        if (newline) {
            while (at < end && s[at] == '\n') ++at;
            return at;
        }
        const void* found = std::memchr(s + at, '\n', end - at);
        return found ? size_t(static_cast<const uint8_t*>(found) - s) : end;
    }
};

// [!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
// llama.cpp's list of ASCII symbols lacks '~'.
template <bool tilde_is_symbol>
struct DeepSeekV3 : Text {
    static bool is_ascii_letter(uint32_t code) { return code < 0x80 && (code | 32) - 'a' < 26; }
    static bool is_sign(const Look& c) {
        return (c.flags & (kPunctuation | kSymbol)) && (tilde_is_symbol || c.code != '~');
    }

    Match find(size_t at) const {
        for (; at < end; at += look(at).length)
            if (const size_t match_end = match(at)) return {at, match_end};
        return {Match::kNone, 0};
    }

private:
    size_t match(size_t at) const {
        const Look c = look(at);
        const bool ascii_sign = c.code > 0x20 && c.code < 0x7F && !(c.flags & (kLetter | kNumber));
        if (ascii_sign && is_ascii_letter(byte(at + 1))) {
            size_t p = at + 1;
            while (p < end && is_ascii_letter(s[p])) ++p;
            return p;
        }
        if (c.flags & (kLetter | kMark)) return run(at, kLetter | kMark);
        const bool may_lead = c.code != '\n' && c.code != '\r' && !is_sign(c);
        if (may_lead && (look(at + c.length).flags & (kLetter | kMark))) return run(at + c.length, kLetter | kMark);
        size_t p = c.code == ' ' ? at + 1 : at;
        if (is_sign(look(p))) {
            for (Look sign = look(p); is_sign(sign); sign = look(p)) p += sign.length;
            return newlines(p, false);
        }
        return c.flags & kWhite ? white_space(at, true) : 0;
    }
};

// \d{1,3}(?=(?:\d{3})*\b): runs of digits that end a word, in groups of three counted from the right. llama.cpp: all
// runs of ASCII digits.
template <bool unicode_aware>
struct DigitsFromRight : Text {
    static bool is_digit(const Look& c) {
        if (c.code < 0x80) return c.code - '0' < 10;
        return unicode_aware && c.code != kNoCode && unicode::is_decimal_digit(c.code);
    }
    static bool is_word(const Look& c) { return c.code != kNoCode && unicode::is_word(c.code); }

    size_t run_end = 0, left = 0;  // of the run being cut

    Match find(size_t at) {
        while (at < end) {
            if (at >= run_end) {
                Look c = look(at);
                if (!is_digit(c)) {
                    at += c.length;
                    continue;
                }
                size_t p = at;
                for (left = 0; is_digit(c); c = look(p), ++left) p += c.length;
                run_end = p;
                if (unicode_aware && is_word(c)) {
                    at = p;
                    continue;
                }
            }
            const size_t take = left % 3 ? left % 3 : 3;
            left -= take;
            size_t p = at;
            for (size_t n = 0; n < take; ++n) p += look(p).length;
            return {at, p};
        }
        return {Match::kNone, 0};
    }
};

// Every run of \p{N} in groups of three counted from the right. llama.cpp glues what stands before a run to its first
// group.
template <bool glue>
struct AfmoeDigits : Text {
    size_t run_end = 0, left = 0;

    Match find(size_t at) {
        const size_t from = at;
        while (at < end) {
            if (at >= run_end) {
                Look c = look(at);
                if (!(c.flags & kNumber)) {
                    at += c.length;
                    continue;
                }
                size_t p = at;
                for (left = 0; c.flags & kNumber; c = look(p), ++left) p += c.length;
                run_end = p;
            }
            const size_t take = left % 3 ? left % 3 : 3;
            left -= take;
            size_t p = at;
            for (size_t n = 0; n < take; ++n) p += look(p).length;
            return {glue ? from : at, p};
        }
        return {Match::kNone, 0};
    }
};

// (?=(\d{3})+(?!\d)): a cut before every group of three digits counted from the right
template <bool unicode_aware>
void cut_digit_groups(const uint8_t* s, size_t begin, size_t end, std::vector<uint32_t>& ends) {
    using Digits = DigitsFromRight<unicode_aware>;
    const Text text{s, begin, end};
    for (size_t at = begin; at < end;) {
        Look c = text.look(at);
        if (!Digits::is_digit(c)) {
            at += c.length;
            continue;
        }
        size_t count = 0;
        size_t p = at;
        for (; Digits::is_digit(c); c = text.look(p), ++count) p += c.length;
        for (; at < p; at += text.look(at).length, --count)
            if (count % 3 == 0 && at > begin) ends.push_back(uint32_t(at));
    }
    ends.push_back(uint32_t(end));
}

// [가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+
struct YoutuScripts : Text {
    static int script(uint32_t code) {
        if (code < 0x2014) return 0;
        if ((code >= 0xAC00 && code <= 0xD7A3) || (code >= 0x3131 && code <= 0x318E)) return 1;
        static constexpr Range kSigns[] = {{0xFF01, 0xFF01}, {0x2026, 0x2026}, {0x201C, 0x201D},
                                           {0x2018, 0x2019}, {0x2014, 0x2014}, {0xFF1A, 0xFF1B},
                                           {0xFF0C, 0xFF0C}, {0x3001, 0x303F}, {0xFE30, 0xFE4F}};
        if (in(kSigns, code)) return 2;
        if (code >= 0x3105 && code <= 0x312F) return 3;
        return HanAndKana::has(code, 0) ? 4 : 0;
    }
    Match find(size_t at) const {
        while (at < end) {
            Look c = look(at);
            const int found = c.code == kNoCode ? 0 : script(c.code);
            size_t p = at + c.length;
            if (found == 0) {
                at = p;
                continue;
            }
            for (c = look(p); c.code != kNoCode && script(c.code) == found; c = look(p)) p += c.length;
            return {at, p};
        }
        return {Match::kNone, 0};
    }
};

// <sentinel:[0-9]+>
struct ChameleonSentinel : Text {
    Match find(size_t at) const {
        static constexpr std::string_view kOpen = "<sentinel:";
        const std::string_view text(reinterpret_cast<const char*>(s), end);
        while ((at = text.find(kOpen, at)) != text.npos) {
            size_t p = at + kOpen.size();
            const size_t digits_begin = p;
            while (byte(p) - '0' < 10) ++p;
            if (p > digits_begin && byte(p) == '>') return {at, p + 1};
            at = p;
        }
        return {Match::kNone, 0};
    }
};
// (IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z
struct ChameleonImage : Text {
    Match find(size_t at) const {
        const std::string_view text(reinterpret_cast<const char*>(s), end);
        while ((at = text.find("IMGIMG", at)) != text.npos) {
            size_t p = at + 6;
            while (p < at + 10 && byte(p) - 'A' < 9) ++p;
            if (p > at + 6 && byte(p) == 'Z') return {at, p + 1};
            ++at;
        }
        return {Match::kNone, 0};
    }
};
// [\t\n]|    |(two blanks)
struct ChameleonWhite : Text {
    Match find(size_t at) const {
        for (; at < end; ++at) {
            if (s[at] == '\t' || s[at] == '\n') return {at, at + 1};
            if (s[at] != ' ') continue;
            size_t p = at + 1;
            while (p < at + 4 && byte(p) == ' ') ++p;
            if (p - at >= 2) return {at, p - at == 4 ? at + 4 : at + 2};
        }
        return {Match::kNone, 0};
    }
};

// ---- the list ----

constexpr WordRules kLlama3{.digits = 3};
constexpr WordRules kQwen2{};
constexpr WordRules kQwen35{.word = Word::letters_or_marks};
constexpr WordRules kSeedCoder{.tail = Tail::none};
constexpr WordRules kMiniCpm5{.digits = 0};
constexpr WordRules kJais2{.digits = 3, .white = White::halving};
constexpr WordRules kExaoneMoe{.word = Word::phrases, .tail = Tail::one_newline_or_slash};
constexpr WordRules tekken_rules(Word word) {
    return {.word = word, .contraction_first = false, .tail = Tail::newlines_or_slashes};
}
constexpr WordRules gpt4o_rules(Word word, int digits) {
    return {.word = word,
            .contraction_first = false,
            .contraction_after = true,
            .digits = digits,
            .tail = Tail::newlines_or_slashes};
}
constexpr WordRules kimi_rules(Word word) {
    return {.word = word, .contraction_first = false, .contraction_after = true, .digits = 3};
}

constexpr SplitPass kGpt2Pass = pieces<Gpt2>;
template <WordRules rules>
constexpr SplitPass kWordsPass = pieces<Words<rules>>;
template <class Class, int most = 0, bool leading_white = false>
constexpr SplitPass kRunPass = matches<ClassRun<Class, most, leading_white>>;
constexpr SplitPass kThreeDigitsPass = matches<ClassRun<AsciiDigit, 3, false, 3>>;

struct Entry {
    std::vector<std::string_view> names;
    PreTokenizer published;
    std::vector<SplitPass> llama_cpp;  // passes under that name's approximation, empty: the same
};

const std::vector<Entry>& entries() {
    static const std::vector<Entry> list = {
        {{"default"}, {{kRunPass<FalconSign<false>>, kGpt2Pass, kRunPass<Number>, kThreeDigitsPass}}, {}},
        {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"},
         {.passes = {kWordsPass<kLlama3>}, .ignore_merges = true, .add_bos = true},
         {}},
        {{"dbrx", "smaug-bpe"}, {{kWordsPass<kLlama3>}}, {}},
        {{"chatglm-bpe", "glm4"}, {.passes = {kWordsPass<kLlama3>}, .default_bos = false}, {}},
        {{"qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "hunyuan", "solar-open", "grok-2", "stablelm2", "megrez"},
         {{kWordsPass<kQwen2>}},
         {}},
        {{"qwen35"}, {{kWordsPass<kQwen35>}}, {}},
        {{"tekken"},
         {.passes = {kWordsPass<tekken_rules(Word::cased)>}, .ignore_merges = true, .add_bos = true},
         {kWordsPass<tekken_rules(Word::ascii_cased)>}},
        {{"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"},
         {{kWordsPass<gpt4o_rules(Word::cased, 3)>}},
         {kWordsPass<gpt4o_rules(Word::ascii_cased, 3)>}},
        {{"granite-embed-multi-97m"},
         {.passes = {kWordsPass<gpt4o_rules(Word::cased, 3)>}, .ignore_merges = true},
         {kWordsPass<gpt4o_rules(Word::ascii_cased_marks, 3)>}},
        {{"gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0", "mellum",
          "modern-bert", "mpt", "olmo", "jais", "exaone4", "trillion", "granite-docling"},
         {{kGpt2Pass}},
         {}},
        {{"jina-v1-en", "jina-v2-code", "roberta-bpe"}, {.passes = {kGpt2Pass}, .add_sep = true}, {}},
        {{"starcoder", "refact", "codeshell", "exaone", "minerva-7b", "mellum2", "command-r", "smollm"},
         {{kRunPass<Number, 1>, kGpt2Pass}},
         {}},
        {{"falcon"}, {{kRunPass<FalconSign<true>>, kGpt2Pass, kThreeDigitsPass}}, {}},
        {{"deepseek-llm"},
         {{kRunPass<LineBreak, 1>, kRunPass<DeepSeekLetter, 0, true>, kRunPass<DeepSeekSign, 0, true>,
           matches<TrailingWhite>, kRunPass<DeepSeekCjk>, kRunPass<Number>}},
         {}},
        {{"deepseek-coder"},
         {{kRunPass<LineBreak, 1>, kRunPass<Letter, 0, true>, kRunPass<Punctuation, 0, true>, kRunPass<DeepSeekCjk>,
           kRunPass<Number, 1>}},
         {}},
        {{"deepseek-v3", "hunyuan-dense", "joyai-llm"},
         {{kRunPass<Number, 3>, kRunPass<HanAndKana>, matches<DeepSeekV3<true>>}},
         {kRunPass<Number, 3>, kRunPass<HanAndKana>, matches<DeepSeekV3<false>>}},
        {{"afmoe"},
         {{matches<AfmoeDigits<false>>, kRunPass<AfmoeScripts<false>>, matches<DeepSeekV3<true>>}},
         {matches<AfmoeDigits<true>>, kRunPass<AfmoeScripts<true>>, matches<DeepSeekV3<false>>}},
        {{"bloom", "gpt3-finnish", "poro-chat"}, {{matches<BloomWord>}}, {}},
        {{"viking"}, {{matches<BloomWord>, kRunPass<Number, 1>}}, {}},
        {{"seed-coder"}, {{kWordsPass<kSeedCoder>}}, {}},
        {{"bailingmoe", "bailingmoe2", "llada-moe"}, {{kWordsPass<kQwen2>}}, {}},
        {{"exaone-moe"}, {{kWordsPass<kExaoneMoe>}}, {}},
        {{"minicpm5"}, {.passes = {kRunPass<Number, 3>, kWordsPass<kMiniCpm5>}, .ignore_merges = true}, {}},
        {{"laguna"}, {{pieces<Lines>, kWordsPass<kQwen2>}}, {}},
        {{"jais-2"}, {{kWordsPass<kJais2>}}, {}},
        {{"superbpe"}, {{kRunPass<Number>, cut_digit_groups<true>}}, {kRunPass<Number>, cut_digit_groups<false>}},
        {{"tiny_aya", "cohere2moe"},
         {{matches<DigitsFromRight<true>>, kWordsPass<gpt4o_rules(Word::cased, 3)>}},
         {matches<AfmoeDigits<true>>, kWordsPass<gpt4o_rules(Word::uncased_marks, 3)>}},
        {{"youtu"},
         {.passes = {matches<YoutuScripts>, kWordsPass<gpt4o_rules(Word::cased, 1)>}, .ignore_merges = true},
         {matches<YoutuScripts>, kWordsPass<gpt4o_rules(Word::uncased_marks, 1)>}},
        {{"kimi-k2"}, {{kWordsPass<kimi_rules(Word::cased_no_han)>}}, {kWordsPass<kimi_rules(Word::uncased_no_han)>}},
        {{"chameleon"},
         {.passes = {matches<ChameleonSentinel>, matches<ChameleonImage>, matches<ChameleonWhite>, kRunPass<Number, 1>,
                     kRunPass<ChameleonSign, 1>, kGpt2Pass},
          .add_bos = true},
         {}},
        {{"gemma4", "granite-embed-multi-311m"},
         {.passes = {pieces<Lines>}, .byte_alphabet = false, .escape_spaces = true, .whole_newlines = true},
         {}},
        {{"sarvam-moe"}, {.passes = {pieces<Lines>}, .byte_alphabet = false, .escape_spaces = true}, {}},
        {{"whitespace"}, {.passes = {kRunPass<NotWhite>}, .byte_alphabet = false}, {}},
    };
    return list;
}

}  // namespace

void PreTokenizer::split(std::string_view text, std::vector<uint32_t>& ends) const {
    const auto* s = reinterpret_cast<const uint8_t*>(text.data());
    ends.clear();
    if (text.empty()) return;
    passes.front()(s, 0, text.size(), ends);
    std::vector<uint32_t> coarse;
    for (size_t pass = 1; pass < passes.size(); ++pass) {
        coarse.swap(ends);
        ends.clear();
        size_t begin = 0;
        for (const uint32_t end : coarse) {
            passes[pass](s, begin, end, ends);
            begin = end;
        }
    }
}

Result<PreTokenizer> find_pre_tokenizer(std::string_view name, TokenizerCompat compat) {
    if (name.empty()) name = "default";
    for (const Entry& entry : entries()) {
        if (std::ranges::find(entry.names, name) == entry.names.end()) continue;
        PreTokenizer found = entry.published;
        if (compat == TokenizerCompat::llama_cpp && !entry.llama_cpp.empty()) found.passes = entry.llama_cpp;
        return found;
    }
    return fail(
        ErrorKind::unsupported,
        fmt::format("the model splits text by the rule '{}' (tokenizer.ggml.pre), which this version does not know",
                    name),
        "use a newer version of hearth, or another conversion of the model");
}

std::vector<std::string_view> pre_tokenizer_names() {
    std::vector<std::string_view> names;
    for (const Entry& entry : entries()) names.insert(names.end(), entry.names.begin(), entry.names.end());
    return names;
}

}  // namespace hearth
