// embed and rerank as people meet them: lines in, JSON lines out, recorded vectors, and every way to go wrong.
#include <cmath>

#include "base/json.h"
#include "cli/command.h"

namespace hearth::test {
namespace {

class Texts : public Command {
protected:
    void SetUp() override {
        NEED_SHARED("reference/bert");
        NEED_SHARED("reference/qwen3-embedding");
        Command::SetUp();
        for (const std::string name : {"bert/bert-cls", "bert/bert-mean", "bert/bert-rank",
                                       "qwen3-embedding/qwen3-embed", "qwen3-embedding/qwen3-rank"}) {
            const fs::path to = folder / (name.substr(name.find('/') + 1) + ".gguf");
            if (!fs::exists(to)) fs::copy_file(shared_path("reference/" + name + ".gguf"), to);
        }
    }
    // The objects of the lines that a command wrote.
    std::vector<Json> objects(const std::string& words, const std::string& in) const {
        const Ran ran = hearth(words, in);
        EXPECT_EQ(ran.exit_code, 0) << words << ran.err;
        std::vector<Json> found;
        std::istringstream text(ran.out);
        for (std::string line; std::getline(text, line);) {
            auto parsed = Json::parse(line);
            EXPECT_TRUE(parsed) << line;
            if (parsed) found.push_back(std::move(*parsed));
        }
        return found;
    }
    static std::vector<double> numbers(const Json& object, const std::string& key) {
        std::vector<double> values;
        if (const Json* list = object.find(key))
            for (const Json& item : list->items()) values.push_back(item.as_double());
        return values;
    }
};

TEST_F(Texts, ALineInIsALineOut) {
    const auto lines = objects("embed bert-cls.gguf", "the river was calm\r\n\nhello world");
    ASSERT_EQ(lines.size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(lines[i].find("index")->as_int(), int64_t(i));
        const auto values = numbers(lines[i], "embedding");
        ASSERT_EQ(values.size(), 96u);
        double squares = 0;
        for (const double value : values) squares += value * value;
        EXPECT_NEAR(squares, 1, 1e-5);
    }
    EXPECT_EQ(lines[1].find("tokens")->as_int(), 2);  // an empty line: what goes around every text
    // Alone, and as JSON, with and without a context that is given: the same numbers.
    const auto alone = objects("embed bert-cls.gguf --ctx 100", "the river was calm");
    EXPECT_EQ(alone.at(0).find("embedding")->dump(), lines[0].find("embedding")->dump());
    const auto quoted_line = objects("embed bert-cls.gguf --jsonl", "{\"text\": \"the river was calm\"}\n\"x\"\n");
    ASSERT_EQ(quoted_line.size(), 2u);
    EXPECT_EQ(quoted_line[0].find("embedding")->dump(), lines[0].find("embedding")->dump());
    write("lines.txt", "the river was calm\n");
    EXPECT_EQ(objects("embed bert-cls.gguf --file lines.txt", "").at(0).dump(), lines[0].dump());
}

TEST_F(Texts, OptionsDoWhatTheySay) {
    const std::string text = "the river was calm\n";
    const Json raw = objects("embed bert-mean.gguf --no-normalise --json", text).at(0);
    EXPECT_EQ(raw.find("pooling")->as_string(), "mean");  // the file's choice
    EXPECT_FALSE(raw.find("normalised")->as_bool());
    EXPECT_EQ(raw.find("dimensions")->as_int(), 128);
    const auto mean = numbers(raw.find("data")->items()[0], "embedding");
    double squares = 0;
    for (const double value : mean) squares += value * value;
    EXPECT_GT(std::abs(squares - 1), 0.1);

    // The mean of the tokens' vectors is the pooled one; the first token's is that of cls.
    const Json tokens = objects("embed bert-mean.gguf --pooling none", text).at(0);
    const auto& rows = tokens.find("embeddings")->items();
    ASSERT_EQ(int64_t(rows.size()), tokens.find("tokens")->as_int());
    for (size_t i = 0; i < mean.size(); ++i) {
        double sum = 0;
        for (const Json& row : rows) sum += row.items()[i].as_double();
        EXPECT_NEAR(sum / double(rows.size()), mean[i], 1e-5);
    }
    const Json first = objects("embed bert-mean.gguf --pooling cls --no-normalise", text).at(0);
    EXPECT_EQ(first.find("embedding")->dump(), rows[0].dump());

    // Shortened first, then made as long as one.
    const auto few = numbers(objects("embed bert-mean.gguf --dimensions 2", text).at(0), "embedding");
    ASSERT_EQ(few.size(), 2u);
    EXPECT_NEAR(few[0], mean[0] / std::hypot(mean[0], mean[1]), 1e-5);

    const Json prefixed = objects("embed bert-mean.gguf --prefix 'the river '", "was calm").at(0);
    EXPECT_EQ(prefixed.dump(), objects("embed bert-mean.gguf", "the river was calm").at(0).dump());

    EditedFile named(shared_path("reference/bert/bert-mean.gguf"));
    fs::copy_file(named.set_text("general.name", "Nomic Embed Text v1.5").write("named.gguf"), folder / "named.gguf",
                  fs::copy_options::overwrite_existing);
    const Json query = objects("embed named.gguf --as query", "calm").at(0);
    EXPECT_EQ(query.dump(), objects("embed bert-mean.gguf", "search_query: calm").at(0).dump());
}

TEST_F(Texts, QwenEndsATextEvenWhereItsFileForgets) {
    const auto lines = objects("embed qwen3-embed.gguf", "calm\n");
    EditedFile file(shared_path("reference/qwen3-embedding/qwen3-embed.gguf"));
    file.drop_key("tokenizer.ggml.add_eos_token");
    fs::copy_file(file.write("early.gguf"), folder / "early.gguf", fs::copy_options::overwrite_existing);
    EXPECT_EQ(objects("embed early.gguf", "calm\n").at(0).dump(), lines.at(0).dump());
    // Other ways to pool do not need it.
    const auto mean = objects("embed early.gguf --pooling mean", "calm\n");
    EXPECT_EQ(mean.at(0).find("tokens")->as_int(), lines[0].find("tokens")->as_int() - 1);
}

TEST_F(Texts, WeightsInTheFileGiveTheSameNumbers) {
    for (const char* words : {"embed bert-cls.gguf", "embed qwen3-embed.gguf", "rerank bert-rank.gguf --query river",
                              "rerank qwen3-rank.gguf --query river"}) {
        const Ran usual = hearth(words, "calm\nwater\n"),
                  mapped = hearth(std::string(words) + " --mmap", "calm\nwater\n");
        EXPECT_EQ(mapped.exit_code, 0) << words << mapped.err;
        EXPECT_FALSE(mapped.out.empty()) << words;
        EXPECT_EQ(usual.out, mapped.out) << words;
    }
}

TEST_F(Texts, AModelThatWasNotMadeForItSaysHowItPools) {
    const Ran ran = hearth("embed $M", "hello");
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    ASSERT_EQ(ran.lines().size(), 1u) << ran.err;
    EXPECT_NE(ran.err.find("mean"), std::string::npos) << ran.err;
    EXPECT_EQ(hearth("embed $M --pooling mean", "hello").err, "");
}

TEST_F(Texts, RerankSortsWhatItScores) {
    const std::string line =
        "{\"query\":\"the river\",\"documents\":[\"calm\",{\"text\":\"was the river calm\"},\"x\"]}\n";
    for (const std::string model : {"bert-rank.gguf", "qwen3-rank.gguf"}) {
        const auto lines = objects("rerank " + model, line + line);
        ASSERT_EQ(lines.size(), 2u);
        EXPECT_EQ(lines[0].dump(), lines[1].dump());
        const auto& results = lines[0].find("results")->items();
        ASSERT_EQ(results.size(), 3u);
        std::vector<bool> seen(3);
        for (size_t i = 0; i < 3; ++i) {
            seen.at(size_t(results[i].find("index")->as_int())) = true;
            if (i > 0) {
                EXPECT_LE(results[i].find("score")->as_double(), results[i - 1].find("score")->as_double());
            }
        }
        EXPECT_EQ(std::ranges::count(seen, true), 3);
        // The same with a query and lines, and each score is what the pair has alone.
        const auto by_lines =
            objects("rerank " + model + " --query 'the river' --documents", "calm\nwas the river calm\nx\n");
        ASSERT_EQ(by_lines.size(), 1u);
        for (size_t i = 0; i < 3; ++i) {
            const Json& result = by_lines[0].find("results")->items()[i];
            EXPECT_EQ(result.find("score")->dump(), results[i].find("score")->dump());
            const auto alone =
                objects("rerank " + model + " --query 'the river'", result.find("document")->as_string());
            EXPECT_EQ(alone.at(0).find("results")->items()[0].find("score")->dump(), result.find("score")->dump());
        }
        const auto all = objects("rerank --json " + model, line);
        EXPECT_EQ(all.at(0).find("data")->items()[0].dump(), lines[0].dump());
    }
}

// The tiny vocabulary has neither word: two of its merged tokens are renamed.
TEST_F(Texts, AQwenRerankerWithoutItsHeadIsJudgedByItsWords) {
    EditedFile file(shared_path("reference/qwen3-embedding/qwen3-rank.gguf"));
    file.drop("cls.output.weight");
    const std::string path = file.write("wordless.gguf");
    fs::copy_file(path, folder / "wordless.gguf", fs::copy_options::overwrite_existing);
    refused("\"$H\" rerank wordless.gguf --query river", 1, {"no classification head"}, "calm\n");

    const auto opened = open_gguf(path);
    ASSERT_TRUE(opened);
    const auto texts = [&](const char* key) {
        const auto views = *opened->metadata().texts(key);
        return std::vector<std::string>(views.begin(), views.end());
    };
    auto tokens = texts("tokenizer.ggml.tokens"), merges = texts("tokenizer.ggml.merges");
    for (const char* word : {"yes", "no"}) {
        std::string merged = merges.back();
        merges.pop_back();
        merged.erase(merged.find(' '), 1);
        const auto at = std::ranges::find(tokens, merged);
        ASSERT_NE(at, tokens.end()) << merged;
        *at = word;
    }
    file.set("tokenizer.ggml.tokens", MetadataValue::texts_of(tokens));
    file.set("tokenizer.ggml.merges", MetadataValue::texts_of(merges));
    fs::copy_file(file.write("words.gguf"), folder / "words.gguf", fs::copy_options::overwrite_existing);
    const Ran ran = hearth("rerank words.gguf --query river", "calm\nwater\n");
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_NE(ran.err.find("yes and not no"), std::string::npos) << ran.err;
    const auto parsed = Json::parse(ran.out);
    ASSERT_TRUE(parsed) << ran.out;
    for (const Json& result : parsed->find("results")->items()) {
        EXPECT_GT(result.find("score")->as_double(), 0);
        EXPECT_LT(result.find("score")->as_double(), 1);
    }
}

// More texts than are handed to the engine at once; Ctrl-C ends the middle of them.
TEST_F(Texts, ManyTextsKeepTheirOrder) {
    std::string text;
    for (int i = 0; i < 700; ++i) text += fmt::format("boat {} of {}\n", i, i % 13);
    const auto lines = objects("embed bert-cls.gguf --dimensions 2", text);
    ASSERT_EQ(lines.size(), 700u);
    for (size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(lines[i].find("index")->as_int(), int64_t(i));
    const auto one = objects("embed bert-cls.gguf --dimensions 2", "boat 555 of 9\n");
    EXPECT_EQ(one.at(0).find("embedding")->dump(), lines[555].find("embedding")->dump());
    std::string endless;
    for (int i = 0; i < 20000; ++i) endless += "the river was calm and the boats came and went\n";
    write("endless.txt", endless);
    const Ran ran = shell(
        "timeout --foreground -s INT 2 \"$H\" embed bert-mean.gguf --device reference --file endless.txt; exit $?");
    EXPECT_NE(ran.err.find("stopped"), std::string::npos) << ran.err;
    EXPECT_FALSE(ran.out.empty());
    EXPECT_EQ(ran.out.back(), '\n');
}

TEST_F(Texts, ControlTokensInATextStayText) {
    const auto plain = objects("rerank qwen3-rank.gguf --query river", "calm <|im_end|>");
    const auto other = objects("rerank qwen3-rank.gguf --query river", "calm");
    // Eleven characters are not one token.
    EXPECT_GT(plain.at(0).find("tokens")->as_int(), other.at(0).find("tokens")->as_int() + 2);
}

TEST_F(Texts, WhatGoesWrongIsNamed) {
    std::string long_text;
    for (int i = 0; i < 200; ++i) long_text += "calm ";
    refused("\"$H\" embed bert-cls.gguf", 1, {"line 2", "tokens", "128"}, "fine\n" + long_text);
    refused("\"$H\" embed bert-cls.gguf --ctx 10", 1, {"line 1", "10"}, "one two three four five six seven eight nine");
    refused("\"$H\" embed bert-cls.gguf --ctx 500", 1, {"500", "128"}, "a");
    refused("\"$H\" embed bert-cls.gguf", 1, {"no text", "--file"}, "");
    refused("\"$H\" embed bert-cls.gguf --file ./missing.txt", 1, {"missing.txt"});
    refused("\"$H\" embed bert-cls.gguf --dimensions 97", 1, {"97", "96"}, "a");
    refused("\"$H\" embed bert-cls.gguf --pooling best", 2, {"best"});
    refused("\"$H\" embed bert-cls.gguf --as query", 1, {"bert-cls", "--prefix"}, "a");
    refused("\"$H\" embed bert-cls.gguf --as query --prefix x", 2, {"--prefix"}, "a");
    refused("\"$H\" embed bert-cls.gguf --jsonl", 1, {"line 2", "neither"}, "\"a\"\n{\"text\":1}\n");
    refused("\"$H\" embed bert-rank.gguf", 1, {"hearth rerank"}, "a");
    refused("\"$H\" embed ./missing.gguf", 1, {"missing.gguf"}, "a");
    refused("\"$H\" rerank bert-cls.gguf --query a", 1, {"no classification head", "hearth embed"}, "b");
    refused("\"$H\" rerank $M --query a", 1, {"no classification head"}, "b");
    refused("\"$H\" rerank bert-rank.gguf", 1, {"line 1"}, "not json\n");
    refused("\"$H\" rerank bert-rank.gguf", 1, {"line 1", "documents"}, "{\"query\":\"a\"}\n");
    refused("\"$H\" rerank bert-rank.gguf", 1, {"line 1", "query"}, "{\"documents\":[\"a\"]}\n");
    refused("\"$H\" rerank bert-rank.gguf", 1, {"top_k"}, "{\"query\":\"a\",\"documents\":[\"a\"],\"top_k\":1}\n");
    refused("\"$H\" rerank bert-rank.gguf", 1, {"document 1", "128"},
            "{\"query\":\"a\",\"documents\":[\"a\",\"" + long_text + "\"]}\n");
    refused("\"$H\" rerank bert-rank.gguf", 1, {"no documents"}, "");
    refused("\"$H\" run bert-cls.gguf hi --raw", 1, {"bert", "write none"});
}

// What was not made for answers says what it was made for; nobody is sent to --raw.
TEST_F(Texts, RunNamesTheCommandForTheModel) {
    for (const std::string model : {"bert-cls.gguf", "bert-mean.gguf", "qwen3-embed.gguf"}) {
        refused("\"$H\" run " + model + " hi", 1, {"an embedding model", "`hearth embed`"});
        EXPECT_EQ(hearth("run " + model + " hi").err.find("ChatML"), std::string::npos);
    }
    for (const std::string model : {"bert-rank.gguf", "qwen3-rank.gguf"})
        refused("\"$H\" run " + model + " hi", 1, {"a reranker", "`hearth rerank`"});
    refused("\"$H\" run bert-cls.gguf hi --raw", 1, {"read texts and write none", "`hearth embed`"});
    // Asked for, a decoder may still continue a text.
    EXPECT_EQ(hearth("run qwen3-embed.gguf hi --raw -n 2").exit_code, 0);
}

TEST_F(Texts, BenchMeasuresReading) {
    for (const auto& [model, test] : {std::pair<std::string, std::string>{"bert-mean.gguf", "embed"},
                                      {"bert-rank.gguf", "score"},
                                      {"qwen3-embed.gguf", "embed"},
                                      {"qwen3-rank.gguf", "score"}}) {
        const Ran ran = hearth("bench " + model + " --prompt 24 --batch 3 --runs 2 --json", "");
        ASSERT_EQ(ran.exit_code, 0) << ran.err;
        const auto parsed = Json::parse(ran.out);
        ASSERT_TRUE(parsed) << ran.out;
        const auto& results = parsed->find("results")->items();
        ASSERT_EQ(results.size(), 1u);
        EXPECT_EQ(results[0].find("test")->as_string(), test) << model;
        EXPECT_EQ(results[0].find("tokens")->as_int(), 24);
        EXPECT_EQ(results[0].find("batch")->as_int(), 3);
        EXPECT_GT(results[0].find("tokens_per_second")->as_double(), 0);
        EXPECT_EQ(results[0].find("runs")->items().size(), 2u);
    }
    refused("\"$H\" bench bert-cls.gguf --generate 4", 1, {"an embedding model", "--generate", "`hearth embed`"});
    refused("\"$H\" bench bert-rank.gguf --depth 4", 1, {"a reranker", "--depth", "`hearth rerank`"});
    refused("\"$H\" bench bert-cls.gguf --prompt 100000", 1, {"100000", "--prompt"});
    refused("\"$H\" bench bert-cls.gguf --prompt 20 --ctx 10", 1, {"--ctx 10", "20"});
    refused("\"$H\" bench qwen3.5:397b-a17b --ctx 5", 1, {"--ctx 5", "513"});  // before anything is filled
    refused("\"$H\" bench gemma4:e2b-drafter", 1, {"gemma4:e2b-drafter", "guesses ahead for gemma4:e2b"});
}

// Written shapes are read by the command that uses such models.
TEST_F(Texts, RandomModelsOfEveryKindCanBeUsed) {
    for (const std::string name : {"bge-small", "nomic-embed:v1.5", "modernbert:base", "embeddinggemma"}) {
        const std::string cut = name == "embeddinggemma" ? " --layers 6" : " --layers 3";
        ASSERT_EQ(hearth("inspect synth " + name + " random.gguf --type q8_0" + cut).exit_code, 0) << name;
        const auto vector = objects("embed random.gguf", "the river was calm").at(0);
        double squares = 0;
        for (const double value : numbers(vector, "embedding")) squares += value * value;
        EXPECT_NEAR(squares, 1, 1e-4) << name;
        EXPECT_EQ(hearth("inspect tensors random.gguf").exit_code, 0);
    }
    ASSERT_EQ(hearth("inspect synth qwen3-reranker:0.6b random.gguf --type q4_0 --layers 1").exit_code, 0);
    EXPECT_EQ(objects("rerank random.gguf --query calm", "the river\nthe sea").at(0).find("results")->items().size(),
              2u);
    ASSERT_EQ(hearth("inspect synth gemma4:e2b-drafter random.gguf --type q4_0").exit_code, 0);
    EXPECT_NE(hearth("inspect tensors random.gguf").out.find("nextn.pre_projection.weight"), std::string::npos);
    fs::remove(folder / "random.gguf");
}

}  // namespace
}  // namespace hearth::test
