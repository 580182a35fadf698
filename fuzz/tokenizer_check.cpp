#include "tokenizer_check.h"

#include "promise.h"
#include "text/pretokenizer.h"
#include "text/tokenizer.h"
#include "text/unicode.h"
#include "tokenizer_vocabularies.h"

namespace hearth {

namespace {

struct Subject {
    std::unique_ptr<SmallVocabulary> vocabulary;
    std::unique_ptr<Tokenizer> tokenizer;
};

const std::vector<Subject>& subjects() {
    static const std::vector<Subject> list = [] {
        std::vector<std::unique_ptr<SmallVocabulary>> vocabularies;
        vocabularies.push_back(small_spm());
        vocabularies.push_back(small_gemma4());
        vocabularies.push_back(small_wordpiece());
        vocabularies.push_back(small_unigram());
        for (const std::string_view name : pre_tokenizer_names())
            if (find_pre_tokenizer(name, TokenizerCompat::published)->byte_alphabet)
                vocabularies.push_back(small_bpe(std::string(name)));
        vocabularies.push_back(small_rwkv());
        vocabularies.push_back(small_plamo2());
        std::vector<Subject> made;
        for (auto& vocabulary : vocabularies) {
            for (const auto compat : {TokenizerCompat::published, TokenizerCompat::llama_cpp}) {
                auto tokenizer = Tokenizer::make(vocabulary->source, compat);
                promise(tokenizer.has_value(), "the small vocabularies are accepted");
                made.push_back(
                    {compat == TokenizerCompat::published ? nullptr : std::move(vocabulary), std::move(*tokenizer)});
            }
        }
        promise(made.size() <= 250, "every vocabulary is reached");
        return made;
    }();
    return list;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
        if (text.substr(at).starts_with(from)) {
            out += to;
            at += from.size();
        } else {
            out += text[at++];
        }
    }
    return out;
}

void check_ids(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
    for (const int32_t id : ids) promise(id >= 0 && id < tokenizer.size(), "ids lie in the vocabulary");
}

void check_text(const Tokenizer& tokenizer, std::string_view text, const EncodeOptions& options) {
    std::vector<int32_t> ids, again;
    promise(tokenizer.encode(text, options, ids).has_value(), "any text can be encoded");
    promise(tokenizer.encode(text, options, again).has_value() && ids == again, "encoding twice gives the same");
    check_ids(tokenizer, ids);

    const bool splits = options.user_defined;
    for (const int32_t id : ids) {
        const TokenType type = tokenizer.type(id);
        const bool blank = tokenizer.text(id).find_first_not_of(" \n\t") == std::string_view::npos;
        if (!splits)
            promise(type != TokenType::control && (type != TokenType::user_defined || blank),
                    "plain text forms no special token");
        if (!options.parse_special && tokenizer.kind() == TokenizerKind::bpe)
            promise(type != TokenType::control, "control tokens need parse_special");
    }
    const std::string decoded = tokenizer.decode(ids, true);
    std::string storage;
    switch (tokenizer.kind()) {
        case TokenizerKind::bpe:
            promise(decoded == unicode::sanitize(text, storage), "BPE keeps the text");
            break;
        case TokenizerKind::spm:  // U+2581 itself reads as a blank
            promise(replace_all(decoded, "\xE2\x96\x81", " ") == replace_all(text, "\xE2\x96\x81", " "),
                    "SPM keeps all bytes");
            break;
        case TokenizerKind::gemma4:
            promise(decoded == replace_all(unicode::sanitize(text, storage), "\xE2\x96\x81", " "),
                    "gemma4 keeps the text");
            break;
        case TokenizerKind::rwkv:
            promise(decoded == text, "rwkv keeps all bytes");
            break;
        case TokenizerKind::plamo2: {  // and perhaps drops a mark at the beginning of each stretch of text
            const std::string_view mark = "\xEF\xBB\xBF";
            promise(replace_all(decoded, mark, "") == replace_all(unicode::sanitize(text, storage), mark, ""),
                    "plamo2 keeps the text");
            break;
        }
        default:
            break;
    }
}

// A vocabulary nobody meant: tokens, merges, types and scores out of the input.
void check_hostile(std::string_view input) {
    SmallVocabulary v;
    static constexpr const char* kModels[] = {"gpt2", "llama", "bert", "t5",   "gemma4",
                                              "none", "?",     "",     "rwkv", "plamo2"};
    v.source.model = kModels[input.empty() ? 0 : uint8_t(input[0]) % std::size(kModels)];
    const auto names = pre_tokenizer_names();
    v.source.pre = input.size() < 2 ? "" : std::string(names[uint8_t(input[1]) % names.size()]);
    size_t at = 2;
    while (at < input.size()) {
        const size_t end = std::min(input.find('\xFE', at), input.size());
        const std::string_view part = input.substr(at, end - at);
        const int salt = part.empty() ? 0 : uint8_t(part[0]);
        if (part.find(' ', 1) != part.npos) v.add_merge(std::string(part));
        v.add(std::string(part), TokenType(salt % 8), float(salt) - 128.0f);
        at = end + 1;
    }
    v.source.bos = int64_t(input.size()) - 20;
    v.source.unknown = 0;
    v.source.precompiled_charsmap = std::as_bytes(std::span(input));
    const auto tokenizer = Tokenizer::make(v.finish());
    if (!tokenizer) {
        promise(!tokenizer.error().what.empty(), "a refusal says why");
        return;
    }
    for (const bool flag : {false, true}) {
        std::vector<int32_t> ids;
        if (!(*tokenizer)->encode(input, {.parse_special = flag, .add_special = flag, .user_defined = flag}, ids))
            return;
        check_ids(**tokenizer, ids);
        (*tokenizer)->decode(ids, flag);
    }
}

}  // namespace

void check_tokenizer(std::string_view input) {
    if (input.size() < 2) return;
    const size_t which = uint8_t(input[0]), flags = uint8_t(input[1]);
    const std::string_view text = input.substr(2);
    if (which >= 250) return check_hostile(text);
    check_text(*subjects()[which % subjects().size()].tokenizer, text,
               {.parse_special = (flags & 1) != 0, .user_defined = (flags & 2) == 0});
}

}  // namespace hearth
