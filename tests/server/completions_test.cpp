// POST /v1/completions, /tokenize, /detokenize and /apply-template with the demo model.
#include "server/ember_server.h"

namespace hearth::test {
namespace {

class Completions : public EmberServer {
protected:
    static Json asked(Json prompt, Json::Object more = {}) {
        Json body = Json::Object{{"model", "ember"}, {"temperature", 0}, {"prompt", std::move(prompt)}};
        for (auto& [name, value] : more) body.set(name, std::move(value));
        return body;
    }
    static Json whole(const Json& body, const std::string& path = "/v1/completions") {
        const HttpAnswer answer = post(path, body);
        EXPECT_EQ(answer.status, 200) << answer.body;
        return answer.json();
    }
    // The texts of all choices, and how many bytes of JSON came.
    static std::vector<std::string> streamed(Json body, size_t choices) {
        body.set("stream", true);
        const auto events = post("/v1/completions", body).events();
        std::vector<std::string> texts(choices);
        std::vector<int> ends(choices);
        EXPECT_FALSE(events.empty());
        if (events.empty()) return texts;
        EXPECT_EQ(events.back(), "[DONE]");
        for (size_t i = 0; i + 1 < events.size(); ++i) {
            const Json chunk = parsed(events[i]);
            const Json& choice = at(chunk, "choices", 0);
            const size_t index = size_t(at(choice, "index").as_int(99));
            if (index >= choices) {
                ADD_FAILURE() << events[i];
                continue;
            }
            texts[index] += text_at(choice, "text");
            if (at(choice, "finish_reason").is_string()) ++ends[index];
        }
        for (const int count : ends) EXPECT_EQ(count, 1);
        return texts;
    }
};

TEST_F(Completions, OfSeveralPromptsAreThoseOfEachAlone) {
    const std::vector<std::string> prompts{"The capital of France", "Once upon a time"};
    std::vector<std::string> alone;
    for (const std::string& prompt : prompts)
        alone.push_back(text_at(whole(asked(prompt, {{"max_tokens", 9}, {"ignore_eos", true}})), "choices", 0, "text"));
    EXPECT_NE(alone[0], alone[1]);
    EXPECT_FALSE(alone[0].empty());
    const Json both = asked(Json::Array{prompts[0], prompts[1]}, {{"max_tokens", 9}, {"n", 2}, {"ignore_eos", true}});
    const Json answer = whole(both);
    EXPECT_EQ(text_at(answer, "object"), "text_completion");
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(at(answer, "choices", i, "index").as_int(), i);
        EXPECT_EQ(text_at(answer, "choices", i, "text"), alone[size_t(i / 2)]);
        EXPECT_EQ(text_at(answer, "choices", i, "finish_reason"), "length");
    }
    EXPECT_EQ(at(answer, "usage", "completion_tokens").as_int(), 4 * 9);
    EXPECT_EQ(streamed(both, 4), (std::vector<std::string>{alone[0], alone[0], alone[1], alone[1]}));
}

TEST_F(Completions, TakeIdsAndRepeatThePrompt) {
    const std::string prompt = "The capital of France";
    const Json ids = *whole(Json::Object{{"model", "ember"}, {"content", prompt}}, "/tokenize").find("tokens");
    const std::string text = text_at(whole(asked(prompt)), "choices", 0, "text");
    EXPECT_EQ(text_at(whole(asked(ids)), "choices", 0, "text"), text);
    EXPECT_EQ(text_at(whole(asked(prompt, {{"echo", true}})), "choices", 0, "text"), prompt + text);
    EXPECT_EQ(streamed(asked(prompt, {{"echo", true}}), 1)[0], prompt + text);
    EXPECT_EQ(text_at(whole(asked(ids, {{"echo", true}})), "choices", 0, "text"), prompt + text);
    EXPECT_EQ(streamed(asked(ids, {{"echo", true}}), 1)[0], prompt + text);
    // OpenAI's own default.
    EXPECT_EQ(at(whole(asked(prompt, {{"ignore_eos", true}})), "usage", "completion_tokens").as_int(), 16);
}

TEST_F(Completions, HaveTheScoresOfTheirTokens) {
    const Json choice =
        at(whole(asked("Once upon a time", {{"logprobs", 2}, {"max_tokens", 4}, {"ignore_eos", true}})), "choices", 0);
    const Json& scores = at(choice, "logprobs");
    ASSERT_EQ(at(scores, "tokens").items().size(), 4u);
    std::string joined;
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(at(scores, "text_offset", i).as_int(), int64_t(joined.size()));
        joined += text_at(scores, "tokens", i);
        EXPECT_LE(at(scores, "token_logprobs", i).as_double(), 0);
        EXPECT_EQ(at(scores, "top_logprobs", i).members().size(), 2u);
    }
    EXPECT_EQ(joined, text_at(choice, "text"));
}

TEST_F(Completions, TellWhatIsWrong) {
    const auto refused = [](const Json& body, const std::string& param, const std::string& piece) {
        const HttpAnswer answer = post("/v1/completions", body);
        EXPECT_EQ(answer.status, 400) << answer.body;
        const Json json = answer.json();
        EXPECT_EQ(text_at(json, "error", "param"), param) << answer.body;
        EXPECT_NE(text_at(json, "error", "message").find(piece), std::string::npos) << answer.body;
    };
    refused(Json::Object{{"model", "ember"}}, "prompt", "missing");
    refused(asked(Json::Array{Json::Array{-1}}), "prompt", "token id");
    refused(asked(Json::Array{"text", 5}), "prompt", "neither");
    refused(asked("a", {{"suffix", "b"}}), "suffix", "filled in");
    refused(asked("a", {{"best_of", 3}}), "best_of", "ranked");
    refused(asked("a", {{"max_tokens", 0}}), "max_tokens", "at least 1");
    refused(asked("a", {{"response_format", Json::Object{{"type", "json_object"}}}}), "response_format", "form");
    EXPECT_EQ(post("/v1/completions", asked(Json::Array{99999999})).status, 400);
    // One of two is too long: an error, whole, and the other one is given up.
    std::string many;
    for (int i = 0; i < 6000; ++i) many += " word";
    EXPECT_EQ(post("/v1/completions", asked(Json::Array{"short", many})).status, 400);
    EXPECT_EQ(post("/v1/completions", asked("The capital")).status, 200);
}

TEST_F(Completions, TextsBecomeTokensAndComeBack) {
    const std::string text = "Grüße, 日本 <|im_start|>";
    const Json tokens = whole(Json::Object{{"model", "ember"}, {"content", text}, {"with_pieces", true}}, "/tokenize");
    Json ids = Json::array();
    std::string joined;
    for (const Json& token : at(tokens, "tokens").items()) {
        ids.push(*token.find("id"));
        const Json& piece = *token.find("piece");
        if (piece.is_string())
            joined += piece.as_string();
        else
            for (const Json& byte : piece.items()) joined += char(byte.as_int());
    }
    EXPECT_EQ(joined, text);
    EXPECT_EQ(text_at(whole(Json::Object{{"model", "ember"}, {"tokens", ids}}, "/detokenize"), "content"), text);
    EXPECT_EQ(post("/detokenize", Json::Object{{"model", "ember"}, {"tokens", Json::Array{1, 99999999}}}).status, 400);
    EXPECT_EQ(post("/detokenize", Json::object()).status, 400);
    EXPECT_EQ(post("/tokenize", Json::object()).status, 400);
}

TEST_F(Completions, ATemplateIsApplied) {
    const Json made =
        whole(Json::Object{{"model", "ember"},
                           {"messages", Json::Array{Json::Object{{"role", "user"}, {"content", "Hello there"}}}}},
              "/apply-template");
    EXPECT_NE(text_at(made, "prompt").find("Hello there"), std::string::npos);
    EXPECT_GT(text_at(made, "prompt").size(), 20u);
    EXPECT_GT(at(made, "tokens").as_int(), 4);
}

}  // namespace
}  // namespace hearth::test
