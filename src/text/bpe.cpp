// Byte-pair encoding by merge rank, on bytes (GPT-2 and descendants) or on UTF-8 characters (Gemma 4). Merging works on
// ids: the merge list becomes one table (left id, right id) -> (rank, merged id) when the model is loaded.
#include <algorithm>
#include <array>
#include <bit>
#include <deque>

#include "text/encoder.h"
#include "text/merging.h"
#include "text/piece_cache.h"
#include "text/pretokenizer.h"
#include "text/unicode.h"
#include "text/word_boundaries.h"

namespace hearth {

namespace {

class MergeTable {
public:
    explicit MergeTable(size_t count = 0) : slots_(std::bit_ceil(count * 3 / 2 + 2)), mask_(slots_.size() - 1) {}

    size_t place(uint32_t left, uint32_t right) const {
        return mix((uint64_t{left} << 32 | right) ^ seed_, 0x9E3779B97F4A7C15) & mask_;
    }
    void prefetch(uint32_t left, uint32_t right) const { __builtin_prefetch(&slots_[place(left, right)]); }
    void insert(uint32_t left, uint32_t right, Join join) {  // the first of equal pairs stays
        size_t at = place(left, right);
        for (; slots_[at].left != kFree; at = (at + 1) & mask_)
            if (slots_[at].left == left && slots_[at].right == right) return;
        slots_[at] = {left, right, join};
    }
    Join find(uint32_t left, uint32_t right) const {
        for (size_t at = place(left, right);; at = (at + 1) & mask_) {
            const Slot& slot = slots_[at];
            if (slot.left == left && slot.right == right) return slot.join;
            if (slot.left == kFree) return {};
        }
    }
    size_t memory_bytes() const { return slots_.size() * sizeof(Slot); }

private:
    static constexpr uint32_t kFree = ~0u;  // no symbol has this id
    struct Slot {
        uint32_t left = kFree, right = 0;
        Join join;
    };
    std::vector<Slot> slots_;
    size_t mask_;
    uint64_t seed_ = hash_seed();
};

class BpeEncoder : public Encoder {
public:
    BpeEncoder(const TokenTable& tokens, PreTokenizer pre_tokenizer)
        : tokens_(tokens), pre_(std::move(pre_tokenizer)), owner_{PieceCache::new_owner(), PieceCache::new_owner()} {}

    Result<> read_merges(std::span<const std::string_view> merges);

    void encode(std::string_view text, bool plain, std::vector<int32_t>& out) const override;
    size_t memory_bytes() const override { return merges_.memory_bytes(); }

private:
    // Symbols that merging can form though they are no tokens get ids behind the vocabulary.
    uint32_t symbol_of(std::string_view text);
    uint32_t extra_symbol(std::string_view text);

    void encode_piece(std::string_view piece, bool plain, std::vector<int32_t>& out) const;
    void merge_piece(std::string_view piece, bool plain, std::vector<int32_t>& out) const;
    void emit_unknown(std::string_view text, std::vector<int32_t>& out) const;

    const TokenTable& tokens_;
    const PreTokenizer pre_;
    MergeTable merges_;
    std::deque<std::string> extra_;  // texts of the symbols behind the vocabulary
    StringTable extra_table_;
    std::vector<std::string_view> extra_keys_;
    size_t extra_capacity_ = 0;
    std::array<uint32_t, 256> byte_symbols_{};
    WordBoundaries boundaries_;
    const uint32_t owner_[2];  // cache entries of ordinary and of plain encoding
};

uint32_t BpeEncoder::symbol_of(std::string_view text) {
    const uint32_t id = tokens_.find(text);
    return id != TokenTable::kNone ? id : extra_symbol(text);
}

uint32_t BpeEncoder::extra_symbol(std::string_view text) {
    const uint64_t hash = extra_table_.hash(text);
    const uint32_t known = extra_table_.find(extra_keys_.data(), text, hash);
    if (known != StringTable::kNone) return uint32_t(tokens_.size()) + known;
    if (extra_keys_.size() == extra_capacity_) {  // rare in sane files: rebuild at twice the size
        extra_capacity_ = std::max<size_t>(512, extra_capacity_ * 2);
        extra_table_ = StringTable(extra_capacity_);
        for (uint32_t i = 0; i < extra_keys_.size(); ++i)
            extra_table_.insert(extra_keys_.data(), i, extra_table_.hash(extra_keys_[i]));
    }
    extra_keys_.push_back(extra_.emplace_back(text));
    const uint32_t index = uint32_t(extra_keys_.size() - 1);
    extra_table_.insert(extra_keys_.data(), index, hash);
    return uint32_t(tokens_.size()) + index;
}

Result<> BpeEncoder::read_merges(std::span<const std::string_view> merges) {
    if (merges.size() > 1u << 28)
        return fail(ErrorKind::bad_file, fmt::format("the vocabulary has {} merges", merges.size()),
                    "get another copy of the model");
    for (int byte = 0; byte < 256; ++byte) {
        const char one = char(byte);
        const uint32_t id = tokens_.find(std::string_view(&one, 1));
        byte_symbols_[size_t(byte)] = id != TokenTable::kNone ? id : extra_symbol(std::string_view(&one, 1));
    }
    if (!pre_.byte_alphabet)
        for (uint32_t id = 0; id < tokens_.size(); ++id) boundaries_.add(tokens_.text(id));

    // Look-ups are what this costs. They are made in groups, so that the memory they need is fetched side by side; and
    // since tokens are mostly numbered in the order of their merges, the next id is tried before any look-up.
    constexpr size_t kGroup = 32;
    struct Work {
        uint32_t text_begin, middle, end;  // in `bytes`
        uint64_t left_hash, right_hash, whole_hash;
        bool usable;
    };
    std::array<Work, kGroup> group;
    std::string bytes;
    merges_ = MergeTable(merges.size());
    uint32_t guess = 0;
    for (size_t start = 0; start < merges.size(); start += kGroup) {
        const size_t count = std::min(kGroup, merges.size() - start);
        bytes.clear();
        for (size_t i = 0; i < count; ++i) {
            const std::string_view merge = merges[start + i];
            Work& work = group[i];
            const size_t blank = merge.find(' ', 1);
            work.usable = blank != merge.npos && blank + 1 < merge.size();
            if (!work.usable) continue;
            const std::string_view left = merge.substr(0, blank), right = merge.substr(blank + 1);
            work.text_begin = uint32_t(bytes.size());
            if (pre_.byte_alphabet) {
                // A side that is not written in the alphabet can never stand in a text.
                work.usable = append_unmapped(bytes, left);
                work.middle = uint32_t(bytes.size());
                work.usable = work.usable && append_unmapped(bytes, right);
            } else {
                bytes += left;
                work.middle = uint32_t(bytes.size());
                bytes += right;
            }
            work.end = uint32_t(bytes.size());
        }
        const auto part = [&](uint32_t begin, uint32_t end) {
            return std::string_view(bytes).substr(begin, end - begin);
        };
        for (size_t i = 0; i < count; ++i) {
            Work& work = group[i];
            if (!work.usable) continue;
            work.left_hash = tokens_.hash(part(work.text_begin, work.middle));
            work.right_hash = tokens_.hash(part(work.middle, work.end));
            tokens_.prefetch(work.left_hash);
            tokens_.prefetch(work.right_hash);
        }
        for (size_t i = 0; i < count; ++i) {
            const Work& work = group[i];
            if (!work.usable) continue;
            const auto id_of = [&](std::string_view text, uint64_t hash) {
                if (text.size() == 1) return byte_symbols_[uint8_t(text[0])];
                const uint32_t id = tokens_.find(text, hash);
                return id != TokenTable::kNone ? id : extra_symbol(text);
            };
            const uint32_t left = id_of(part(work.text_begin, work.middle), work.left_hash);
            const uint32_t right = id_of(part(work.middle, work.end), work.right_hash);
            const std::string_view whole = part(work.text_begin, work.end);
            uint32_t merged = guess;
            if (guess >= tokens_.size() || tokens_.key(guess) != whole) merged = symbol_of(whole);
            guess = merged + 1;
            merges_.insert(left, right, {uint32_t(start + i), merged});
        }
    }
    for (const std::string& text : extra_) boundaries_.add(text);
    return {};
}

void BpeEncoder::encode(std::string_view text, bool plain, std::vector<int32_t>& out) const {
    std::string escaped, repaired;
    if (pre_.escape_spaces) {
        escaped.reserve(text.size() + text.size() / 2);
        for (const char c : text) c == ' ' ? escaped += kEscapedSpace : escaped += c;
        text = escaped;
    }
    text = unicode::sanitize(text, repaired);
    thread_local std::vector<uint32_t> ends;
    pre_.split(text, ends);
    uint32_t begin = 0;
    for (const uint32_t end : ends) {
        const std::string_view piece = text.substr(begin, end - begin);
        if (pre_.byte_alphabet) {
            encode_piece(piece, plain, out);
        } else {
            for (size_t at = 0; at < piece.size();) {
                const size_t word_end = boundaries_.word_end(piece, at);
                encode_piece(piece.substr(at, word_end - at), plain, out);
                at = word_end;
            }
        }
        begin = end;
    }
    if (ends.capacity() > 1 << 20) std::vector<uint32_t>().swap(ends);
}

void BpeEncoder::encode_piece(std::string_view piece, bool plain, std::vector<int32_t>& out) const {
    if (piece.size() > PieceCache::kLongestText) return merge_piece(piece, plain, out);
    auto& entry = PieceCache::entry(piece, owner_[plain]);
    if (PieceCache::holds(entry, piece, owner_[plain])) {
        out.insert(out.end(), entry.ids, entry.ids + entry.count);
        return;
    }
    const size_t before = out.size();
    merge_piece(piece, plain, out);
    PieceCache::store(entry, piece, owner_[plain], out.data() + before, out.size() - before);
}

void BpeEncoder::merge_piece(std::string_view piece, bool plain, std::vector<int32_t>& out) const {
    if (pre_.ignore_merges || (pre_.whole_newlines && piece.find_first_not_of('\n') == piece.npos)) {
        const uint32_t id = piece.size() <= tokens_.longest_text() ? tokens_.find(piece) : TokenTable::kNone;
        if (id != TokenTable::kNone && !(plain && tokens_.is_special(id))) {
            out.push_back(int32_t(id));
            return;
        }
    }
    constexpr uint32_t kNoSymbol = ~0u - 1;  // a character that is neither token nor part of any merge
    thread_local std::vector<Symbol> symbols;
    symbols.clear();
    if (pre_.byte_alphabet) {
        for (uint32_t at = 0; at < piece.size(); ++at) symbols.push_back({at, byte_symbols_[uint8_t(piece[at])]});
    } else {
        for (uint32_t at = 0; at < piece.size();) {
            const size_t length = std::min(unicode::claimed_length(uint8_t(piece[at])), piece.size() - at);
            const std::string_view character = piece.substr(at, length);
            uint32_t id = length == 1 ? byte_symbols_[uint8_t(piece[at])] : tokens_.find(character);
            if (id == TokenTable::kNone) {
                const uint32_t extra = extra_table_.find(extra_keys_.data(), character);
                id = extra == StringTable::kNone ? kNoSymbol : uint32_t(tokens_.size()) + extra;
            }
            symbols.push_back({at, id});
            at += uint32_t(length);
        }
    }
    symbols.push_back({uint32_t(piece.size()), 0});
    if (plain) {
        merge_symbols(symbols, [&](const Symbol& a, const Symbol& b, uint32_t) {
            const Join join = merges_.find(a.id, b.id);
            return join.order != Join::kNever && join.symbol < tokens_.size() && tokens_.is_special(join.symbol)
                       ? Join{}
                       : join;
        });
    } else {
        merge_symbols(symbols, [&](const Symbol& a, const Symbol& b, uint32_t) { return merges_.find(a.id, b.id); });
    }
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
        const uint32_t id = symbols[i].id;
        if (id < tokens_.size() && !(plain && tokens_.is_special(id)))
            out.push_back(int32_t(id));
        else
            emit_unknown(piece.substr(symbols[i].begin, symbols[i + 1].begin - symbols[i].begin), out);
    }
    if (symbols.capacity() > 1 << 20) std::vector<Symbol>().swap(symbols);
}

// A symbol that is no token. Over raw UTF-8 its bytes have tokens of their own. Under the byte alphabet only the bytes
// that are printable ASCII are looked up again; vocabularies without all 256 bytes (StarCoder, Falcon) lose the others.
void BpeEncoder::emit_unknown(std::string_view text, std::vector<int32_t>& out) const {
    for (const char c : text) {
        uint32_t id = TokenTable::kNone;
        if (!pre_.byte_alphabet)
            id = tokens_.byte_token(uint8_t(c));
        else if (c > 32 && c < 127)
            id = byte_symbols_[uint8_t(c)];
        if (id < tokens_.size()) out.push_back(int32_t(id));
    }
}

}  // namespace

Result<std::unique_ptr<Encoder>> make_bpe_encoder(const TokenTable& tokens, PreTokenizer pre_tokenizer,
                                                  std::span<const std::string_view> merges) {
    auto encoder = std::make_unique<BpeEncoder>(tokens, std::move(pre_tokenizer));
    TRY(encoder->read_merges(merges));
    return encoder;
}

}  // namespace hearth
