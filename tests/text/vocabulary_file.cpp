#include "vocabulary_file.h"

#include <cstdio>
#include <cstring>
#include <map>

namespace hearth::test {

namespace {

std::string read_compressed(const std::string& path) {
    std::string bytes;
    FILE* pipe = popen(("xz -dc '" + path + "'").c_str(), "r");
    if (!pipe) return bytes;
    std::vector<char> buffer(1 << 20);
    while (const size_t got = fread(buffer.data(), 1, buffer.size(), pipe)) bytes.append(buffer.data(), got);
    if (pclose(pipe) != 0) bytes.clear();
    return bytes;
}

// Trusted files, yet every read is checked: a truncated one must fail the test, not crash it.
struct Reader {
    std::string_view rest;
    bool failed = false;

    std::string_view take(uint64_t count) {
        if (count > rest.size()) {
            failed = true;
            rest = {};
            return {};
        }
        const std::string_view part = rest.substr(0, count);
        rest.remove_prefix(count);
        return part;
    }
    template <class T>
    T number() {
        T value{};
        const std::string_view part = take(sizeof(T));
        if (!failed) std::memcpy(&value, part.data(), sizeof(T));
        return value;
    }
    std::string_view string() { return take(number<uint64_t>()); }
};

struct Value {
    uint32_t type = 0, item_type = 0;
    int64_t integer = 0;
    std::string_view text;  // of a string, or the raw items of an array of numbers
    std::vector<std::string_view> strings;
};

constexpr uint64_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

Value read_value(Reader& in) {
    Value value{.type = in.number<uint32_t>()};
    if (value.type == 8) {
        value.text = in.string();
    } else if (value.type == 9) {
        value.item_type = in.number<uint32_t>();
        const uint64_t count = in.number<uint64_t>();
        if (value.item_type == 8)
            for (uint64_t i = 0; i < count && !in.failed; ++i) value.strings.push_back(in.string());
        else if (value.item_type <= 12)
            value.text = in.take(count * kSizes[value.item_type]);
        else
            in.failed = true;
    } else if (value.type <= 12) {
        const std::string_view raw = in.take(kSizes[value.type]);
        std::memcpy(&value.integer, raw.data(), raw.size());
    } else {
        in.failed = true;
    }
    return value;
}

template <class T>
std::vector<T> numbers(const Value& value) {
    std::vector<T> items(value.text.size() / sizeof(T));
    std::memcpy(items.data(), value.text.data(), items.size() * sizeof(T));
    return items;
}

}  // namespace

std::unique_ptr<VocabularyFile> read_vocabulary(const std::string& path) {
    auto file = std::make_unique<VocabularyFile>();
    file->bytes = path.ends_with(".xz") ? read_compressed(path) : read_text(path);
    Reader in{file->bytes};
    EXPECT_EQ(in.take(4), "GGUF") << path;
    const uint32_t version = in.number<uint32_t>();
    EXPECT_TRUE(version == 2 || version == 3) << path;
    in.number<uint64_t>();  // tensors
    const uint64_t count = in.number<uint64_t>();
    std::map<std::string, Value, std::less<>> all;
    for (uint64_t i = 0; i < count && !in.failed; ++i) {
        const std::string key(in.string());
        all[key] = read_value(in);
    }
    EXPECT_FALSE(in.failed) << path << " ends early";
    if (in.failed) return nullptr;

    VocabularySource& s = file->source;
    const auto at = [&](std::string_view key) {
        const auto found = all.find("tokenizer.ggml." + std::string(key));
        return found == all.end() ? nullptr : &found->second;
    };
    const auto integer = [&](std::string_view key) -> std::optional<int64_t> {
        return at(key) ? std::optional(at(key)->integer) : std::nullopt;
    };
    const auto flag = [&](std::string_view key) -> std::optional<bool> {
        return at(key) ? std::optional(at(key)->integer != 0) : std::nullopt;
    };
    if (at("model")) s.model = at("model")->text;
    if (at("pre")) s.pre = at("pre")->text;
    if (at("tokens")) file->tokens = at("tokens")->strings;
    if (at("merges")) file->merges = at("merges")->strings;
    if (at("scores")) file->scores = numbers<float>(*at("scores"));
    if (at("token_type")) file->types = numbers<int32_t>(*at("token_type"));
    s.tokens = file->tokens;
    s.merges = file->merges;
    s.scores = file->scores;
    s.types = file->types;
    s.bos = integer("bos_token_id");
    s.eos = integer("eos_token_id");
    s.eot = integer("eot_token_id");
    s.eom = integer("eom_token_id");
    s.unknown = integer("unknown_token_id");
    s.separator = integer("seperator_token_id");  // spelled so in the format
    s.padding = integer("padding_token_id");
    s.mask = integer("mask_token_id");
    s.fim_pre = integer("fim_pre_token_id");
    s.fim_suf = integer("fim_suf_token_id");
    s.fim_mid = integer("fim_mid_token_id");
    s.fim_pad = integer("fim_pad_token_id");
    s.fim_rep = integer("fim_rep_token_id");
    s.fim_sep = integer("fim_sep_token_id");
    s.add_bos = flag("add_bos_token");
    s.add_eos = flag("add_eos_token");
    s.add_sep = flag("add_sep_token");
    s.add_space_prefix = flag("add_space_prefix");
    s.remove_extra_whitespaces = flag("remove_extra_whitespaces");
    s.lowercase = flag("normalizer.lowercase");
    s.strip_accents = flag("normalizer.strip_accents");
    if (at("precompiled_charsmap")) s.precompiled_charsmap = std::as_bytes(std::span(at("precompiled_charsmap")->text));
    if (const auto name = all.find("general.name"); name != all.end()) s.model_name = name->second.text;
    return file;
}

std::string from_hex(std::string_view hex) {
    std::string bytes;
    for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes += char(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    return bytes;
}

}  // namespace hearth::test
