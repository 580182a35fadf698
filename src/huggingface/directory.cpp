#include "huggingface/directory.h"

#include <algorithm>
#include <filesystem>

#include "base/text_format.h"
#include "huggingface/families.h"
#include "huggingface/sentence_transformers.h"
#include "tensor/encode.h"

namespace hearth::huggingface {

namespace {

// What releases put in front of the text model's names; longer ones first.
constexpr std::string_view kPrefixes[] = {"model.language_model.model.",
                                          "model.language_model.",
                                          "language_model.model.",
                                          "language_model.",
                                          "backbone.",
                                          "model.",
                                          "bert.",
                                          "roberta."};

class Maker final : public TensorMaker {
public:
    Maker(std::vector<std::shared_ptr<const Safetensors>> files, std::vector<MadeTensor> tensors)
        : files_(std::move(files)), tensors_(std::move(tensors)) {}

    Result<> make(int64_t made, int64_t first, int64_t count, std::span<std::byte> out) const override {
        const MadeTensor& tensor = tensors_[size_t(made)];
        const int64_t width = tensor.values->width(), row = row_bytes(tensor.type, width);
        if (const auto plain = tensor.values->plain(); !plain.empty() && tensor.values->natural() == tensor.type) {
            std::ranges::copy(plain.subspan(size_t(first * row), size_t(count * row)), out.begin());
            return {};
        }
        if (info(tensor.type).block_elements > 1 && tensor.values->blocks(first, count, out.data())) return {};
        constexpr int64_t kPiece = 1 << 18;  // values at once: enough rows for a transposed source to read in runs
        const int64_t step = std::max<int64_t>(1, kPiece / width);
        std::vector<float> values;
        for (int64_t done = 0; done < count; done += step) {
            const int64_t rows = std::min(step, count - done);
            values.resize(size_t(rows * width));
            tensor.values->read({first + done, rows, 0, width}, values.data());
            encode_simple(tensor.type, values.data(), rows * width, out.data() + done * row);
        }
        return {};
    }
    void release(int64_t made) const override { tensors_[size_t(made)].values->release(); }
    Result<> check_whole() const override {
        for (const auto& set : files_) TRY(set->check_whole());
        return {};
    }

private:
    std::vector<std::shared_ptr<const Safetensors>> files_;
    std::vector<MadeTensor> tensors_;
};

std::string known_families() {
    std::string names;
    for (const PublishedFamily& family : kPublishedFamilies)
        names += (names.empty() ? "" : ", ") + std::string(family.model_type);
    return names;
}

Result<Translate> translation_of(const Config& config, const std::string& path) {
    const Json* type = config.find("model_type");
    const bool is_text = type && type->is_string();
    for (const PublishedFamily& family : kPublishedFamilies)
        if (is_text && family.model_type == type->as_string()) return family.translate;
    return fail(ErrorKind::unsupported,
                fmt::format("{}/config.json: model_type is {}; this build knows: {}", path,
                            is_text ? fmt::format("\"{}\"", valid_utf8(type->as_string().substr(0, 60))) : "missing",
                            known_families()),
                "use a model of one of these families, or a GGUF file of it");
}

std::string name_of_directory(const std::string& path) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    const fs::path absolute = fs::weakly_canonical(path, ignored);
    const std::string name = absolute.filename().string();
    return valid_utf8(name.empty() ? path : name);
}

void write_sampling(Translation& to, const std::string& directory) {
    std::error_code ignored;
    if (!std::filesystem::exists(directory + "/generation_config.json", ignored)) return;
    auto generation = Config::read(directory, "generation_config.json");
    if (!generation) return to.config.problem(generation.error().what);
    const auto number = [&](const char* published, const char* key) {
        if (generation->has(published))
            to.metadata.set(std::string("general.sampling.") + key,
                            MetadataValue::of(float(generation->number_or(published, 0))));
    };
    number("temperature", "temp");
    if (generation->has("top_k"))
        to.metadata.set("general.sampling.top_k",
                        MetadataValue::of(int32_t(generation->integer_or("top_k", 0, 0, 1 << 24))));
    number("top_p", "top_p");
    number("min_p", "min_p");
    number("repetition_penalty", "penalty_repeat");
    for (const std::string& problem : generation->problems()) to.config.problem("generation_config.json: " + problem);
}

uint64_t metadata_bytes(const Metadata& metadata) {
    uint64_t bytes = 0;
    for (const auto& [key, value] : metadata.entries()) {
        bytes += key.size() + 16;
        if (const auto text = value.text())
            bytes += text->size();
        else if (const auto texts = value.texts())
            for (const std::string_view text : *texts) bytes += text.size() + sizeof(std::string) + sizeof text;
        else
            bytes += value.packed().size();
    }
    return bytes;
}

Checkpoint to_checkpoint(Translation& to, std::shared_ptr<const Safetensors> files) {
    Checkpoint::Format format{.version = 0, .alignment = 1};
    std::vector<std::shared_ptr<const Safetensors>> sets = to.more_files;
    sets.insert(sets.begin(), std::move(files));
    for (const auto& set : sets)
        for (const MappedFile& file : set->files()) format.parts.push_back(file.path());
    std::vector<StoredTensor> tensors;
    format.total_bytes = metadata_bytes(to.metadata);
    for (const MadeTensor& made : to.made()) {
        StoredTensor tensor{.name = made.name, .type = made.type, .shape = made.values->shape()};
        tensor.made = int64_t(tensors.size());
        if (made.values->natural() == made.type) tensor.data = made.values->plain();
        format.total_bytes += uint64_t(tensor.bytes());
        tensors.push_back(std::move(tensor));
    }
    auto maker = std::make_shared<Maker>(std::move(sets), to.made());
    return Checkpoint::adopt(std::move(format), std::move(to.metadata), std::move(tensors), std::move(maker));
}

}  // namespace

bool is_directory(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::is_directory(path, ignored);
}

Result<OpenedDirectory> open_directory(const std::string& path) {
    std::error_code ignored;
    const bool has_config = std::filesystem::exists(path + "/config.json", ignored);
    const bool is_mistrals = !has_config && std::filesystem::exists(path + "/params.json", ignored);
    if (!has_config && !is_mistrals)
        return fail(ErrorKind::not_found, path + " has no config.json, so it is no Hugging Face model",
                    "name a GGUF file, or the directory of a downloaded repository");
    Config config = is_mistrals ? TRY(read_mistral_params(path)) : TRY(Config::read(path, "config.json"));
    Translate translate = translate_mistral_own;
    if (has_config) translate = TRY(translation_of(config, path));
    TRY(check_quantisation(config, path + "/config.json"));
    auto files = std::make_shared<const Safetensors>(
        TRY(open_safetensors_directory(path, is_mistrals ? "consolidated" : "model")));
    Tensors tensors(files, kPrefixes, config);
    Translation to(std::move(config), std::move(tensors));
    to.metadata.set("general.architecture", MetadataValue::text_of(""));  // in front
    to.metadata.set("general.type", MetadataValue::text_of("model"));
    to.metadata.set("general.name", MetadataValue::text_of(name_of_directory(path)));
    const TokenizerChoice choice = translate(to);
    to.metadata.set("general.architecture", MetadataValue::text_of(to.architecture));
    TRY(read_modules(to, path));
    if (to.config.problems().empty()) to.finish();  // with wrong sizes nothing fits, which would only hide them
    write_sampling(to, path);
    TRY(write_tokenizer(to, path, choice));

    const std::vector<std::string>& problems = to.config.problems();
    if (!problems.empty()) {
        Problems all;
        for (const std::string& problem : problems) all.add(problem);
        return all.report(path, "download the whole repository again");
    }
    OpenedDirectory opened{.checkpoint = {}, .notes = to.notes()};
    opened.checkpoint = to_checkpoint(to, std::move(files));
    return opened;
}

}  // namespace hearth::huggingface
