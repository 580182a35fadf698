// tekken.json, Mistral's own vocabulary: pieces of bytes in order of rank, behind the special tokens. Pieces are merged
// by the rank of what they become, so every way to cut a piece into two others is a merge of its rank.
#include <algorithm>
#include <unordered_map>

#include "base/byte_alphabet.h"
#include "files/safetensors.h"
#include "huggingface/tokenizer.h"

namespace hearth::huggingface {

namespace {

constexpr uint64_t kMaxBytes = 128 << 20;
constexpr int64_t kMostTokens = 1 << 20;
constexpr size_t kMaxPieceBytes = 1 << 10;

// The first special tokens of files that do not list theirs.
constexpr std::string_view kSpecial[] = {"<unk>",
                                         "<s>",
                                         "</s>",
                                         "[INST]",
                                         "[/INST]",
                                         "[AVAILABLE_TOOLS]",
                                         "[/AVAILABLE_TOOLS]",
                                         "[TOOL_RESULTS]",
                                         "[/TOOL_RESULTS]",
                                         "[TOOL_CALLS]",
                                         "[IMG]",
                                         "<pad>",
                                         "[IMG_BREAK]",
                                         "[IMG_END]",
                                         "[PREFIX]",
                                         "[MIDDLE]",
                                         "[SUFFIX]",
                                         "[SYSTEM_PROMPT]",
                                         "[/SYSTEM_PROMPT]",
                                         "[TOOL_CONTENT]"};

int64_t integer_at(const Json* object, std::string_view key) {
    const Json* found = object ? object->find(key) : nullptr;
    return found ? found->as_int(-1) : -1;
}

void add_merges(Pieces& out, const std::vector<std::string>& by_rank) {
    const auto written = [&](std::string_view bytes) {
        std::string text;
        for (const char byte : bytes) text += byte_letter(uint8_t(byte));
        return text;
    };
    std::unordered_map<std::string_view, size_t> rank_of;
    for (size_t rank = 0; rank < by_rank.size(); ++rank) rank_of.emplace(by_rank[rank], rank);
    struct Cut {
        size_t left, right, at;
        auto operator<=>(const Cut&) const = default;
    };
    for (const std::string& piece : by_rank) {
        std::vector<Cut> cuts;
        for (size_t at = 1; at < piece.size(); ++at) {
            const auto left = rank_of.find(std::string_view(piece).substr(0, at));
            const auto right = rank_of.find(std::string_view(piece).substr(at));
            if (left != rank_of.end() && right != rank_of.end()) cuts.push_back({left->second, right->second, at});
        }
        std::ranges::sort(cuts);
        for (const Cut& cut : cuts)
            out.merges.push_back(written(std::string_view(piece).substr(0, cut.at)) + " " +
                                 written(std::string_view(piece).substr(cut.at)));
        out.tokens.push_back(written(piece));
        out.types.push_back(1);
    }
}

}  // namespace

std::span<const std::string_view> tekken_special_tokens() {
    return kSpecial;
}

Result<Pieces> read_tekken(const std::string& path, int64_t rows) {
    const std::string text = TRY(read_small_file(path, kMaxBytes));
    const auto json = Json::parse(text, 20);
    if (!json || !json->is_object())
        return fail(ErrorKind::bad_file, path + (json ? " holds no object" : " is " + json.error().what),
                    "download it again");
    const auto damaged = [&](std::string_view what) {
        return fail(ErrorKind::bad_file, fmt::format("{}: {}", path, what), "download it again");
    };
    const Json *config = json->find("config"), *vocabulary = json->find("vocab"),
               *specials = json->find("special_tokens");
    if (!config || !config->is_object() || !vocabulary || !vocabulary->is_array())
        return damaged("there are no config and vocab");
    const int64_t special_count = integer_at(config, "default_num_special_tokens");
    int64_t size = integer_at(config, "default_vocab_size");
    if (special_count < 3 || special_count > 1 << 16) return damaged("default_num_special_tokens makes no sense");
    if (rows > 0 && rows < size) size = rows;
    if (size <= special_count || size > kMostTokens) return damaged("default_vocab_size makes no sense");

    Pieces out;
    out.model = "gpt2";
    out.pre = "tekken";
    for (int64_t id = 0; id < special_count; ++id) {
        out.tokens.push_back(size_t(id) < std::size(kSpecial) && !specials ? std::string(kSpecial[id])
                                                                           : fmt::format("<SPECIAL_{}>", id));
        out.types.push_back(3);
    }
    if (specials && specials->is_array())
        for (const Json& token : specials->items()) {
            const Json *content = token.find("token_str"), *is_control = token.find("is_control");
            const int64_t id = integer_at(&token, "rank");
            if (id < 0 || id >= special_count || !content || !content->is_string())
                return damaged("special_tokens has an entry without a rank below their number, or without token_str");
            out.tokens[size_t(id)] = content->as_string();
            if (is_control && is_control->is_bool() && !is_control->as_bool()) out.types[size_t(id)] = 4;
        }

    std::vector<std::string> by_rank(static_cast<size_t>(size - special_count));
    for (const Json& entry : vocabulary->items()) {
        const int64_t rank = integer_at(&entry, "rank");
        const Json* bytes = entry.find("token_bytes");
        if (rank < 0 || !bytes || !bytes->is_string()) return damaged("vocab has an entry without rank or token_bytes");
        if (rank >= int64_t(by_rank.size())) continue;  // more pieces than this model uses
        by_rank[size_t(rank)] = from_base64(bytes->as_string());
    }
    for (size_t rank = 0; rank < by_rank.size(); ++rank)
        if (by_rank[rank].empty() || by_rank[rank].size() > kMaxPieceBytes)
            return damaged(fmt::format("the piece of rank {} is missing, empty or huge", rank));
    add_merges(out, by_rank);
    return out;
}

}  // namespace hearth::huggingface
