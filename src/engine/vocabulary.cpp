#include "engine/vocabulary.h"

namespace hearth {

Result<std::unique_ptr<Tokenizer>> load_tokenizer(const Checkpoint& checkpoint, TokenizerCompat compat) {
    const Metadata& file = checkpoint.metadata();
    const auto key = [](std::string_view name) { return "tokenizer.ggml." + std::string(name); };
    const auto tokens = file.texts(key("tokens"));
    if (!tokens)
        return fail(ErrorKind::bad_file, "the file has no tokenizer (tokenizer.ggml.tokens)",
                    "use a complete model file");

    VocabularySource source;
    source.model = std::string(file.text(key("model")).value_or(""));
    source.pre = std::string(file.text(key("pre")).value_or(""));
    source.model_name = std::string(file.text("general.name").value_or(""));
    source.tokens = *tokens;
    source.merges = file.texts(key("merges")).value_or(std::span<const std::string_view>());
    const auto scores = file.numbers(key("scores"));
    if (scores) source.scores = *scores;
    std::vector<int32_t> types;
    for (const int64_t type : file.integers(key("token_type")).value_or(std::vector<int64_t>()))
        types.push_back(int32_t(type));
    source.types = types;

    const auto id = [&](std::string_view name) { return file.integer(key(std::string(name) + "_token_id")); };
    source.bos = id("bos"), source.eos = id("eos"), source.eot = id("eot"), source.eom = id("eom");
    source.unknown = id("unknown"), source.separator = id("seperator"), source.padding = id("padding"),
    source.mask = id("mask");
    source.fim_pre = id("fim_pre"), source.fim_suf = id("fim_suf"), source.fim_mid = id("fim_mid");
    source.fim_pad = id("fim_pad"), source.fim_rep = id("fim_rep"), source.fim_sep = id("fim_sep");
    source.more_eos = file.integers(key("eos_token_ids")).value_or(std::vector<int64_t>());

    const auto flag = [&](std::string_view name) { return file.boolean(key(name)); };
    source.add_bos = flag("add_bos_token"), source.add_eos = flag("add_eos_token"),
    source.add_sep = flag("add_sep_token");
    source.add_space_prefix = flag("add_space_prefix");
    source.remove_extra_whitespaces = flag("remove_extra_whitespaces");
    source.lowercase = flag("normalizer.lowercase"), source.strip_accents = flag("normalizer.strip_accents");
    source.precompiled_charsmap = file.bytes(key("precompiled_charsmap")).value_or(std::span<const std::byte>());
    return Tokenizer::make(source, compat);
}

}  // namespace hearth
