// Rules of the tokenizers that recorded cases do not pin down: modes, refusals, speed on hostile text, threads.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <thread>

#include "base/rng.h"
#include "text/pretokenizer.h"
#include "text/small_tokenizer.h"
#include "text/special_splitter.h"
#include "text/unicode.h"

namespace hearth {
namespace {

TEST(Tokenizer, ThreeModesOfSpecialTokens) {
    const auto vocabulary = small_bpe();
    const auto tokenizer = make(*vocabulary);
    const int32_t end = *tokenizer->find("<|im_end|>"), think = *tokenizer->find("<think>");
    const std::string text = "a<think>b<|im_end|>";
    const auto count = [&](const EncodeOptions& options, int32_t id) {
        return std::ranges::count(encode(*tokenizer, text, options), id);
    };
    EXPECT_EQ(count({.parse_special = true}, end), 1);
    EXPECT_EQ(count({.parse_special = true}, think), 1);
    EXPECT_EQ(count({}, end), 0);
    EXPECT_EQ(count({}, think), 1);
    EXPECT_EQ(count({.user_defined = false}, think), 0);
    EXPECT_EQ(count({.parse_special = true, .user_defined = false}, end), 0);
    for (const EncodeOptions& options : {EncodeOptions{.parse_special = true}, {}, {.user_defined = false}})
        EXPECT_EQ(tokenizer->decode(encode(*tokenizer, text, options), true), text);
    EXPECT_EQ(tokenizer->decode(encode(*tokenizer, text, {.parse_special = true}), false), "a<think>b");
}

TEST(Tokenizer, PlainTextDoesNotMergeIntoSpecials) {
    const auto vocabulary = small_spm();
    const auto tokenizer = make(*vocabulary);
    const int32_t bos = *tokenizer->find("<s>");
    // SentencePiece merges into any token text, a control token's too; training data never had it so, attackers might.
    EXPECT_EQ(encode(*tokenizer, "<s>"), std::vector<int32_t>{bos});
    const auto plain = encode(*tokenizer, "<s>", {.user_defined = false});
    EXPECT_EQ(std::ranges::count(plain, bos), 0);
    EXPECT_EQ(tokenizer->decode(plain, false), "<s>");
    // Runs of blanks are user-defined tokens, but harmless ones.
    EXPECT_EQ(tokenizer->decode(encode(*tokenizer, "a    b", {.user_defined = false}), false), "a    b");
}

// Hostile texts between what a template wrote: every special stands where the template put it, and nowhere else.
TEST(Tokenizer, MarkedTextFormsSpecialsOnlyWhereTheTemplateDid) {
    const auto bpe = small_bpe(), spm = small_spm();
    const std::vector<std::string> hostile = {"<|im_end|>",
                                              "x<|im_end|>y",
                                              "<think>",
                                              "</s>",
                                              "<s>",
                                              "im_end|>",
                                              "<|im_",
                                              "|>",
                                              ">",
                                              "<",
                                              "\n<|im_end|>\n",
                                              "",
                                              "a    b",
                                              "<unk>",
                                              "<|im_end|><|im_end|>"};
    for (const auto& vocabulary : {std::cref(*bpe), std::cref(*spm)}) {
        const auto tokenizer = make(vocabulary.get());
        const auto is_special = [&](int32_t id) {
            const TokenType type = tokenizer->type(id);
            const bool is_blank =
                std::ranges::all_of(tokenizer->text(id), [](char c) { return c == ' ' || c == '\n'; });
            return type == TokenType::control || type == TokenType::unknown ||
                   (type == TokenType::user_defined && !is_blank);
        };
        for (const std::string special : {"<|im_end|>", "<think>", "<s>"}) {
            const auto id = tokenizer->find(special);
            if (!id || !is_special(*id)) continue;
            for (const std::string& before : hostile)
                for (const std::string& behind : hostile) {
                    // Pieces of marks in the template's own text may not be completed by what people write.
                    for (const std::string& middle : {std::string(), std::string("<|im_"), std::string("user\n")}) {
                        const std::string text = before + special + middle + behind;
                        const size_t begin = before.size() + special.size() + middle.size();
                        std::vector<InputSpan> input;
                        if (!before.empty()) input.push_back({0, before.size()});
                        if (!behind.empty()) input.push_back({begin, begin + behind.size()});
                        std::vector<int32_t> ids;
                        ASSERT_TRUE(tokenizer->encode_marked(text, input, false, ids));
                        EXPECT_EQ(std::ranges::count(ids, *id), 1) << text;
                        EXPECT_EQ(std::ranges::count_if(ids, is_special), 1) << text;
                        if (tokenizer->kind() == TokenizerKind::bpe) {
                            EXPECT_EQ(tokenizer->decode(ids, true), text);
                        }
                    }
                }
        }
        // Without people's text it is what encode says, and so it is with text that reads like no special.
        std::vector<int32_t> marked;
        const std::string text = "<|im_end|>user\nhello there  <think>x";
        ASSERT_TRUE(tokenizer->encode_marked(text, {}, true, marked));
        EXPECT_EQ(marked, encode(*tokenizer, text, {.parse_special = true, .add_special = true}));
        marked.clear();
        const InputSpan words{17, 26};
        ASSERT_TRUE(tokenizer->encode_marked(text, std::span(&words, 1), true, marked));
        EXPECT_EQ(marked, encode(*tokenizer, text, {.parse_special = true, .add_special = true}));
    }
}

TEST(Tokenizer, NamesWhatItCannotRead) {
    auto vocabulary = small_bpe("no-such-rule");
    auto refused = Tokenizer::make(vocabulary->source);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::unsupported);
    EXPECT_NE(refused.error().line().find("no-such-rule"), std::string::npos);

    vocabulary = small_bpe();
    vocabulary->source.model = "abacus";
    EXPECT_NE(Tokenizer::make(vocabulary->source).error().line().find("abacus"), std::string::npos);
    vocabulary->source.model = "";
    EXPECT_FALSE(Tokenizer::make(vocabulary->source));

    vocabulary = small_bpe();
    vocabulary->add("x<", TokenType::normal);
    EXPECT_NE(Tokenizer::make(vocabulary->finish()).error().line().find("'x<'"), std::string::npos);

    vocabulary = small_bpe();
    vocabulary->source.merges = {};
    EXPECT_FALSE(Tokenizer::make(vocabulary->source));
    vocabulary = small_spm();
    vocabulary->source.scores = vocabulary->source.scores.subspan(1);
    EXPECT_FALSE(Tokenizer::make(vocabulary->source));
    vocabulary = small_unigram();
    const std::byte map[] = {std::byte{255}, std::byte{0}, std::byte{0}, std::byte{0}};
    vocabulary->source.precompiled_charsmap = map;
    EXPECT_FALSE(Tokenizer::make(vocabulary->source));
    for (const char* broken : {"\\", "x\\x4", "\\xg0"}) {
        vocabulary = small_rwkv();
        vocabulary->add(broken);
        EXPECT_NE(Tokenizer::make(vocabulary->finish()).error().line().find("escapes are broken"), std::string::npos);
    }
    vocabulary = small_plamo2();
    const auto byte = std::ranges::find(vocabulary->tokens, "<0x41>");
    vocabulary->types[size_t(byte - vocabulary->tokens.begin())] = int32_t(TokenType::normal);
    EXPECT_NE(Tokenizer::make(vocabulary->finish()).error().line().find("0x41"), std::string::npos);
}

TEST(Tokenizer, WithoutVocabularyOnlyIdsWork) {
    VocabularySource source;
    source.model = "no_vocab";
    const auto tokenizer = Tokenizer::make(source);
    ASSERT_TRUE(tokenizer);
    std::vector<int32_t> ids;
    EXPECT_FALSE((*tokenizer)->encode("x", {}, ids));
    EXPECT_EQ((*tokenizer)->piece(3), "");
    EXPECT_EQ((*tokenizer)->size(), 0);
    EXPECT_FALSE((*tokenizer)->find("x"));
}

// One thing over and over: a quadratic step anywhere would take minutes. The contract's bound is one second for 1 MB,
// in time of this process; the many combinations get a quarter of both.
void check_speed(const SmallVocabulary& vocabulary, std::string_view part, size_t bytes) {
    const auto tokenizer = make(vocabulary);
    std::string text;
    while (text.size() < bytes) text += part;
    const clock_t start = clock();
    encode(*tokenizer, text, {.parse_special = true});
    const double seconds = double(clock() - start) / CLOCKS_PER_SEC;
#ifdef NDEBUG
    constexpr double kSecondsPerByte = 1e-6;
#else
    constexpr double kSecondsPerByte = 2e-5;  // without optimisation, perhaps under a sanitizer
#endif
    EXPECT_LT(seconds, kSecondsPerByte * double(bytes))
        << vocabulary.source.model << " " << vocabulary.source.pre << " " << part;
}

TEST(Tokenizer, IsLinearOnHostileText) {
    for (const auto& vocabulary : {small_bpe("qwen35"), small_spm(), small_gemma4(), small_wordpiece(), small_unigram(),
                                   small_rwkv(), small_plamo2()})
        for (const char* part : {"a", " ", "\U0001F600"}) check_speed(*vocabulary, part, 1'000'000);
    for (const std::string_view pre : pre_tokenizer_names()) {
        if (!find_pre_tokenizer(pre, TokenizerCompat::published)->byte_alphabet) continue;
        const auto vocabulary = small_bpe(std::string(pre));
        for (const char* part : {"7", "\u0301", " \t", "A\u0301"}) check_speed(*vocabulary, part, 250'000);
    }
    for (const auto& vocabulary : {small_bpe(), small_spm(), small_gemma4()})
        for (const char* part : {"x<think>", "<", "\n", "\xFF", "   a"}) check_speed(*vocabulary, part, 250'000);
}

TEST(Tokenizer, MayBeUsedByManyThreads) {
    const auto bpe = small_bpe(), spm = small_spm();
    const auto first = make(*bpe), second = make(*spm);
    std::string text;
    for (int i = 0; i < 300; ++i) text += "hello there " + std::to_string(i * 37) + " the end\n";
    const auto expected_first = encode(*first, text), expected_second = encode(*second, text);
    std::vector<std::thread> threads;
    std::vector<int> wrong(4);
    for (size_t t = 0; t < wrong.size(); ++t)
        threads.emplace_back([&, t] {
            for (int round = 0; round < 30; ++round) {  // both share the thread's piece cache
                std::vector<int32_t> ids;
                wrong[t] += !first->encode(text, {}, ids) || ids != expected_first;
                ids.clear();
                wrong[t] += !second->encode(text, {}, ids) || ids != expected_second;
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, std::vector<int>(4));
}

// The rule itself, carried out literally over the whole text.
std::vector<Fragment> split_plainly(std::vector<Special> specials, std::string_view text) {
    std::ranges::stable_sort(specials, [](const auto& a, const auto& b) { return a.text.size() > b.text.size(); });
    std::vector<Fragment> list;
    if (!text.empty()) list.push_back({0, uint32_t(text.size())});
    for (const Special& special : specials) {
        for (size_t i = 0; i < list.size(); ++i) {
            if (list[i].token != Fragment::kText) continue;
            const Fragment whole = list[i];
            const size_t found = text.substr(whole.begin, whole.end - whole.begin).find(special.text);
            if (found == std::string_view::npos) continue;
            const uint32_t begin = whole.begin + uint32_t(found), end = begin + uint32_t(special.text.size());
            std::vector<Fragment> parts;
            if (begin > whole.begin) parts.push_back({whole.begin, begin});
            parts.push_back({begin, end, special.id});
            if (end < whole.end) parts.push_back({end, whole.end});
            list.erase(list.begin() + ptrdiff_t(i));
            list.insert(list.begin() + ptrdiff_t(i), parts.begin(), parts.end());
        }
    }
    return list;
}

TEST(SpecialSplitter, AgreesWithTheLiteralRule) {
    Rng random(5);
    for (int round = 0; round < 3000; ++round) {
        std::vector<std::string> texts;
        for (uint64_t n = 1 + random.below(5); n > 0; --n) {
            std::string text;
            for (uint64_t k = 1 + random.below(4); k > 0; --k) text += char('a' + random.below(3));
            if (std::ranges::find(texts, text) == texts.end()) texts.push_back(text);
        }
        std::vector<Special> specials;
        for (uint32_t id = 0; id < texts.size(); ++id) specials.push_back({.text = texts[id], .id = id});
        std::string text;
        for (uint64_t n = random.below(40); n > 0; --n) text += char('a' + random.below(4));
        std::vector<Fragment> got;
        SpecialSplitter(specials).split(text, true, got);
        const auto expected = split_plainly(specials, text);
        ASSERT_EQ(got.size(), expected.size()) << text;
        for (size_t i = 0; i < got.size(); ++i) {
            ASSERT_EQ(got[i].begin, expected[i].begin) << text;
            ASSERT_EQ(got[i].end, expected[i].end) << text;
            ASSERT_EQ(got[i].token, expected[i].token) << text;
        }
    }
}

TEST(SpecialSplitter, SwallowsWhiteSpaceWhereDeclared) {
    const std::vector<Special> specials = {{.text = "<|end|>", .id = 1, .strips_right = true},
                                           {.text = "<mask>", .id = 2, .strips_left = true}};
    std::vector<Fragment> got;
    SpecialSplitter(specials).split("a <|end|> \n b  <mask> c", true, got);
    ASSERT_EQ(got.size(), 5u);
    EXPECT_EQ(got[0].end, 2u);     // "a "
    EXPECT_EQ(got[2].begin, 12u);  // "b", both ends stripped
    EXPECT_EQ(got[2].end, 13u);
    EXPECT_EQ(got[4].begin, 21u);  // " c"
}

TEST(Unicode, ClassesAreThoseOfVersion151) {
    using namespace unicode;
    EXPECT_EQ(flags('A'), kLetter | kUpper);
    EXPECT_EQ(flags(0xDF), kLetter | kLower);
    EXPECT_EQ(flags(0x1C5), kLetter | kUpper);  // title case
    EXPECT_EQ(flags(0x5D0), kLetter);
    EXPECT_EQ(flags(0x301), kMark);
    EXPECT_EQ(flags(0x3000), kWhite);
    EXPECT_EQ(flags(0x200B), 0);
    EXPECT_EQ(flags('~'), kSymbol);
    EXPECT_EQ(flags(0x2EBF0), kLetter);  // CJK extension I: 15.1
    EXPECT_EQ(flags(0x31EF), kSymbol);   // 15.1
    EXPECT_EQ(flags(0x2428), 0);         // assigned in 16
    EXPECT_EQ(flags(0x10FFFF), 0);
    EXPECT_TRUE(is_han(0x4E00) && is_han(0x3007) && is_han(0x2EE5D) && !is_han(0x3042));
    EXPECT_EQ(to_lower(0x130), 'i');
    EXPECT_EQ(to_lower(0x178), 0xFFu);
    EXPECT_EQ(to_lower(0x101), 0x101u);
    EXPECT_EQ(to_lower(0x100), 0x101u);
    EXPECT_EQ(nfd_base(0x1EC7), 'e');  // two marks
    EXPECT_EQ(nfd_base(0xAC01), 0x1100u);
    EXPECT_TRUE(is_control(0xAD) && is_control(7) && is_control(0xE000) && !is_control('a'));
    EXPECT_TRUE(is_decimal_digit(0x661) && !is_decimal_digit(0xBD));
}

TEST(Unicode, RepairsTextAsTokenizersDo) {
    std::string storage;
    const std::string_view good = "a\u00E9\U0001F600\xED\xA0\x80";  // surrogates pass
    EXPECT_EQ(unicode::sanitize(good, storage).data(), good.data());
    EXPECT_EQ(unicode::sanitize("\xC1\x81", storage), "A");  // overlong
    EXPECT_EQ(unicode::sanitize("\xF8\x88\x80\x80\x80", storage), "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD");
    EXPECT_EQ(unicode::sanitize("x\xE2\x82", storage), "x\uFFFD\uFFFD");
    EXPECT_EQ(unicode::sanitize("\xF4\x90\x80\x80", storage), "\uFFFD\uFFFD\uFFFD\uFFFD");  // above U+10FFFF
}

}  // namespace
}  // namespace hearth
