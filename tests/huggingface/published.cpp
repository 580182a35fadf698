#include "huggingface/published.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "files/gguf.h"
#include "support/shared_data.h"
#include "tensor/decode.h"
#include "tensor/half.h"

namespace hearth::test {

namespace {

template <class T>
void append(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

Json names_of(const std::vector<int64_t>& values) {
    Json list = Json::array();
    for (const int64_t value : values) list.push(value);
    return list;
}

constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kO200k =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

Json parsed(const std::string& text) {
    auto json = Json::parse(text);
    EXPECT_TRUE(json.has_value()) << text;
    return json ? *json : Json();
}

// The pipeline a published tokenizer.json has for each name GGUF files use.
void add_splitting(Json& tokenizer, const std::string& pre) {
    const std::map<std::string, const char*> expressions{
        {"llama-bpe", kLlama3}, {"smaug-bpe", kLlama3}, {"lfm2", kLlama3},   {"pixtral", kLlama3}, {"dbrx", kLlama3},
        {"qwen2", kQwen2},      {"qwen35", kQwen35},    {"tekken", kTekken}, {"gpt-4o", kO200k},   {"llama4", kO200k}};
    Json step = parsed(R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false})");
    const auto found = expressions.find(pre);
    if (found == expressions.end()) {
        EXPECT_EQ(pre, "gpt-2") << "no published pipeline is known here";
        step.set("use_regex", true);
        tokenizer.set("pre_tokenizer", step);
        return;
    }
    Json split = parsed(R"({"type":"Split","pattern":{},"behavior":"Isolated","invert":false})");
    Json pattern = Json::object();
    pattern.set("Regex", found->second);
    split.set("pattern", pattern);
    Json sequence = parsed(R"({"type":"Sequence","pretokenizers":[]})");
    Json items = Json::array();
    items.push(split);
    items.push(step);
    sequence.set("pretokenizers", items);
    tokenizer.set("pre_tokenizer", sequence);
}

std::vector<float> floats_of(const Checkpoint& checkpoint, const StoredTensor& tensor) {
    const auto bytes = checkpoint.bytes(tensor);
    EXPECT_TRUE(bytes.has_value());
    std::vector<float> values(size_t(tensor.elements()));
    if (bytes) decode(tensor.type, bytes->view().data(), tensor.elements(), values.data());
    return values;
}

std::vector<int64_t> squeezed(std::vector<int64_t> shape) {
    std::erase(shape, 1);
    return shape;
}

}  // namespace

void write_text(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary);
    file << text;
    ASSERT_TRUE(file.good()) << path;
}

std::string safetensors_bytes(const std::map<std::string, PublishedTensor>& tensors) {
    Json header = Json::object();
    std::string data;
    for (const auto& [name, tensor] : tensors) {
        Json entry = Json::object();
        entry.set("dtype", tensor.type);
        entry.set("shape", names_of(tensor.shape));
        entry.set("data_offsets", names_of({int64_t(data.size()), int64_t(data.size() + tensor.bytes.size())}));
        header.members().emplace_back(name, std::move(entry));
        data += tensor.bytes;
    }
    header.members().emplace_back("__metadata__", parsed(R"({"format":"pt"})"));
    std::string text = header.dump(), out;
    while (text.size() % 8) text += ' ';
    append(out, uint64_t(text.size()));
    return out + text + data;
}

void Published::add(const std::string& name, std::vector<int64_t> shape, const std::vector<float>& values,
                    const std::string& type) {
    PublishedTensor tensor{type, std::move(shape), {}};
    for (const float value : values) {
        if (type == "F32") append(tensor.bytes, value);
        if (type == "F64") append(tensor.bytes, double(value));
        if (type == "F16") append(tensor.bytes, float_to_half(value));
        if (type == "BF16") append(tensor.bytes, float_to_bfloat(value));
    }
    tensors[name] = std::move(tensor);
}

void Published::add_raw(const std::string& name, std::string type, std::vector<int64_t> shape, std::string bytes) {
    tensors[name] = {std::move(type), std::move(shape), std::move(bytes)};
}

std::string Published::write(const std::string& name, int shards) const {
    const std::string directory = temporary_directory() + "/" + name;
    std::filesystem::create_directories(directory);
    write_text(directory + "/config.json", config.dump(1));
    if (!tokenizer.members().empty()) write_text(directory + "/tokenizer.json", tokenizer.dump());
    if (!tokenizer_config.members().empty()) write_text(directory + "/tokenizer_config.json", tokenizer_config.dump(1));
    if (!generation.members().empty()) write_text(directory + "/generation_config.json", generation.dump(1));
    if (!chat_template.empty()) write_text(directory + "/chat_template.jinja", chat_template);
    if (shards == 1) {
        write_text(directory + "/model.safetensors", safetensors_bytes(tensors));
        return directory;
    }
    std::vector<std::map<std::string, PublishedTensor>> parts(static_cast<size_t>(shards));
    Json map = Json::object();
    size_t number = 0;
    for (const auto& [tensor_name, tensor] : tensors) {
        const size_t part = number++ * size_t(shards) / tensors.size();
        parts[part][tensor_name] = tensor;
        map.members().emplace_back(tensor_name, fmt::format("model-{:05}-of-{:05}.safetensors", part + 1, shards));
    }
    Json index = Json::object();
    index.set("metadata", parsed(R"({"total_size":1})"));
    index.set("weight_map", map);
    write_text(directory + "/model.safetensors.index.json", index.dump(1));
    for (size_t part = 0; part < parts.size(); ++part)
        write_text(fmt::format("{}/model-{:05}-of-{:05}.safetensors", directory, part + 1, shards),
                   safetensors_bytes(parts[part]));
    return directory;
}

std::string Published::write_tokenizer_model(const std::string& directory, const Checkpoint& from) const {
    const auto tokens = *from.metadata().texts("tokenizer.ggml.tokens");
    const auto types = *from.metadata().integers("tokenizer.ggml.token_type");
    const auto scores = *from.metadata().numbers("tokenizer.ggml.scores");
    std::string out;
    const auto field = [](std::string& to, int number, const std::string& bytes) {
        to += char(number << 3 | 2);
        for (size_t size = bytes.size(); true; size >>= 7) {
            to += char((size & 127) | (size > 127 ? 128 : 0));
            if (size <= 127) break;
        }
        to += bytes;
    };
    for (size_t id = 0; id < tokens.size(); ++id) {
        std::string piece;
        field(piece, 1, std::string(tokens[id]));
        piece += char(2 << 3 | 5);
        append(piece, scores[id]);
        piece += char(3 << 3), piece += char(types[id]);
        field(out, 1, piece);
    }
    field(out, 2, std::string("\x18\x02", 2));          // trained as BPE
    field(out, 3, std::string("\x18\x00\x20\x00", 4));  // no blank in front, none removed
    write_text(directory + "/tokenizer.model", out);
    return directory;
}

Given Given::rows_from(const std::function<int64_t(int64_t)>& order) const {
    Given out{shape, std::vector<float>(values.size())};
    const int64_t width = shape.size() == 1 ? 1 : shape.back(), count = int64_t(values.size()) / width;
    for (int64_t row = 0; row < count; ++row)
        std::copy_n(values.begin() + order(row) * width, width, out.values.begin() + row * width);
    return out;
}

Given Given::columns_from(const std::function<int64_t(int64_t)>& order) const {
    Given out{shape, std::vector<float>(values.size())};
    for (int64_t row = 0; row < rows(); ++row)
        for (int64_t column = 0; column < shape.back(); ++column)
            out.values[size_t(row * shape.back() + column)] = values[size_t(row * shape.back() + order(column))];
    return out;
}

Given Given::with(const std::function<float(float)>& change) const {
    Given out = *this;
    for (float& value : out.values) value = change(value);
    return out;
}

Given Given::part(int64_t first, int64_t count) const {
    const int64_t size = int64_t(values.size()) / shape[0];
    Given out{shape, {values.begin() + first * size, values.begin() + (first + count) * size}};
    out.shape[0] = count;
    return out;
}

Given Given::shaped(std::vector<int64_t> to) const {
    return {std::move(to), values};
}

Original::Original(const std::string& gguf) {
    auto opened = open_gguf(gguf);
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().line());
    if (opened) checkpoint_ = std::move(*opened);
}

Given Original::tensor(const std::string& name) const {
    const StoredTensor* tensor = checkpoint_.find(name);
    EXPECT_NE(tensor, nullptr) << name;
    if (!tensor) return {{1}, {0}};
    return {tensor->shape, floats_of(checkpoint_, *tensor)};
}

std::string Original::key(const std::string& name) const {
    return std::string(checkpoint_.metadata().text("general.architecture").value_or("")) + "." + name;
}
int64_t Original::integer(const std::string& name) const {
    const auto value = checkpoint_.metadata().integer(key(name));
    EXPECT_TRUE(value.has_value()) << name;
    return value.value_or(1);
}
double Original::number(const std::string& name) const {
    const auto value = checkpoint_.metadata().number(key(name));
    EXPECT_TRUE(value.has_value()) << name;
    return value.value_or(1);
}

void Original::write_tokenizer(Published& to) const {
    const Metadata& file = checkpoint_.metadata();
    const std::string model(file.text("tokenizer.ggml.model").value_or(""));
    const auto tokens = *file.texts("tokenizer.ggml.tokens");
    const auto types = *file.integers("tokenizer.ggml.token_type");
    const auto scores = file.numbers("tokenizer.ggml.scores");
    const bool is_bytes = model == "gpt2", is_words = model == "bert", is_unigram = model == "t5";
    Json vocabulary = is_unigram ? Json::array() : Json::object(), added = Json::array();
    for (size_t id = 0; id < tokens.size(); ++id) {
        std::string text(tokens[id]);
        const bool is_added = types[id] == 3 || types[id] == 4;
        if (is_words && !is_added) text = text.starts_with("\u2581") ? text.substr(3) : "##" + text;
        if (is_unigram) {
            Json pair = Json::array();
            pair.push(text);
            pair.push(double((*scores)[id]));
            vocabulary.push(pair);
        } else if (types[id] != 5 && !(is_bytes && is_added)) {
            vocabulary.members().emplace_back(text, Json(int64_t(id)));
        }
        if (!is_added) continue;
        Json token = Json::object();
        token.set("id", int64_t(id));
        token.set("content", text);
        token.set("special", types[id] == 3);
        added.push(std::move(token));
    }
    Json inner = Json::object();
    inner.set("type", is_words ? "WordPiece" : is_unigram ? "Unigram" : "BPE");
    inner.set("vocab", std::move(vocabulary));
    const std::string pre(file.text("tokenizer.ggml.pre").value_or(""));
    if (const auto merges = file.texts("tokenizer.ggml.merges")) {
        Json list = Json::array();
        for (size_t i = 0; i < merges->size(); ++i) {
            const std::string merge((*merges)[i]);
            const size_t gap = merge.find(' ', 1);
            if (i % 2) {  // both forms are in use
                list.push(merge);
                continue;
            }
            Json pair = Json::array();
            pair.push(merge.substr(0, gap));
            pair.push(merge.substr(gap + 1));
            list.push(pair);
        }
        inner.set("merges", std::move(list));
    }
    if (pre == "llama-bpe" || pre == "tekken" || pre == "lfm2" || pre == "pixtral") inner.set("ignore_merges", true);
    for (size_t id = 0; id < types.size(); ++id)
        if (types[id] == 2) {
            inner.set("unk_token", std::string(tokens[id]));
            inner.set("unk_id", int64_t(id));
        }
    to.tokenizer = Json::object();
    to.tokenizer.set("added_tokens", std::move(added));
    if (is_bytes) add_splitting(to.tokenizer, pre);
    to.tokenizer.set("model", std::move(inner));

    const std::vector<std::pair<const char*, const char*>> roles{
        {"bos", "bos"}, {"eos", "eos"}, {"unknown", "unk"}, {"padding", "pad"}, {"seperator", "sep"}, {"mask", "mask"}};
    for (const auto& [key, role] : roles)
        if (const auto id = file.integer(std::string("tokenizer.ggml.") + key + "_token_id"))
            to.tokenizer_config.set(std::string(role) + "_token", std::string(tokens[size_t(*id)]));
    for (const char* flag : {"add_bos_token", "add_eos_token"})
        if (const auto value = file.boolean(std::string("tokenizer.ggml.") + flag))
            to.tokenizer_config.set(flag, *value);
    if (pre == "llama-bpe" && !file.has("tokenizer.ggml.add_bos_token")) to.tokenizer_config.set("add_bos_token", true);
    if (model == "llama") to.tokenizer = Json::object();  // its scores are only in tokenizer.model
    to.chat_template = std::string(file.text("tokenizer.chat_template").value_or(""));
}

void expect_same_model(const Checkpoint& original, const Checkpoint& opened, const std::vector<std::string>& except) {
    const auto is_excepted = [&](std::string_view name) {
        return std::ranges::any_of(except, [&](const std::string& one) { return name.ends_with(one); });
    };
    std::set<std::string> names;
    for (const StoredTensor& tensor : original.tensors()) {
        names.insert(tensor.name);
        const StoredTensor* other = opened.find(tensor.name);
        ASSERT_NE(other, nullptr) << tensor.name;
        EXPECT_EQ(squeezed(tensor.shape), squeezed(other->shape)) << tensor.name;
        EXPECT_EQ(other->type, tensor.type) << tensor.name;
        const auto ours = floats_of(opened, *other), theirs = floats_of(original, tensor);
        ASSERT_EQ(ours.size(), theirs.size()) << tensor.name;
        EXPECT_EQ(std::memcmp(ours.data(), theirs.data(), ours.size() * sizeof(float)), 0) << tensor.name;
        // Any piece of it reads as the whole does.
        std::vector<std::byte> piece(size_t(std::min<int64_t>(other->bytes(), 52)));
        const uint64_t offset = uint64_t(other->bytes() - int64_t(piece.size())) / 2;
        ASSERT_TRUE(opened.read(*other, offset, piece).has_value()) << tensor.name;
        const auto whole = opened.bytes(*other);
        EXPECT_EQ(std::memcmp(piece.data(), whole->view().data() + offset, piece.size()), 0) << tensor.name;
    }
    for (const StoredTensor& tensor : opened.tensors())
        EXPECT_TRUE(names.contains(tensor.name)) << tensor.name << " is in no GGUF file";

    for (const auto& [key, value] : original.metadata().entries()) {
        if (is_excepted(key) || key == "general.name" || key == "general.quantization_version") continue;
        const MetadataValue* other = opened.metadata().find(key);
        ASSERT_NE(other, nullptr) << key;
        EXPECT_EQ(value.to_json().dump(), other->to_json().dump()) << key;
        EXPECT_EQ(value.type_text(), other->type_text()) << key;
    }
}

}  // namespace hearth::test
