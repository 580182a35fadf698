#include "chat_check.h"

#include "chat/chat_guide.h"
#include "chat/family.h"
#include "promise.h"
#include "text/unicode.h"

namespace hearth {

namespace {

using namespace chat;

std::shared_ptr<const Tools> usual_tools() {
    static const auto tools = std::make_shared<const Tools>(*Tools::read(*Json::parse(
        R"([{"name": "f", "parameters": {"properties": {"s": {"type": "string"}, "n": {"type": "integer"},
            "o": {"type": ["string", "null"]}, "u": {}}}}, {"name": "g"}])")));
    return tools;
}

Reply read(const ReplySetup& setup, std::string_view text, size_t chunk) {
    ReplyParser parser(setup);
    Reply reply;
    for (size_t at = 0; at < text.size(); at += chunk) {
        GuideEvents events;
        parser.push_text(text.substr(at, chunk), events);
        for (const GuideEvent& event : events) promise(unicode::is_sanitized(event.text), "events are UTF-8");
        reply.add(events);
    }
    GuideEvents events;
    parser.finish(events);
    reply.add(events);
    return reply;
}

std::string shown(const Reply& reply) {
    std::string all = reply.message().dump() + std::to_string(reply.calls.size());
    for (const std::string& warning : reply.warnings) all += "\n" + warning;
    for (const ReplyCall& call : reply.calls) all += "\n" + call.arguments + (call.is_whole ? "" : " broken");
    return all;
}

}  // namespace

void check_chat(std::string_view input) {
    if (input.empty()) return;
    const auto all = families();
    const uint8_t first = uint8_t(input[0]);
    const Family& family = *all[first % all.size()];
    std::string text;
    for (size_t at = 1; at < input.size(); ++at) {
        if (uint8_t(input[at]) == 0xFE && at + 1 < input.size())
            text += family.channels.texts[uint8_t(input[++at]) % size_t(kMarks)];
        else
            text += input[at];
    }
    const ReplySetup setup{.lexicon = std::make_shared<Lexicon>(family.channels),
                           .tools = first & 0x80 ? std::make_shared<const Tools>() : usual_tools(),
                           .id_seed = 1,
                           .begins_in_thought = (first & 0x40) != 0};
    const Reply whole = read(setup, text, text.size() + 1);
    for (const size_t chunk : {1, 2, 3, 7})
        promise(shown(read(setup, text, chunk)) == shown(whole), "the cuts do not matter");
    for (const ReplyCall& call : whole.calls) {
        promise(setup.tools->contains(call.name), "only tools are called");
        const auto arguments = Json::parse(call.arguments);
        promise(arguments && arguments->is_object(), "arguments are a JSON object");
    }
    if (setup.tools->empty()) promise(whole.calls.empty(), "without tools there are no calls");

    // As tokens of a guide, with a step back on the way.
    GuideSetup made{.reply = setup, .thinking_budget = int64_t(first), .end_thought = {0}, .stops = {"stop"}};
    ChatGuide straight(made), wandering(made);
    GuideEvents one, two;
    for (size_t at = 0; at < text.size(); ++at) {
        const std::string_view piece = std::string_view(text).substr(at, 1);
        promise(straight.accept(int32_t(at), piece, one).has_value(), "every token is taken");
        GuideEvents ignored;
        if (at % 5 == 2) {
            for (int i = 0; i < 7; ++i) promise(wandering.accept(i, "<", ignored).has_value(), "every token is taken");
            wandering.rollback(7);
        }
        promise(wandering.accept(int32_t(at), piece, two).has_value(), "every token is taken");
    }
    promise(straight.finish(one) && wandering.finish(two), "a guide can always finish");
    Reply straight_reply, wandering_reply;
    straight_reply.add(one);
    wandering_reply.add(two);
    promise(shown(straight_reply) == shown(wandering_reply), "what was taken back leaves no trace");
}

}  // namespace hearth
