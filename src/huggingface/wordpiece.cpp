// vocab.txt: the pieces of BERT's tokenizer, one a line, in the order of their ids; how text is prepared stands in
// tokenizer_config.json.
#include <algorithm>

#include "files/safetensors.h"
#include "huggingface/tokenizer.h"

namespace hearth::huggingface {

Result<Pieces> read_vocab_txt(const std::string& path, const Config& config) {
    constexpr uint64_t kMaxBytes = 64 << 20;
    constexpr size_t kMaxPieces = 1 << 22;
    constexpr std::string_view kSpecial[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    const std::string text = TRY(read_small_file(path, kMaxBytes));
    Pieces out;
    out.model = "bert";
    for (std::string_view rest = text; !rest.empty();) {
        const size_t end = std::min(rest.find('\n'), rest.size());
        std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        const bool is_special = std::ranges::find(kSpecial, line) != std::end(kSpecial);
        // Files mark the beginning of a word, the publication its continuation.
        const bool is_continued = line.starts_with("##");
        out.tokens.push_back(is_special || !is_continued ? fmt::format("{}{}", is_special ? "" : "\u2581", line)
                                                         : std::string(line.substr(2)));
        out.types.push_back(is_special ? 3 : 1);
        if (out.tokens.size() > kMaxPieces) break;
    }
    if (out.tokens.empty() || out.tokens.size() > kMaxPieces)
        return fail(ErrorKind::bad_file, path + " is no vocabulary", "download it again");
    const auto flag = [&](std::string_view key) {
        const Json* found = config.find(key);
        return found && found->is_bool() ? std::optional(found->as_bool()) : std::nullopt;
    };
    out.lowercase = flag("do_lower_case").value_or(true);
    // Accents go with the capitals unless it is said otherwise.
    out.strip_accents = flag("strip_accents").value_or(*out.lowercase);
    return out;
}

}  // namespace hearth::huggingface
