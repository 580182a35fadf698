// Encoders and their companions from published form: BERT, XLM-RoBERTa's ranking head, Nomic, EmbeddingGemma with its
// dense layers; vocabularies as vocab.txt and as tokenizer.json.
#include <cstring>
#include <filesystem>

#include "huggingface/directory.h"
#include "huggingface/publishers.h"
#include "huggingface/tiny.h"
#include "models/model_run.h"
#include "support/shared_data.h"

namespace hearth::test {
namespace {

using publish::Line;

Published encoder(const Original& from, const char* model_type) {
    Published to;
    from.write_tokenizer(to);
    to.config.set("model_type", model_type);
    to.config.set("type_vocab_size", *from.checkpoint().metadata().integer("tokenizer.ggml.token_type_count"));
    return to;
}

std::vector<Line> bert_lines(const std::string& prefix) {
    static std::map<std::string, std::vector<std::pair<std::string, std::string>>> kept;  // Line holds pointers
    auto& names = kept[prefix];
    if (names.empty()) {
        names = {{"token_embd.weight", "embeddings.word_embeddings.weight"},
                 {"token_types.weight", "embeddings.token_type_embeddings.weight"},
                 {"position_embd.weight", "embeddings.position_embeddings.weight"}};
        const std::vector<std::pair<std::string, std::string>> both{
            {"token_embd_norm", "embeddings.LayerNorm"},
            {"blk.{}.attn_q", "encoder.layer.{}.attention.self.query"},
            {"blk.{}.attn_k", "encoder.layer.{}.attention.self.key"},
            {"blk.{}.attn_v", "encoder.layer.{}.attention.self.value"},
            {"blk.{}.attn_output", "encoder.layer.{}.attention.output.dense"},
            {"blk.{}.attn_output_norm", "encoder.layer.{}.attention.output.LayerNorm"},
            {"blk.{}.ffn_up", "encoder.layer.{}.intermediate.dense"},
            {"blk.{}.ffn_down", "encoder.layer.{}.output.dense"},
            {"blk.{}.layer_output_norm", "encoder.layer.{}.output.LayerNorm"}};
        for (const auto& [gguf, published] : both)
            for (const char* part : {".weight", ".bias"}) names.emplace_back(gguf + part, published + part);
        for (auto& [gguf, published] : names) published = prefix + published;
    }
    std::vector<Line> lines;
    for (const auto& [gguf, published] : names) lines.push_back({gguf.c_str(), published.c_str()});
    return lines;
}

Published bert(const Original& from, const std::string& prefix = "") {
    Published to = encoder(from, "bert");
    to.config.set("num_hidden_layers", from.integer("block_count"));
    to.config.set("hidden_size", from.integer("embedding_length"));
    to.config.set("num_attention_heads", from.integer("attention.head_count"));
    to.config.set("intermediate_size", from.integer("feed_forward_length"));
    to.config.set("max_position_embeddings", from.integer("context_length"));
    to.config.set("layer_norm_eps", from.number("attention.layer_norm_epsilon"));
    publish::move_tensors(from, to, bert_lines(prefix));
    return to;
}

Published nomic(const Original& from) {
    Published to = encoder(from, "nomic_bert");
    to.config.set("n_layer", from.integer("block_count"));
    to.config.set("n_embd", from.integer("embedding_length"));
    to.config.set("n_head", from.integer("attention.head_count"));
    to.config.set("n_inner", from.integer("feed_forward_length"));
    to.config.set("n_positions", 4 * from.integer("context_length"));
    to.config.set("max_trained_positions", from.integer("context_length"));
    to.config.set("layer_norm_epsilon", from.number("attention.layer_norm_epsilon"));
    to.config.set("rotary_emb_base", from.number("rope.freq_base"));
    publish::move_tensors(from, to,
                          {{"token_embd.weight", "embeddings.word_embeddings.weight"},
                           {"token_types.weight", "embeddings.token_type_embeddings.weight"},
                           {"token_embd_norm.weight", "emb_ln.weight"},
                           {"token_embd_norm.bias", "emb_ln.bias"},
                           {"blk.{}.attn_qkv.weight", "encoder.layers.{}.attn.Wqkv.weight"},
                           {"blk.{}.attn_output.weight", "encoder.layers.{}.attn.out_proj.weight"},
                           {"blk.{}.attn_output_norm.weight", "encoder.layers.{}.norm1.weight"},
                           {"blk.{}.attn_output_norm.bias", "encoder.layers.{}.norm1.bias"},
                           {"blk.{}.ffn_up.weight", "encoder.layers.{}.mlp.fc11.weight"},
                           {"blk.{}.ffn_gate.weight", "encoder.layers.{}.mlp.fc12.weight"},
                           {"blk.{}.ffn_down.weight", "encoder.layers.{}.mlp.fc2.weight"},
                           {"blk.{}.layer_output_norm.weight", "encoder.layers.{}.norm2.weight"},
                           {"blk.{}.layer_output_norm.bias", "encoder.layers.{}.norm2.bias"}});
    return to;
}

void write_modules(const std::string& directory, const std::string& mode, bool has_dense = false) {
    std::filesystem::create_directories(directory + "/1_Pooling");
    const std::string kind = R"("type":"sentence_transformers.models.)";
    std::string list =
        R"([{"idx":0,"path":"",)" + kind + R"(Transformer"},{"path":"1_Pooling",)" + kind + R"(Pooling"})";
    if (has_dense)
        for (const char* name : {"2_Dense", "3_Dense"})
            list += std::string(R"(,{"path":")") + name + "\"," + kind + R"(Dense"})";
    write_text(directory + "/modules.json", list + R"(,{"path":"4_Normalize",)" + kind + R"(Normalize"}])");
    write_text(directory + "/1_Pooling/config.json",
               R"({"word_embedding_dimension":64,"pooling_mode_max_tokens":false,")" + mode + R"(":true})");
}

void expect_opens_as(const std::string& file, const std::string& directory,
                     const std::vector<std::string>& except = {}) {
    const std::string gguf = shared_path("reference/" + file + ".gguf");
    const Original original(gguf);
    const auto opened = huggingface::open_directory(directory);
    ASSERT_TRUE(opened.has_value()) << opened.error().line();
    expect_same_model(original.checkpoint(), opened->checkpoint, except);
    EXPECT_TRUE(ModelRun(directory, {}).is_ready());
}

TEST(EmbeddingDirectories, BertWithItsVocabularyEitherWay) {
    NEED_SHARED("reference/bert");
    for (const auto& [file, mode] : std::vector<std::pair<std::string, std::string>>{
             {"bert-cls", "pooling_mode_cls_token"}, {"bert-mean", "pooling_mode_mean_tokens"}}) {
        const Original original(shared_path("reference/bert/" + file + ".gguf"));
        Published form = bert(original, file == "bert-cls" ? "" : "bert.");
        form.add(file == "bert-cls" ? "pooler.dense.weight" : "bert.pooler.dense.weight", {2, 2}, {1, 2, 3, 4});
        form.add_raw("embeddings.position_ids", "I64", {1, 1}, std::string(8, '\0'));
        const std::string directory = form.write(file, 1);
        write_modules(directory, mode);
        expect_opens_as("bert/" + file, directory);

        const auto tokens = *original.checkpoint().metadata().texts("tokenizer.ggml.tokens");
        const auto types = *original.checkpoint().metadata().integers("tokenizer.ggml.token_type");
        std::string text;
        for (size_t id = 0; id < tokens.size(); ++id) {
            const std::string piece(tokens[id]);
            text += (types[id] == 3 ? piece : piece.starts_with("\u2581") ? piece.substr(3) : "##" + piece) + "\n";
        }
        std::filesystem::remove(directory + "/tokenizer.json");
        std::filesystem::remove(directory + "/tokenizer_config.json");
        write_text(directory + "/vocab.txt", text);
        expect_opens_as("bert/" + file, directory);
        const auto opened = huggingface::open_directory(directory);
        ASSERT_TRUE(opened.has_value());
        EXPECT_EQ(opened->checkpoint.metadata().boolean("tokenizer.ggml.normalizer.lowercase"), true);
        EXPECT_EQ(opened->checkpoint.metadata().boolean("tokenizer.ggml.add_sep_token"), false);
    }
}

TEST(EmbeddingDirectories, ARankingHeadAndRowsInFrontOfThePlaces) {
    NEED_SHARED("reference/bert");
    const Original original(shared_path("reference/bert/bert-rank.gguf"));
    Published form = bert(original, "roberta.");
    form.config.set("model_type", "xlm-roberta");
    form.config.set("architectures",
                    publish::object_of(R"({"a":["XLMRobertaForSequenceClassification"]})").members()[0].second);
    form.config.set("max_position_embeddings", original.integer("context_length") + 2);
    form.config.set("pad_token_id", 1);
    Given places = original.tensor("position_embd.weight");
    places.values.insert(places.values.begin(), size_t(2 * places.shape[1]), 7.0f);
    places.shape[0] += 2;
    form.add("roberta.embeddings.position_embeddings.weight", places.shape, places.values);
    publish::move_tensors(original, form,
                          {{"cls.weight", "classifier.dense.weight"},
                           {"cls.bias", "classifier.dense.bias"},
                           {"cls.output.weight", "classifier.out_proj.weight"},
                           {"cls.output.bias", "classifier.out_proj.bias"}});
    form.tokenizer.set("pre_tokenizer", publish::object_of(R"({"type":"Metaspace","prepend_scheme":"always"})"));
    form.tokenizer.set("normalizer", publish::object_of(R"({"type":"Replace"})"));
    // Every id of such a vocabulary has a piece: "unused" cannot be said.
    expect_opens_as("bert/bert-rank", form.write("bert-rank", 1), {"ggml.token_type"});
}

TEST(EmbeddingDirectories, ABertThatRanksKeepsItsPooler) {
    NEED_SHARED("reference/bert");
    const Original original(shared_path("reference/bert/bert-cls.gguf"));
    Published form = bert(original, "bert.");
    form.config.set("architectures",
                    publish::object_of(R"({"a":["BertForSequenceClassification"]})").members()[0].second);
    const int64_t width = original.integer("embedding_length");
    const std::vector<float> square(size_t(width * width), 0.5f), row(size_t(width), 0.25f);
    form.add("bert.pooler.dense.weight", {width, width}, square);
    form.add("bert.pooler.dense.bias", {width}, row);
    form.add("classifier.weight", {1, width}, row);
    form.add("classifier.bias", {1}, {1});
    const auto opened = huggingface::open_directory(form.write("bert-ranks", 1));
    ASSERT_TRUE(opened.has_value()) << opened.error().line();
    for (const char* name : {"cls.weight", "cls.bias", "cls.output.weight", "cls.output.bias"})
        EXPECT_NE(opened->checkpoint.find(name), nullptr) << name;
    EXPECT_EQ(opened->checkpoint.metadata().integer("bert.pooling_type"), 4);
}

TEST(EmbeddingDirectories, Nomic) {
    NEED_SHARED("reference/bert");
    const Original original(shared_path("reference/bert/nomic-a.gguf"));
    const std::string directory = nomic(original).write("nomic-a", 2);
    write_modules(directory, "pooling_mode_mean_tokens");
    expect_opens_as("bert/nomic-a", directory);
}

TEST(EmbeddingDirectories, EmbeddingGemmaWithAndWithoutDenseLayers) {
    NEED_SHARED("reference/gemma3");
    for (const std::string name : {"g3-emb", "g3-emb-dense"}) {
        const Original original(shared_path("reference/gemma3/" + name + ".gguf"));
        Published form = publish::gemma3(original);
        form.config.set("use_bidirectional_attention", true);
        const std::string directory = form.write(name, 1);
        form.write_tokenizer_model(directory, original.checkpoint());
        write_modules(directory, "pooling_mode_mean_tokens", name == "g3-emb-dense");
        for (const char* number : {"2", "3"}) {
            if (name != "g3-emb-dense") continue;
            const Given matrix = original.tensor(std::string("dense_") + number + ".weight");
            PublishedTensor tensor{"F32", matrix.shape, {}};
            tensor.bytes.assign(reinterpret_cast<const char*>(matrix.values.data()), matrix.values.size() * 4);
            const std::string folder = directory + "/" + number + "_Dense";
            std::filesystem::create_directories(folder);
            write_text(folder + "/model.safetensors", safetensors_bytes({{"linear.weight", tensor}}));
            write_text(folder + "/config.json",
                       R"({"bias":false,"activation_function":"torch.nn.modules.linear.Identity"})");
        }
        expect_opens_as("gemma3/" + name, directory);
    }
}

TEST(EmbeddingDirectories, ModulesThatMakeNoSense) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"{}", "holds no list"},
        {R"([{"path":"../other","type":"x.Pooling"}])", "no directory beside it"},
        {R"([{"path":"","type":"sentence_transformers.models.LSTM"}])", "type 'LSTM'"},
        {R"([{"path":"2_Dense","type":"sentence_transformers.models.Dense"}])", "type 'Dense'"},
        {R"([{"path":"1_Pooling","type":"x.Pooling"}])", "names no way to pool"},
    };
    for (const auto& [text, expected] : cases) {
        const std::string directory = tiny_llama().write("bad-modules");
        std::filesystem::create_directories(directory + "/1_Pooling");
        write_text(directory + "/1_Pooling/config.json", R"({"pooling_mode_mean_tokens":false})");
        write_text(directory + "/modules.json", text);
        const auto opened = huggingface::open_directory(directory);
        ASSERT_FALSE(opened.has_value()) << text;
        EXPECT_NE(opened.error().line().find(expected), std::string::npos) << text << ": " << opened.error().line();
    }
    const std::string directory = tiny_llama().write("two-modes");
    std::filesystem::create_directories(directory + "/1_Pooling");
    write_text(directory + "/modules.json", R"([{"path":"1_Pooling","type":"x.Pooling"}])");
    write_text(directory + "/1_Pooling/config.json",
               R"({"pooling_mode_mean_tokens":true,"pooling_mode_cls_token":true})");
    EXPECT_NE(huggingface::open_directory(directory).error().line().find("alone or with others"), std::string::npos);
}

}  // namespace
}  // namespace hearth::test
