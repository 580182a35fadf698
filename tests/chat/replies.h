// Replies read whole and in pieces, and shown as one text to compare by.
#pragma once

#include <gtest/gtest.h>

#include "base/rng.h"
#include "chat/reply_parser.h"
#include "support/shared_data.h"

namespace hearth::chat::test {

inline Json read_templates(const std::string& below) {
    auto json = Json::parse(hearth::test::read_text(hearth::test::shared_path("reference/templates/" + below)));
    EXPECT_TRUE(json) << below;
    return json ? std::move(*json) : Json();
}

inline std::string stripped(std::string_view text) {
    const size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return "";
    return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

inline std::shared_ptr<const Tools> tools_of(const std::string& json) {
    const auto list = Json::parse(json);
    EXPECT_TRUE(list) << json;
    auto tools = Tools::read(*list);
    EXPECT_TRUE(tools) << tools.error().what;
    return std::make_shared<Tools>(std::move(*tools));
}

inline ReplySetup setup_of(const Channels& channels, std::shared_ptr<const Tools> tools,
                           bool begins_in_thought = false) {
    return {.lexicon = std::make_shared<Lexicon>(channels),
            .tools = std::move(tools),
            .id_seed = 7,
            .begins_in_thought = begins_in_thought};
}

// Whole, or in pieces that end where `cuts` says.
inline GuideEvents events_of(const ReplySetup& setup, std::string_view text, std::span<const size_t> cuts = {}) {
    ReplyParser parser(setup);
    GuideEvents all;
    size_t begin = 0;
    const auto push = [&](size_t end) {
        parser.push_text(text.substr(begin, end - begin), all);
        begin = end;
    };
    for (const size_t cut : cuts) push(cut);
    push(text.size());
    parser.finish(all);
    return all;
}

inline Reply reply_of(const GuideEvents& events) {
    Reply reply;
    reply.add(events);
    return reply;
}

// Everything that was said, in one text to compare by.
inline std::string shown(const Reply& reply) {
    std::string text = "[" + reply.thinking + "][" + reply.answer + "]";
    for (const ReplyCall& call : reply.calls)
        text += "\n" + call.id + " " + call.name + "(" + call.arguments + ")" + (call.is_whole ? "" : " broken");
    for (const std::string& warning : reply.warnings) text += "\nwarning: " + warning;
    return text;
}

inline void expect_same_in_every_cut(const ReplySetup& setup, const std::string& text, int random_cuts = 20) {
    const std::string whole = shown(reply_of(events_of(setup, text)));
    std::vector<size_t> bytes;
    for (size_t at = 1; at < text.size(); ++at) bytes.push_back(at);
    ASSERT_EQ(shown(reply_of(events_of(setup, text, bytes))), whole) << text << ", byte by byte";
    for (const size_t cut : bytes)
        ASSERT_EQ(shown(reply_of(events_of(setup, text, std::span(&cut, 1)))), whole) << text << ", cut at " << cut;
    Rng random(text.size());
    for (int round = 0; round < random_cuts; ++round) {
        std::vector<size_t> cuts;
        for (const size_t at : bytes)
            if (random.below(4) == 0) cuts.push_back(at);
        ASSERT_EQ(shown(reply_of(events_of(setup, text, cuts))), whole) << text << ", random cuts";
    }
}

}  // namespace hearth::chat::test
