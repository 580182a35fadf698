#include "calls_check.h"

#include <algorithm>
#include <map>

#include "base/rng.h"
#include "byte_vocabulary.h"
#include "chat/answer_form.h"
#include "chat/call_form.h"
#include "chat/family.h"
#include "chat/reply_parser.h"
#include "grammar/matcher.h"
#include "grammar/schema_check.h"
#include "promise.h"

namespace hearth {

namespace {

using namespace chat;

constexpr int kMostTokens = 600, kTowardsTheEnd = 60;
constexpr size_t kMostTools = 8;

// A family's marks in a vocabulary of bytes: as tokens, or spelled out.
struct Words {
    Words(const Channels& channels, bool are_tokens) {
        std::vector<std::string> marks;
        for (const std::string& text : channels.texts)
            if (!text.empty() && text != channels[Mark::parameter_end_line] && text != channels[Mark::function] &&
                !text.starts_with("functools") && std::ranges::find(marks, text) == marks.end())
                marks.push_back(text);
        vocabulary = std::make_unique<chat::test::ByteVocabulary>(std::vector<std::string>{"<|finis|>"},
                                                                  are_tokens ? marks : std::vector<std::string>{});
        lexicon = std::make_shared<Lexicon>(channels, vocabulary->tokenizer.get());
        end = vocabulary->id("<|finis|>");
        for_grammar = grammar_vocabulary(*vocabulary->tokenizer, std::vector{end});
    }
    std::unique_ptr<chat::test::ByteVocabulary> vocabulary;
    std::shared_ptr<const Lexicon> lexicon;
    std::shared_ptr<const grammar::Vocabulary> for_grammar;
    int32_t end;
};

const Words& words_of(const Family& family, bool are_tokens) {
    static std::map<std::pair<const Family*, bool>, std::unique_ptr<Words>> made;
    auto& words = made[{&family, are_tokens}];
    if (!words) words = std::make_unique<Words>(family.channels, are_tokens);
    return *words;
}

// Walks where the mask leads, at random and the same way for the same input. False: it did not come to an end.
bool walk(const Words& words, const std::shared_ptr<grammar::Constraint>& constraint, std::string_view opening,
          uint64_t seed, ReplyParser& parser, GuideEvents& events) {
    const Tokenizer& tokenizer = *words.vocabulary->tokenizer;
    grammar::Matcher matcher(constraint);
    Rng random(seed);
    const auto say = [&](int32_t token) {
        promise(matcher.accept(token).has_value(), "what the mask allows is accepted");
        if (token != words.end) parser.push(token, tokenizer.piece(token), events);
    };
    for (const int32_t token : words.vocabulary->ids(opening)) say(token);
    for (int step = 0; step < kMostTokens && !matcher.finished(); ++step) {
        std::vector<uint32_t> bits(words.for_grammar->words(), UINT32_MAX);
        matcher.mask(bits);
        std::vector<int32_t> ids;
        for (int32_t id = 0; id < tokenizer.size(); ++id)
            if (bits[size_t(id) / 32] >> (id % 32) & 1) ids.push_back(id);
        promise(!ids.empty(), "something may always follow");
        // Texts grow without end otherwise: after a while marks, and whatever closes something.
        // (Not the one that some models begin a call with, which is read and not bound.)
        const Channels& channels = words.lexicon->channels();
        const std::string& mark = channels.texts[random.below(size_t(kMarks))];
        if (step > kTowardsTheEnd && !mark.empty() && mark != channels[Mark::function] &&
            matcher.fitting(mark) == mark.size()) {
            for (const char byte : mark) say(uint8_t(byte));
            continue;
        }
        int32_t chosen = ids[random.below(ids.size())];
        if (step > kTowardsTheEnd && random.below(4) > 0) {
            std::vector<int32_t> closing;
            for (const int32_t id : ids)
                if (id > 256 || (id < 256 && std::string_view("\"}])'\n").find(char(id)) != std::string_view::npos))
                    closing.push_back(id);
            if (!closing.empty()) chosen = closing[random.below(closing.size())];
        }
        if (step > kTowardsTheEnd && random.below(2) == 0 && std::ranges::find(ids, words.end) != ids.end())
            chosen = words.end;
        say(chosen);
    }
    return matcher.finished();
}

const Json* find_tool(const Json& tools, std::string_view name) {
    for (const Json& entry : tools.items()) {
        const Json* function = entry.find("function");
        if (!function) function = &entry;
        if (function->find("name")->as_string() == name) return function;
    }
    return nullptr;
}

// Unless the notes say that they are not bound.
void check_arguments(const ReplyCall& call, const Json& tools, const std::vector<std::string>& notes) {
    const Json* tool = find_tool(tools, call.name);
    promise(tool != nullptr, "only tools are called");
    const auto arguments = Json::parse(call.arguments);
    promise(arguments && arguments->is_object(), "arguments are a JSON object");
    const bool is_free = std::ranges::any_of(
        notes, [&](const std::string& note) { return note.starts_with("calls of " + call.name + " may have any"); });
    const Json* parameters = tool->find("parameters");
    if (is_free || !parameters || parameters->is_null()) return;
    auto check = grammar::SchemaCheck::make(*parameters);
    if (!check) return;
    const auto holds = check->holds_for(*arguments);
    promise(!holds || *holds, "arguments satisfy their schema");
}

}  // namespace

void check_calls(std::string_view input) {
    if (input.size() < 2) return;
    const auto all = families();
    const Family& family = *all[uint8_t(input[0]) % all.size()];
    const uint8_t choices = uint8_t(input[1]);
    const CallRules rules{.is_required = (choices & 2) == 0, .parallel = (choices & 4) == 0};
    auto read = Json::parse(input.substr(2));
    if (!read) return;
    Json tools = std::move(*read);
    if (!tools.is_array())
        tools = Json::Array{Json(Json::Object{{"name", "f"}, {"parameters", std::move(tools)}}),
                            Json(Json::Object{{"name", "g"}})};
    const auto known = Tools::read(tools);
    if (!known || known->empty() || tools.items().size() > kMostTools) return;

    const Channels& channels = family.channels;
    // No vocabulary spells out the marks of keys and values, and there a mark in a string of JSON would end its value.
    const bool is_key_value = channels.calls == CallSyntax::tagged && channels.tagged == TaggedForm::key_value;
    const Words& words = words_of(family, (choices & 1) == 0 || is_key_value);
    const auto form = call_form(*words.lexicon, tools, rules);
    if (!form) {
        promise(!form.error().what.empty(), "an error says what");
        return;
    }
    if (!form->grammar) return;
    const auto constraint = grammar::Constraint::make(form->grammar, words.for_grammar);
    promise(constraint.has_value(), "the marks are in the vocabulary");
    std::string opening = rules.is_required ? "" : channels[Mark::call_open];
    if (!rules.is_required && channels.calls == CallSyntax::harmony) opening = "<|channel|>commentary to=functions.";
    if (!rules.is_required && channels.calls == CallSyntax::bare) opening = "{\"name\":";

    uint64_t seed = input.size();
    for (const char c : input) seed = seed * 31 + uint8_t(c);
    for (int round = 0; round < 2; ++round) {
        ReplyParser parser({.lexicon = words.lexicon, .tools = std::make_shared<const Tools>(*known), .id_seed = 1});
        GuideEvents events;
        const bool has_ended = walk(words, *constraint, opening, seed + uint64_t(round), parser, events);
        parser.finish(events);
        Reply reply;
        reply.add(events);
        for (const ReplyCall& call : reply.calls)
            if (call.is_whole) check_arguments(call, tools, form->notes);
        if (!has_ended) continue;
        const bool is_sound = !reply.calls.empty() && reply.warnings.empty() &&
                              std::ranges::all_of(reply.calls, [](const ReplyCall& call) { return call.is_whole; });
        if (!is_sound)
            for (const GuideEvent& event : events) std::fprintf(stderr, "%d: %s\n", event.kind, event.text.c_str());
        promise(!reply.calls.empty(), "what was begun is a call");
        for (const ReplyCall& call : reply.calls) promise(call.is_whole, "calls are whole");
        promise(reply.warnings.empty(), "nothing broke");
        if (!rules.parallel) promise(reply.calls.size() == 1, "one call was wanted");
    }
}

}  // namespace hearth
