// Calls bound to their tools: what models wrote is allowed, and whatever is allowed is a call.
#include <algorithm>

#include "byte_vocabulary.h"
#include "chat/call_form.h"
#include "chat/chat_guide.h"
#include "chat/family.h"
#include "chat/replies.h"
#include "grammar/validator.h"
#include "grammar/vocabularies.h"

namespace hearth::chat {
namespace {

using namespace test;
using Tokens = std::vector<int32_t>;
using Bits = std::vector<uint32_t>;

const char* const kManyTools = R"([
    {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {
        "city": {"type": "string"}, "unit": {"type": "string", "enum": ["C", "F", "by feel"]},
        "days": {"type": "integer", "minimum": 0, "maximum": 14}, "detail": {"type": "boolean"},
        "opts": {"type": "object", "properties": {"lang": {"type": "string", "maxLength": 3}, "n": {"type": "number"}},
                 "required": ["lang"]},
        "tags": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 4}, "maxItems": 3},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "code": {"type": "string", "pattern": "^[a-c]{2,4}$"}}, "required": ["city", "unit"]}}},
    {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}},
    {"name": "put", "parameters": {"properties": {"x": {"type": ["integer", "null"]}, "any": {}}, "required": ["x"]}}])";

// Marks as tokens, or spelled out by bytes.
struct Words {
    Words(const Channels& channels, bool are_tokens) {
        std::vector<std::string> marks;
        for (const std::string& text : channels.texts)
            if (!text.empty() && text != channels[Mark::parameter_end_line] && text.find("functools") != 0 &&
                std::ranges::find(marks, text) == marks.end())
                marks.push_back(text);
        vocabulary =
            std::make_unique<ByteVocabulary>(std::vector<std::string>{"<|im_end|>", "<|x|>", "<|return|>", "<|call|>"},
                                             are_tokens ? marks : std::vector<std::string>{});
        lexicon = std::make_shared<Lexicon>(channels, vocabulary->tokenizer.get());
    }
    std::unique_ptr<ByteVocabulary> vocabulary;
    std::shared_ptr<const Lexicon> lexicon;
    const Tokenizer& tokenizer() const { return *vocabulary->tokenizer; }
};

GuideSetup bound(const Words& words, const Json& tools, const CallRules& rules, bool in_thought = false) {
    GuideSetup made;
    made.reply = {.lexicon = words.lexicon,
                  .tools = std::make_shared<Tools>(*Tools::read(tools)),
                  .id_seed = 3,
                  .begins_in_thought = in_thought};
    made.ends = {words.vocabulary->id("<|im_end|>")};
    made.tokenizer = &words.tokenizer();
    made.is_one_call = !rules.parallel;
    made.needs_call = rules.is_required;
    const auto form = call_form(*words.lexicon, tools, rules);
    EXPECT_TRUE(form) << form.error().what;
    EXPECT_TRUE(form->notes.empty()) << form->notes[0];
    if (form->grammar) {
        auto constraint = grammar::Constraint::make(form->grammar, grammar_vocabulary(words.tokenizer(), made.ends));
        EXPECT_TRUE(constraint) << constraint.error().what;
        made.calls = *constraint;
    }
    made.calls_cover_thoughts = form->covers_thoughts;
    return made;
}

Bits mask_of(Guide& guide, const Tokenizer& tokenizer) {
    Bits bits(size_t(tokenizer.size() + 31) / 32, UINT32_MAX);
    guide.mask(bits);
    return bits;
}

bool has(const Bits& bits, int32_t token) {
    return bits[size_t(token) / 32] >> token % 32 & 1;
}

// Says all of it, token by token; the place where it may not go on.
std::string say(Guide& guide, const Words& words, const Tokens& tokens, GuideEvents& events) {
    for (size_t i = 0; i < tokens.size(); ++i) {
        const int32_t token = tokens[i];
        if (guide.finished()) return "it was over before token " + std::to_string(i);
        const std::string piece(words.tokenizer().piece(token));
        if (!has(mask_of(guide, words.tokenizer()), token)) return fmt::format("token {} ({}) is ruled out", i, piece);
        const auto forced = guide.forced();
        if (!forced.empty() && forced.front() != token) return fmt::format("another token than {} is forced", i);
        const auto taken = guide.accept(token, piece, events);
        if (!taken) return taken.error().what;
    }
    return "";
}

struct Recorded {
    std::string name, text;
    Channels channels;
    bool in_thought;
    Json expected;
};

std::vector<Recorded> recorded_calls(Json& tools) {
    const Json outputs = read_templates("tool_outputs.json");
    tools = *outputs.find("tools");
    std::vector<Recorded> all;
    for (const Json& one : outputs.find("cases")->items()) {
        if (one.find("tool_calls")->items().empty()) continue;
        const std::string& name = one.find("template")->as_string();
        const std::string source =
            hearth::test::read_text(hearth::test::shared_path("reference/templates/jinja/" + name + ".jinja"));
        const Family* family = find_family(TemplateFacts{.source = source});
        const bool opens = name.starts_with("Qwen3.5") || name.starts_with("NVIDIA") || name == "GLM-4.7-Flash";
        all.push_back({one.find("name")->as_string(), one.find("output")->as_string(),
                       family ? family->channels : guess_channels({.source = source}),
                       opens && one.find("thinking")->as_bool(), one});
        if (all.back().name == "nemo_calls")  // its vocabulary has no such tokens
            all.back().channels[Mark::arguments] = all.back().channels[Mark::call_id] = "";
    }
    return all;
}

TEST(Calls, RecordedOnesAreAllowedAndReadTheSame) {
    NEED_SHARED("reference/templates/tool_outputs.json");
    Json tools;
    int checked = 0;
    for (const Recorded& one : recorded_calls(tools))
        for (const bool are_tokens : {true, false}) {
            if (one.channels.calls == CallSyntax::harmony && !are_tokens) continue;
            SCOPED_TRACE(one.name + (are_tokens ? ", marks are tokens" : ", marks are spelled out"));
            const Words words(one.channels, are_tokens);
            for (const bool is_required : {false, true}) {
                if (is_required && (!one.expected.find("content")->as_string().empty() || one.name == "glm46_call" ||
                                    (!are_tokens && !one.expected.find("reasoning_content")->as_string().empty())))
                    continue;  // text beside the calls
                GuideSetup setup = bound(words, tools, {.is_required = is_required}, one.in_thought);
                ASSERT_NE(setup.calls, nullptr);
                setup.may_think = true;
                ChatGuide guide(setup);
                GuideEvents events;
                const std::string text = is_required ? stripped(one.text) : one.text;
                ASSERT_EQ(say(guide, words, words.vocabulary->ids(text), events), "") << text;
                ASSERT_TRUE(guide.finish(events));
                const Reply reply = reply_of(events);
                EXPECT_TRUE(reply.warnings.empty()) << reply.warnings[0];
                const auto& calls = one.expected.find("tool_calls")->items();
                ASSERT_EQ(reply.calls.size(), calls.size()) << shown(reply);
                for (size_t i = 0; i < calls.size(); ++i)
                    EXPECT_EQ(Json::parse(reply.calls[i].arguments)->dump(), calls[i].find("arguments")->dump());
                ++checked;
            }
        }
    EXPECT_GT(checked, 70);
}

class Walker {
public:
    Walker(const Words& words, const GuideSetup& setup, uint64_t seed)
        : words_(words), setup_(setup), random_(seed), guide_(setup) {
        for (const char* text : {"\"", "}", "]", ")", "'", "\"}", "\n</parameter>\n</function>\n</tool_call>",
                                 "</arg_value></tool_call>", "<|\"|>", "<|\"|>}"})
            phrases_.push_back(words.vocabulary->ids(text));
    }
    // False: it took too long.
    bool walk(const std::string& opening, size_t most) {
        EXPECT_EQ(say(guide_, words_, words_.vocabulary->ids(opening), events_), "") << opening;
        said_ = words_.vocabulary->ids(opening);
        while (!guide_.finished() && said_.size() < most) {
            if (const auto forced = guide_.forced(); !forced.empty()) {
                take(forced.front());
                continue;
            }
            if (random_.below(3) == 0) {
                const Tokens& phrase = phrases_[random_.below(phrases_.size())];
                for (const int32_t token : phrase) {
                    if (guide_.finished() || !has(mask_of(guide_, words_.tokenizer()), token)) break;
                    if (const auto forced = guide_.forced(); !forced.empty() && forced.front() != token) break;
                    take(token);
                }
                continue;
            }
            const Bits bits = mask_of(guide_, words_.tokenizer());
            const int32_t end = setup_.ends[0];
            if (has(bits, end) && Reply(reply()).has_whole_call() && random_.below(2) == 0) {
                take(end);
                continue;
            }
            Tokens allowed;
            for (int32_t token = 0; token < words_.tokenizer().size(); ++token)
                if (has(bits, token)) allowed.push_back(token);
            if (allowed.empty()) {
                ADD_FAILURE() << "nothing is allowed behind " << text();
                return false;
            }
            take(allowed[random_.below(allowed.size())]);
        }
        EXPECT_TRUE(guide_.finish(events_));
        return said_.size() < most;
    }
    Reply reply() const { return reply_of(events_); }
    std::string text() const { return words_.tokenizer().decode(said_, true); }

private:
    void take(int32_t token) {
        const auto taken = guide_.accept(token, words_.tokenizer().piece(token), events_);
        ASSERT_TRUE(taken) << taken.error().what << " behind " << text();
        said_.push_back(token);
        // Now and then some of it is taken back and said again.
        kept_ = std::min<size_t>(kept_ + 1, Guide::kRollbackTokens);
        if (guide_.finished() || random_.below(12) > 0) return;
        const size_t back = random_.below(kept_ + 1);
        guide_.rollback(int(back));
        kept_ -= back;
        const Tokens again(said_.end() - ptrdiff_t(back), said_.end());
        GuideEvents known;
        ASSERT_EQ(say(guide_, words_, again, known), "") << text();
        ChatGuide fresh(setup_);
        GuideEvents unused;
        for (const int32_t one : said_) ASSERT_TRUE(fresh.accept(one, words_.tokenizer().piece(one), unused));
        ASSERT_EQ(mask_of(fresh, words_.tokenizer()), mask_of(guide_, words_.tokenizer())) << text();
        kept_ = std::min<size_t>(kept_ + back, Guide::kRollbackTokens);
    }

    const Words& words_;
    GuideSetup setup_;
    Rng random_;
    ChatGuide guide_;
    GuideEvents events_;
    Tokens said_;
    std::vector<Tokens> phrases_;
    size_t kept_ = 0;
};

void expect_valid(const Reply& reply, const Json& tools) {
    EXPECT_TRUE(reply.warnings.empty()) << reply.warnings[0];
    ASSERT_FALSE(reply.calls.empty());
    for (const ReplyCall& call : reply.calls) {
        EXPECT_TRUE(call.is_whole);
        const auto arguments = Json::parse(call.arguments);
        ASSERT_TRUE(arguments && arguments->is_object()) << call.arguments;
        for (const Json& entry : tools.items()) {
            const Json* function = entry.find("function") ? entry.find("function") : &entry;
            if (function->find("name")->as_string() != call.name) continue;
            std::string why;
            const Json& schema = *function->find("parameters");
            EXPECT_TRUE(hearth::test::validates(*arguments, schema, schema, why)) << why << " in " << call.arguments;
        }
    }
}

TEST(Calls, WhateverIsAllowedIsAValidCall) {
    const Json tools = *Json::parse(kManyTools);
    int finished = 0, walked = 0;
    for (const Family* family : families()) {
        const Channels& channels = family->channels;
        if (channels.calls == CallSyntax::none) continue;
        for (const bool are_tokens : {true, false}) {
            if (channels.calls == CallSyntax::harmony && !are_tokens) continue;
            const Words words(channels, are_tokens);
            for (const CallRules& rules :
                 {CallRules{}, CallRules{.is_required = true}, CallRules{.is_required = true, .parallel = false},
                  CallRules{.is_required = true, .only = "put"}}) {
                SCOPED_TRACE(fmt::format("{}, {}, required {}, parallel {}, only {}", family->name,
                                         are_tokens ? "tokens" : "spelled", rules.is_required, rules.parallel,
                                         rules.only));
                const GuideSetup setup = bound(words, tools, rules);
                ASSERT_NE(setup.calls, nullptr);
                std::string opening = rules.is_required ? "" : channels[Mark::call_open];
                if (channels.calls == CallSyntax::harmony && !rules.is_required)
                    opening = "<|channel|>commentary to=functions.";
                if (channels.calls == CallSyntax::bare && !rules.is_required) opening = "{\"name\":";
                for (uint64_t seed = 0; seed < 12; ++seed) {
                    Walker walker(words, setup, seed);
                    ++walked;
                    if (!walker.walk(opening, 1500)) {
                        if (HasFailure()) return;
                        continue;
                    }
                    ++finished;
                    const Reply reply = walker.reply();
                    SCOPED_TRACE(walker.text());
                    expect_valid(reply, tools);
                    if (!rules.parallel) {
                        EXPECT_EQ(reply.calls.size(), 1u);
                    }
                    if (rules.is_required) {
                        EXPECT_EQ(reply.answer, "");
                    }
                    for (const ReplyCall& call : reply.calls)
                        if (!rules.only.empty()) {
                            EXPECT_EQ(call.name, rules.only);
                        }
                    if (HasFailure()) return;
                }
            }
        }
    }
    EXPECT_GT(finished, walked * 3 / 4) << "of " << walked;
}

// Texts that go on up to a mark: nearly everything is allowed there, and masks take short cuts.
TEST(Calls, MasksInsideOfThemAreWhatAcceptSays) {
    NEED_SHARED("reference/tokenizers/gpt-2.gguf.xz");
    const auto vocabulary = hearth::test::recorded_vocabulary("gpt-2");
    ASSERT_TRUE(vocabulary);
    const auto form =
        call_form(Lexicon(find_family("qwen3.5")->channels), *Json::parse(kManyTools), {.is_required = true});
    ASSERT_TRUE(form && form->grammar);
    const auto constraint = *grammar::Constraint::make(form->grammar, vocabulary);
    grammar::Matcher matcher(constraint);
    for (const char* piece : {"<tool_call>\n<func",
                              "tion=get_weather>\n<parameter=city>\n",
                              "New",
                              " \xC3",
                              "\xA9<",
                              "/b>",
                              "\n",
                              "\n</",
                              "par",
                              "x <",
                              "</parameter",
                              "s>",
                              "\n</parameter>\n<parameter=unit>\nby",
                              " feel\n</parameter>\n<parameter=opts>\n{\"",
                              "lang\": \"a</",
                              "\"}\n</parameter>\n<parameter=note>\n",
                              "nul",
                              "l\n",
                              "</parameter>\n<parameter=code>\nab",
                              "c\n</parameter>\n</function>",
                              "\n</tool_call>"}) {
        ASSERT_TRUE(matcher.accept(piece)) << piece;
        ASSERT_EQ(hearth::test::mask_of(matcher), hearth::test::brute_force_mask(matcher)) << "after " << piece;
    }
    EXPECT_TRUE(matcher.may_end());
}

Words qwen_words(bool are_tokens) {
    return Words(find_family("qwen3")->channels, are_tokens);
}

std::string kNow = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";

TEST(Calls, RequiredOnesWaitUntilThinkingIsOver) {
    const Json tools = *Json::parse(kManyTools);
    for (const bool are_tokens : {true, false}) {
        const Words words = qwen_words(are_tokens);
        const auto ids = [&](const std::string& text) { return words.vocabulary->ids(text); };
        GuideSetup setup = bound(words, tools, {.is_required = true}, true);
        setup.may_think = true;
        for (const std::string& text : {"I think \"{} so</think>\n\n" + kNow, "hm" + kNow, "</think>" + kNow + kNow}) {
            ChatGuide guide(setup);
            GuideEvents events;
            ASSERT_EQ(say(guide, words, ids(text), events), "") << text;
            ASSERT_TRUE(guide.finish(events));
            const Reply reply = reply_of(events);
            EXPECT_TRUE(reply.warnings.empty()) << reply.warnings[0];
            EXPECT_TRUE(reply.has_whole_call());
            EXPECT_EQ(reply.answer, "");
        }
        // An answer instead, the end instead.
        ChatGuide guide(setup);
        GuideEvents events;
        ASSERT_EQ(say(guide, words, ids("hm</think>"), events), "");
        const Bits bits = mask_of(guide, words.tokenizer());
        EXPECT_FALSE(has(bits, 'A'));
        EXPECT_FALSE(has(bits, words.vocabulary->id("<|im_end|>")));
        EXPECT_FALSE(guide.accept('A', "A", events));
        ASSERT_TRUE(guide.finish(events));
        EXPECT_EQ(reply_of(events).warnings,
                  std::vector<std::string>{"the reply ended without the call that was asked for"});
    }
}

TEST(Calls, AFormOfTheAnswerAndCallsGoTogether) {
    const Json tools = *Json::parse(kManyTools);
    const Words words = qwen_words(true);
    const auto ids = [&](const std::string& text) { return words.vocabulary->ids(text); };
    for (const bool only_calls : {false, true}) {  // the calls' grammar: with words around them, or without
        GuideSetup setup = bound(words, tools, {.is_required = only_calls});
        setup.needs_call = false;
        setup.form = *grammar::Constraint::make(*grammar::Grammar::from_regex("[0-9]+"),
                                                grammar_vocabulary(words.tokenizer(), setup.ends));
        const auto told = [&](const std::string& text) {
            ChatGuide guide(setup);
            GuideEvents events;
            return say(guide, words, ids(text), events);
        };
        EXPECT_EQ(told("42<|im_end|>"), "");
        EXPECT_EQ(told(kNow + "<|im_end|>"), "");
        EXPECT_EQ(told(kNow + "\n" + kNow + "<|im_end|>"), "");
        EXPECT_NE(told("x"), "");
        EXPECT_NE(told("42" + kNow), "");
        EXPECT_NE(told("<tool_call>\n{\"name\": \"nobody"), "");
        EXPECT_EQ(told(kNow + "words") == "", !only_calls);
    }
}

TEST(Calls, TheFirstOneEndsAReplyThatMayHoldOne) {
    const Json tools = *Json::parse(kManyTools);
    for (const bool is_bound : {true, false}) {
        const Words words = qwen_words(true);
        GuideSetup setup = bound(words, tools, {.parallel = false});
        if (!is_bound) setup.calls = nullptr;
        ChatGuide guide(setup);
        GuideEvents events;
        const std::string text = "Let me see. " + kNow;
        for (const int32_t token : words.vocabulary->ids(text)) {
            if (guide.finished()) break;
            ASSERT_TRUE(guide.accept(token, words.tokenizer().piece(token), events));
        }
        EXPECT_TRUE(guide.finished());
        ASSERT_TRUE(guide.finish(events));
        const Reply reply = reply_of(events);
        EXPECT_EQ(reply.answer, "Let me see.");
        EXPECT_TRUE(reply.has_whole_call());
        EXPECT_TRUE(reply.warnings.empty());
    }
}

// What cannot be enforced names the tool and leaves its arguments free; the others stay bound.
TEST(Calls, WhatCannotBeEnforcedIsSaid) {
    const Json tools = *Json::parse(R"([
        {"name": "free", "parameters": {"type": "object", "minProperties": 1, "properties": {"a": {}, "b": {}}}},
        {"name": "unique", "parameters": {"type": "object", "properties": {
            "l": {"type": "array", "uniqueItems": true, "items": {"type": "integer"}}}}},
        {"name": "impossible", "parameters": {"type": "object", "properties": {"n": {"type": "integer",
            "minimum": 3, "maximum": 2}}, "required": ["n"]}},
        {"name": "list", "parameters": {"type": "array"}},
        {"name": "now"}])");
    for (const char* name : {"qwen3", "qwen3.5", "glm4", "gemma4", "lfm2", "ministral"}) {
        SCOPED_TRACE(name);
        const Words words(find_family(name)->channels, true);
        const auto form = call_form(*words.lexicon, tools, {});
        ASSERT_TRUE(form) << form.error().what;
        ASSERT_NE(form->grammar, nullptr);
        for (const char* tool : {"unique", "impossible", "list"})
            EXPECT_EQ(std::ranges::count_if(form->notes,
                                            [&](const std::string& note) {
                                                return note.starts_with(fmt::format("calls of {} may have", tool));
                                            }),
                      1)
                << tool;
        EXPECT_TRUE(std::ranges::none_of(form->notes, [](const auto& note) { return note.find("now") < 12; }));
    }
}

TEST(Calls, HostileToolsAreBounded) {
    std::string deep = R"({"type": "string"})", wide, patterns;
    for (int i = 0; i < 60; ++i) deep = R"({"type": "object", "properties": {"a": )" + deep + "}}";
    for (int i = 0; i < 3000; ++i) wide += fmt::format(R"({}"k{}": {{"type": "string"}})", i ? "," : "", i);
    for (int i = 0; i < 40; ++i)
        patterns += fmt::format(R"({}"k{}": {{"type": "string", "pattern": "(a|b)*a(a|b){{{}}}"}})", i ? "," : "", i,
                                9 + i % 30);
    const std::string names[] = {"a\\\"b", "a>b", "a\\nb", " a ", "</function>", std::string(5000, 'n'), "\xc3\xa4"};
    std::vector<std::string> lists;
    for (const std::string& name : names) lists.push_back(R"([{"name": ")" + name + R"("}, {"name": "now"}])");
    lists.push_back(R"([{"name": "f", "parameters": )" + deep + "}]");
    for (const std::string& properties : {wide, patterns})
        lists.push_back(R"([{"name": "f", "parameters": {"type": "object", "properties": {)" + properties + "}}}]");
    for (const char* keywords :
         {R"("maxLength": 1e9)", R"("maxLength": -1)", R"("minLength": 5, "maxLength": 3)",
          R"("minLength": 2000000000)", R"("pattern": 7)", R"("pattern": "(")", R"("pattern": "((a{200}){200}){200}")",
          R"("enum": [])", R"("enum": "x")", R"("enum": ["</parameter></arg_value><|\"|>"])",
          R"("format": "date-time", "maxLength": 3)", R"("$ref": "#/properties/s")", R"("$ref": "#")", R"("anyOf": [])",
          R"("nullable": true)"})
        lists.push_back(fmt::format(
            R"([{{"name": "f", "parameters": {{"properties": {{"s": {{"type": "string", {}}}}}}}}}])", keywords));
    for (const char* parameters :
         {"null", "true", "[]", "7", R"({"type": ["object", "null"]})", R"({"properties": 3})",
          R"({"properties": {"a": 3}, "required": "a"})", R"({"properties": {}, "required": ["b", 3]})",
          R"({"properties": {"a": false}, "required": ["a"]})",
          R"({"$defs": {"x": {"$ref": "#/$defs/x"}}, "properties": {"a": {"$ref": "#/$defs/x"}}})",
          R"({"properties": {"a": {"type": "array", "minItems": 2000000000}}})",
          R"({"properties": {"": {}, "a b": {}, "a>b": {}, "c\n": {}, "d=": {}}})"})
        lists.push_back(fmt::format(R"([{{"name": "f", "parameters": {}}}])", parameters));
    for (const Family* family : families()) {
        if (family->channels.calls == CallSyntax::none) continue;
        const bool is_plain = family->name != std::string_view("qwen3.5") && family->name != std::string_view("glm4") &&
                              family->channels.calls == CallSyntax::tagged;
        if (is_plain) continue;  // one of those with the same grammar is enough
        for (const bool are_tokens : {true, false}) {
            if (family->channels.calls == CallSyntax::harmony && !are_tokens) continue;
            const Words words(family->channels, are_tokens);
            const auto vocabulary = grammar_vocabulary(words.tokenizer(), {});
            for (const std::string& list : lists) {
                SCOPED_TRACE(fmt::format("{}: {}", family->name, list.substr(0, 200)));
                const auto tools = Json::parse(list);
                ASSERT_TRUE(tools) << tools.error().what;
                const auto form = call_form(*words.lexicon, *tools, {});
                if (!form) {
                    EXPECT_FALSE(form.error().what.empty());
                    continue;
                }
                if (!form->grammar) continue;
                const auto constraint = grammar::Constraint::make(form->grammar, vocabulary);
                ASSERT_TRUE(constraint) << constraint.error().what;
                grammar::Matcher matcher(*constraint);
                Bits bits(size_t(words.tokenizer().size() + 31) / 32, UINT32_MAX);
                matcher.mask(bits);
            }
        }
    }
}

}  // namespace
}  // namespace hearth::chat
