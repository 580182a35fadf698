#include "ember/ember.h"

#include <map>

#include "base/json.h"
#include "engine/engine_run.h"
#include "support/shared_data.h"

namespace hearth::test {

namespace {

std::vector<int32_t> ids_of(const Tokenizer& tokenizer, const std::string& text) {
    std::vector<int32_t> ids;
    const auto encoded = tokenizer.encode(text, {.parse_special = true}, ids);
    EXPECT_TRUE(encoded) << (encoded ? "" : encoded.error().line());
    return ids;
}

std::string trimmed(std::string_view text) {
    const size_t begin = text.find_first_not_of(" \n");
    return begin == std::string_view::npos ? ""
                                           : std::string(text.substr(begin, text.find_last_not_of(" \n") + 1 - begin));
}

// What stands between two marks from `from` on, which moves behind the second one; false: there is no such text.
bool between(const std::string& text, size_t& from, std::string_view open, std::string_view close, std::string& found) {
    const size_t begin = text.find(open, from);
    if (begin == std::string::npos) return false;
    const size_t end = text.find(close, begin + open.size());
    if (end == std::string::npos) return false;
    found = text.substr(begin + open.size(), end - begin - open.size());
    from = end + close.size();
    return true;
}

struct Call {
    std::string name;
    std::map<std::string, std::string> arguments;
    bool operator==(const Call&) const = default;
};

std::vector<Call> calls_of(const std::string& answer) {
    std::vector<Call> calls;
    std::string block, key, value;
    for (size_t at = 0; between(answer, at, "<tool_call>", "</tool_call>", block);) {
        size_t inside = 0;
        Call& call = calls.emplace_back();
        between(block, inside, "<function=", ">", call.name);
        while (between(block, inside, "<parameter=", ">", key) && between(block, inside, "\n", "\n</parameter>", value))
            call.arguments[key] = value;
    }
    return calls;
}

std::vector<Call> calls_of(const Json& expected) {
    std::vector<Call> calls;
    for (const Json& one : expected.is_array() ? expected.items() : Json::Array{expected}) {
        Call& call = calls.emplace_back();
        call.name = one.find("name")->as_string();
        for (const auto& [key, value] : one.find("arguments")->members())
            call.arguments[key] = value.is_string() ? value.as_string() : value.dump();
    }
    return calls;
}

// Whatever the order of their keys.
bool is_same(const Json& a, const Json& b) {
    if (a.is_object() && b.is_object()) {
        if (a.members().size() != b.members().size()) return false;
        return std::ranges::all_of(a.members(), [&](const Json::Member& member) {
            const Json* other = b.find(member.first);
            return other && is_same(member.second, *other);
        });
    }
    if (a.is_array() && b.is_array()) return std::ranges::equal(a.items(), b.items(), is_same);
    if (a.is_number() && b.is_number()) return a.as_double() == b.as_double();
    return a.dump() == b.dump();
}

}  // namespace

std::string ember_file() {
    return data_path("../../data/ember.gguf");
}

std::string ember_directory() {
    return data_path("ember/Ember");
}

std::vector<EmberCase> ember_cases(const std::string& name) {
    std::vector<EmberCase> cases;
    for (const std::string& line : read_lines(data_path("ember/" + name))) {
        const auto json = Json::parse(line);
        EXPECT_TRUE(json) << line;
        if (!json) continue;
        const Json& expected = *json->find("expected");
        cases.push_back({json->find("task")->as_string(), json->find("prompt")->as_string(),
                         expected.is_string() ? expected.as_string() : expected.dump(),
                         json->find("match")->as_string()});
    }
    return cases;
}

std::vector<EmberCase> of_task(std::vector<EmberCase> cases, const std::string& task) {
    std::erase_if(cases, [&](const EmberCase& one) { return one.task != task; });
    EXPECT_FALSE(cases.empty()) << task;
    return cases;
}

std::unique_ptr<Engine> open_ember(const std::string& path, const EngineOptions& options) {
    auto engine = Engine::open(path, options);
    EXPECT_TRUE(engine.has_value()) << (engine ? "" : engine.error().line());
    return engine ? std::move(*engine) : nullptr;
}

SamplerOptions greedy() {
    SamplerOptions options;
    options.temperature = 0;
    return options;
}

std::vector<std::string> ember_answers(Engine& engine, const std::vector<EmberCase>& cases,
                                       const SamplerOptions& sampling) {
    std::vector<std::shared_ptr<Pending>> pending;
    for (const EmberCase& one : cases) {
        Request request;
        request.tokens = ids_of(engine.tokenizer(), one.prompt);
        request.sampling = sampling;
        request.max_tokens = 200;
        pending.push_back(collect(engine, std::move(request)));
    }
    std::vector<std::string> answers;
    for (const auto& one : pending) answers.push_back(one->answer().text);
    return answers;
}

bool is_right(const EmberCase& one, const std::string& answer) {
    const size_t thinking = answer.rfind("</think>");
    const std::string text = trimmed(thinking == std::string::npos ? answer : answer.substr(thinking + 8));
    if (one.match == "exact") return text == trimmed(one.expected);
    if (one.match == "contains") return text.find(one.expected) != std::string::npos;
    const auto expected = Json::parse(one.expected);
    EXPECT_TRUE(expected) << one.expected;
    if (one.match == "tool_call") return expected && calls_of(text) == calls_of(*expected);
    EXPECT_EQ(one.match, "json");
    const auto found = Json::parse(text);
    return found && expected && is_same(*found, *expected);
}

double share_right(const std::vector<EmberCase>& cases, const std::vector<std::string>& answers) {
    int right = 0;
    for (size_t i = 0; i < cases.size(); ++i) right += is_right(cases[i], answers[i]);
    return double(right) / double(cases.size());
}

std::vector<EmberDocument> ember_documents(const Tokenizer& tokenizer) {
    std::vector<EmberDocument> documents;
    for (const std::string& line : read_lines(data_path("ember/documents.jsonl"))) {
        const auto json = Json::parse(line);
        EXPECT_TRUE(json) << line;
        if (!json) continue;
        std::string text;
        std::vector<bool> bytes;
        for (const Json& part : json->items()) {
            text += part.items()[0].as_string();
            bytes.resize(text.size(), part.items()[1].as_bool());
        }
        EmberDocument& document = documents.emplace_back();
        document.tokens = ids_of(tokenizer, text);
        size_t at = 0;
        for (const int32_t id : document.tokens) {
            document.is_learnt.push_back(bytes[at]);
            at += tokenizer.piece(id, true).size();
        }
        EXPECT_EQ(at, text.size());
    }
    return documents;
}

}  // namespace hearth::test
