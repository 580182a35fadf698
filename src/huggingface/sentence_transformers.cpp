#include "huggingface/sentence_transformers.h"

#include <algorithm>
#include <filesystem>

#include "files/safetensors.h"

namespace hearth::huggingface {

namespace {

struct Module {
    std::string kind, path;  // "Pooling", "1_Pooling"
};

// Module directories are names, never ways out of the repository.
bool is_plain_name(const std::string& name) {
    return !name.empty() && name.size() < 64 && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
}

std::vector<Module> listed_modules(const Json& json, Config& config) {
    std::vector<Module> modules;
    const auto text = [](const Json& item, std::string_view key) {
        const Json* found = item.find(key);
        return found && found->is_string() ? found->as_string() : std::string();
    };
    for (const Json& item : json.items()) {
        const std::string type = text(item, "type");
        Module module{type.substr(type.rfind('.') + 1), text(item, "path")};
        if (!module.path.empty() && !is_plain_name(module.path))
            config.problem(fmt::format("modules.json: {} is no directory beside it", hearth::quoted(module.path)));
        else
            modules.push_back(std::move(module));
    }
    return modules;
}

void read_pooling(Translation& to, const Config& pooling) {
    struct Mode {
        const char* key;
        uint32_t type;
    };
    constexpr Mode kModes[] = {
        {"pooling_mode_mean_tokens", 1}, {"pooling_mode_cls_token", 2}, {"pooling_mode_lasttoken", 3}};
    uint32_t type = 0;
    for (const auto& [key, value] : pooling.object().members()) {
        const auto known = std::ranges::find_if(kModes, [&](const Mode& mode) { return key == mode.key; });
        if (!key.starts_with("pooling_mode_") || !value.is_bool() || !value.as_bool()) continue;
        if (known == std::end(kModes) || type != 0)
            return to.config.problem(fmt::format("modules.json: pooling by {} is not known here, alone or with others",
                                                 hearth::quoted(key)));
        type = known->type;
    }
    if (type == 0) return to.config.problem("modules.json: the pooling module names no way to pool");
    to.set("pooling_type", type);
}

Result<> read_dense(Translation& to, const std::string& directory, const Config& dense, int number) {
    Config checked = dense;
    const std::string activation = checked.text_or("activation_function", "torch.nn.modules.linear.Identity");
    if (!activation.ends_with(".Identity") || checked.boolean_or("bias", false)) {
        to.config.problem(fmt::format("modules.json: dense layer {} has a bias or an activation", number));
        return {};
    }
    auto files = std::make_shared<const Safetensors>(TRY(open_safetensors({directory + "/model.safetensors"})));
    const RawTensor* matrix = files->find("linear.weight");
    ValuesPtr values = matrix && matrix->shape.size() == 2 ? plain_values(files, *matrix) : nullptr;
    if (!values || files->tensors().size() != 1) {
        to.config.problem(directory + " does not hold one matrix of floats called linear.weight");
        return {};
    }
    to.set_count(fmt::format("dense_{}_feat_in", number), values->width());
    to.set_count(fmt::format("dense_{}_feat_out", number), values->rows());
    to.add({fmt::format("dense_{}.weight", number), values->natural(), values});
    to.more_files.push_back(std::move(files));
    return {};
}

}  // namespace

Result<> read_modules(Translation& to, const std::string& directory) {
    std::error_code ignored;
    const std::string path = directory + "/modules.json";
    if (!std::filesystem::exists(path, ignored)) return {};
    const std::string text = TRY(read_small_file(path, 1 << 20));
    const auto json = Json::parse(text, 20);
    if (!json || !json->is_array())
        return fail(ErrorKind::bad_file, path + (json ? " holds no list" : " is " + json.error().what),
                    "download it again");
    int dense = 2;  // numbered as EmbeddingGemma's directories are
    for (const Module& module : listed_modules(*json, to.config)) {
        const std::string folder = directory + "/" + module.path;
        if (module.kind == "Transformer" || module.kind == "Normalize") continue;
        if (module.kind == "Pooling") {
            read_pooling(to, TRY(Config::read(folder, "config.json")));
        } else if (module.kind == "Dense" && to.architecture == "gemma-embedding" && dense <= 3) {
            TRY(read_dense(to, folder, TRY(Config::read(folder, "config.json")), dense++));
        } else {
            to.config.problem(
                fmt::format("modules.json has a module of type {}, which a {} model cannot carry out here",
                            hearth::quoted(module.kind), to.architecture));
        }
    }
    return {};
}

}  // namespace hearth::huggingface
