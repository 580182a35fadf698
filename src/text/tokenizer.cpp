#include "text/tokenizer.h"

#include <algorithm>
#include <cctype>

#include "text/encoder.h"
#include "text/pretokenizer.h"
#include "text/special_splitter.h"
#include "text/token_table.h"

namespace hearth {

struct Tokenizer::Parts {
    TokenTable tokens;
    std::unique_ptr<Encoder> encoder;
    SpecialSplitter specials;
};

Tokenizer::Tokenizer() = default;
Tokenizer::~Tokenizer() = default;

static Result<TokenizerKind> kind_of(std::string_view model) {
    if (model == "gpt2") return TokenizerKind::bpe;
    if (model == "llama") return TokenizerKind::spm;
    if (model == "bert") return TokenizerKind::wordpiece;
    if (model == "t5") return TokenizerKind::unigram;
    if (model == "gemma4") return TokenizerKind::gemma4;
    if (model == "rwkv") return TokenizerKind::rwkv;
    if (model == "plamo2") return TokenizerKind::plamo2;
    if (model == "none" || model == "no_vocab") return TokenizerKind::none;
    if (model.empty())
        return fail(ErrorKind::bad_file, "the model file names no tokenizer (tokenizer.ggml.model)",
                    "it is perhaps a part of a model; use the file with the language model");
    return fail(ErrorKind::unsupported,
                fmt::format("the model uses a tokenizer of kind '{}', which this version does not know", model),
                "use a newer version of hearth; known are gpt2, llama, bert, t5, gemma4, rwkv and plamo2");
}

// White space around a special that belongs to it: a property of the original tokenizers that GGUF files do not carry.
static std::vector<Special> list_specials(const TokenTable& tokens, const VocabularySource& source,
                                          std::string_view pre) {
    std::string name = source.model_name;
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return char(std::tolower(c)); });
    const bool phi3 = name.find("phi-3") != name.npos || name.find("phi3") != name.npos;
    const auto mask_name = pre == "jina-v2-de" || pre == "jina-v2-es" || pre == "jina-v2-code" ? "<mask>"
                           : pre == "modern-bert"                                              ? "[MASK]"
                                                                                               : "";
    std::vector<Special> specials;
    for (uint32_t id = 0; id < tokens.size(); ++id) {
        const TokenType type = tokens.type(id);
        if (type != TokenType::control && type != TokenType::unknown && type != TokenType::user_defined) continue;
        const std::string_view text = tokens.text(id);
        specials.push_back({.text = text,
                            .id = id,
                            .hidden = type != TokenType::user_defined,
                            .strips_left = text == mask_name,
                            .strips_right = phi3 && text != "<unk>" && text != "<s>" && text != "<|endoftext|>"});
    }
    return specials;
}

static Spelling spelling_of(TokenizerKind kind, const PreTokenizer& pre) {
    if (kind == TokenizerKind::bpe && pre.byte_alphabet) return Spelling::byte_alphabet;
    if (kind == TokenizerKind::rwkv) return Spelling::escaped;
    if (kind == TokenizerKind::plamo2) return Spelling::plain;
    return Spelling::marked_blanks;
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::make(const VocabularySource& source, TokenizerCompat compat) {
    std::unique_ptr<Tokenizer> made(new Tokenizer);
    Tokenizer& t = *made;
    t.kind_ = TRY(kind_of(source.model));
    t.parts_ = std::make_unique<Parts>();
    if (t.kind_ == TokenizerKind::none) return made;

    const bool merges = t.kind_ == TokenizerKind::bpe || t.kind_ == TokenizerKind::gemma4;
    PreTokenizer pre;
    const std::string pre_name = t.kind_ == TokenizerKind::gemma4 ? "gemma4" : source.pre;
    if (merges) pre = TRY(find_pre_tokenizer(pre_name, compat));

    SpecialIds& ids = t.special_;
    bool strips = true;
    switch (t.kind_) {
        case TokenizerKind::bpe:
            if (pre.default_bos) ids.bos = 11;
            ids.eos = 11;
            t.add_bos_ = pre.add_bos;
            t.add_sep_ = pre.add_sep;
            break;
        case TokenizerKind::gemma4:
            break;
        case TokenizerKind::spm:
            ids = {.bos = 1, .eos = 2, .unknown = 0};
            t.add_bos_ = t.add_space_prefix_ = true;
            break;
        case TokenizerKind::wordpiece:
            ids = {.bos = 101, .unknown = 100, .separator = 102, .padding = 0, .mask = 103};
            t.add_bos_ = t.add_sep_ = true;
            break;
        case TokenizerKind::unigram:
            ids = {.eos = 1, .unknown = 2, .padding = 0};
            t.add_eos_ = true;
            break;
        case TokenizerKind::plamo2:
            ids = {.bos = 1, .eos = 2, .unknown = 0, .padding = 3};
            break;
        case TokenizerKind::rwkv:
        case TokenizerKind::none:
            break;
    }
    t.parts_->tokens = TRY(TokenTable::make(source, spelling_of(t.kind_, pre)));
    TokenTable& tokens = t.parts_->tokens;
    t.ends_ = assign_special_ids(source, compat, tokens, ids);
    tokens.build_pieces();

    t.add_bos_ = source.add_bos.value_or(t.add_bos_);
    t.add_eos_ = source.add_eos.value_or(t.add_eos_);
    t.add_sep_ = source.add_sep.value_or(t.add_sep_);
    // Early Gemma 4 files say false; the model does not work without.
    if (merges && pre.whole_newlines) t.add_bos_ = true;
    t.add_bos_ = t.add_bos_ && ids.bos >= 0;
    t.add_eos_ = t.add_eos_ && ids.eos >= 0;
    t.add_sep_ = t.add_sep_ && ids.separator >= 0;
    t.add_space_prefix_ = source.add_space_prefix.value_or(t.add_space_prefix_);
    const bool lowercase = source.lowercase.value_or(true);
    strips = source.strip_accents.value_or(lowercase);

    switch (t.kind_) {
        case TokenizerKind::bpe:
        case TokenizerKind::gemma4:
            if (source.merges.empty() && tokens.size() > 256)
                return fail(ErrorKind::bad_file, "the model file has a BPE vocabulary without merges",
                            "convert the model again");
            t.parts_->encoder = TRY(make_bpe_encoder(tokens, std::move(pre), source.merges));
            break;
        case TokenizerKind::spm:
            t.parts_->encoder = make_spm_encoder(tokens, {t.add_space_prefix_, ids.unknown});
            break;
        case TokenizerKind::wordpiece:
            t.parts_->encoder = make_wordpiece_encoder(tokens, {lowercase, strips, ids.unknown});
            break;
        case TokenizerKind::unigram:
            t.parts_->encoder = TRY(make_unigram_encoder(
                tokens, {.add_space_prefix = t.add_space_prefix_,
                         .remove_extra_whitespaces = source.remove_extra_whitespaces.value_or(false),
                         .unknown = ids.unknown,
                         .precompiled_charsmap = source.precompiled_charsmap}));
            break;
        case TokenizerKind::rwkv:
            t.parts_->encoder = make_rwkv_encoder(
                tokens, {.unknown = ids.unknown, .matches_specials = compat == TokenizerCompat::llama_cpp});
            break;
        case TokenizerKind::plamo2:
            // The published tokenizer keeps a mark that stands at the beginning of a text.
            t.parts_->encoder = TRY(make_plamo2_encoder(tokens, compat == TokenizerCompat::llama_cpp));
            break;
        case TokenizerKind::none:
            break;
    }
    t.parts_->specials = SpecialSplitter(list_specials(tokens, source, pre_name));

    // WordPiece models are always framed; the flags matter for the others.
    const bool framed = t.kind_ == TokenizerKind::wordpiece;
    if (ids.bos >= 0 && (framed || t.add_bos_)) t.prefix_.push_back(ids.bos);
    if (framed && ids.separator >= 0) t.suffix_.push_back(ids.separator);
    if (!framed && t.add_eos_) t.suffix_.push_back(ids.eos);
    return made;
}

Result<> Tokenizer::check(std::string_view text) const {
    if (kind_ == TokenizerKind::none)
        return fail(ErrorKind::unsupported, "this model has no vocabulary", "give it token ids instead of text");
    // Positions are 32 bits wide, and escaping may triple a text.
    constexpr size_t kMostBytes = 1 << 30;
    if (text.size() >= kMostBytes)
        return fail(ErrorKind::bad_request,
                    fmt::format("a text of {} bytes is too long to tokenize at once", text.size()), "split it");
    return {};
}

Result<> Tokenizer::encode_marked(std::string_view text, std::span<const InputSpan> input, bool add_special,
                                  std::vector<int32_t>& out) const {
    TRY(check(text));
    if (add_special) out.insert(out.end(), prefix_.begin(), prefix_.end());
    std::vector<Fragment> fragments;
    parts_->specials.split(text, true, fragments, input);
    for (const auto& [begin, end, token] : fragments) {
        if (token != Fragment::kText)
            out.push_back(int32_t(token));
        else
            parts_->encoder->encode(text.substr(begin, end - begin), touches_input(begin, end, input), out);
    }
    if (add_special) out.insert(out.end(), suffix_.begin(), suffix_.end());
    return {};
}

Result<> Tokenizer::encode(std::string_view text, const EncodeOptions& options, std::vector<int32_t>& out) const {
    TRY(check(text));
    if (options.add_special) out.insert(out.end(), prefix_.begin(), prefix_.end());
    if (!options.user_defined) {
        if (!text.empty()) parts_->encoder->encode(text, true, out);
    } else {
        std::vector<Fragment> fragments;
        parts_->specials.split(text, options.parse_special, fragments);
        for (const Fragment& fragment : fragments) {
            if (fragment.token != Fragment::kText)
                out.push_back(int32_t(fragment.token));
            else
                parts_->encoder->encode(text.substr(fragment.begin, fragment.end - fragment.begin), false, out);
        }
    }
    if (options.add_special) out.insert(out.end(), suffix_.begin(), suffix_.end());
    return {};
}

std::string_view Tokenizer::piece(int32_t id, bool show_special) const {
    if (id < 0 || id >= size()) return {};
    const TokenType type = parts_->tokens.type(uint32_t(id));
    const bool hidden = type == TokenType::control || type == TokenType::unknown;
    return hidden && !show_special ? std::string_view{} : parts_->tokens.piece(uint32_t(id));
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool show_special) const {
    std::string text;
    for (const int32_t id : ids) text += piece(id, show_special);
    return text;
}

int64_t Tokenizer::size() const {
    return int64_t(parts_->tokens.size());
}

std::string_view Tokenizer::text(int32_t id) const {
    return id < 0 || id >= size() ? std::string_view{} : parts_->tokens.text(uint32_t(id));
}

TokenType Tokenizer::type(int32_t id) const {
    return id < 0 || id >= size() ? TokenType::unused : parts_->tokens.type(uint32_t(id));
}

float Tokenizer::score(int32_t id) const {
    return id < 0 || id >= size() ? 0.0f : parts_->tokens.score(uint32_t(id));
}

std::optional<int32_t> Tokenizer::find(std::string_view text) const {
    if (kind_ == TokenizerKind::none) return std::nullopt;
    const uint32_t id = parts_->tokens.find_text(text);
    return id == TokenTable::kNone ? std::nullopt : std::optional(int32_t(id));
}

bool Tokenizer::is_end(int32_t id) const {
    return std::ranges::binary_search(ends_, id);
}

size_t Tokenizer::memory_bytes() const {
    return parts_->tokens.memory_bytes() + (parts_->encoder ? parts_->encoder->memory_bytes() : 0);
}

}  // namespace hearth
