#include "models/registry.h"

#include <algorithm>

#include "base/text_format.h"

namespace hearth {

std::string known_architectures() {
    std::string names;
    for (const Family& family : kFamilies) names += (names.empty() ? "" : ", ") + std::string(family.architecture);
    return names;
}

Result<std::unique_ptr<Model>> load_model(const Checkpoint& checkpoint, Backend& backend,
                                          const std::function<bool(double)>& progress, int64_t context_tokens) {
    const auto architecture = checkpoint.metadata().text("general.architecture");
    if (!architecture)
        return fail(ErrorKind::bad_file, "the file has no general.architecture, so it is not a language model",
                    "look at it with `hearth inspect metadata`");
    for (const Family& family : kFamilies) {
        if (family.architecture != *architecture) continue;
        Source source(checkpoint, backend, std::string(*architecture), progress, context_tokens);
        std::unique_ptr<Model> model = family.load(source);
        TRY(source.report());
        const auto causal = checkpoint.metadata().boolean(std::string(*architecture) + ".attention.causal");
        if (causal && *causal != model->info().is_causal)
            return fail(ErrorKind::unsupported,
                        fmt::format("this file wants attention {}, which this build cannot give to the family {}",
                                    *causal ? "to what stands before only" : "to the whole text", *architecture),
                        "use a model whose attention is the usual one of its family");
        // Passes are planned as large as such a text: this bounds what a file can make the planner do.
        constexpr int64_t kMostInOnePass = 1 << 17;
        if (!model->info().is_causal && model->info().context_tokens > kMostInOnePass)
            return fail(
                ErrorKind::bad_file,
                fmt::format("{}.context_length is {}, but texts that are read in one pass have at most {} tokens",
                            *architecture, model->info().context_tokens, kMostInOnePass),
                "download or convert the model again");
        return model;
    }
    if (std::ranges::find(kDraftingFamilies, *architecture, &DraftingFamily::architecture) !=
        std::end(kDraftingFamilies))
        return fail(ErrorKind::unsupported,
                    fmt::format("{} files hold no model of their own: they draft for the one they were made for",
                                *architecture),
                    "run that model");
    return fail(ErrorKind::unsupported,
                fmt::format("unknown architecture \"{}\"; this build knows: {}",
                            valid_utf8(architecture->substr(0, 60)), known_architectures()),
                "use a model of one of these families");
}

bool has_drafter(const Checkpoint& checkpoint) {
    return std::ranges::any_of(checkpoint.tensors(), [](const StoredTensor& tensor) {
        return tensor.name == "mtp.fc.weight" || tensor.name.ends_with(".nextn.eh_proj.weight") ||
               tensor.name == "nextn.pre_projection.weight";
    });
}

Result<std::unique_ptr<Drafter>> load_drafter(const Checkpoint& checkpoint, Backend& backend, const Model& trunk) {
    const std::string_view architecture = checkpoint.metadata().text("general.architecture").value_or("");
    const auto family = std::ranges::find(kDraftingFamilies, architecture, &DraftingFamily::architecture);
    if (family == std::end(kDraftingFamilies) || !has_drafter(checkpoint))
        return fail(ErrorKind::unsupported, "the file has no layer that drafts",
                    "use a file that was converted with its MTP layer, or do without drafts");
    Source source(checkpoint, backend, std::string(architecture));
    std::unique_ptr<Drafter> drafter = family->load(source, trunk);
    TRY(source.report());
    return drafter;
}

}  // namespace hearth
