#include "text/token_table.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/byte_alphabet.h"
#include "text/unicode.h"

namespace hearth {

namespace {

// Code point below 0x144 -> byte, -1: no stand-in.
constexpr std::array<int16_t, 0x144> kByteOf = [] {
    std::array<int16_t, 0x144> table{};
    table.fill(-1);
    for (size_t byte = 0; byte < 256; ++byte) table[kByteAlphabet[byte]] = int16_t(byte);
    return table;
}();

// Writes at most text.size() bytes, returns how many, or -1.
ptrdiff_t unmap(std::string_view text, char* out) {
    char* const begin = out;
    for (size_t at = 0; at < text.size();) {
        const uint8_t first = uint8_t(text[at]);
        uint32_t code = first;
        if (first >= 0x80) {
            // Two bytes reach U+07FF, far beyond the last stand-in.
            if ((first & 0xE0) != 0xC0 || at + 1 == text.size() || (uint8_t(text[at + 1]) & 0xC0) != 0x80) return -1;
            code = uint32_t(first & 0x1F) << 6 | (uint8_t(text[at + 1]) & 0x3F);
            if (code < 0x80) return -1;
            ++at;
        }
        ++at;
        if (code >= kByteOf.size() || kByteOf[code] < 0) return -1;
        *out++ = char(kByteOf[code]);
    }
    return out - begin;
}

// The byte of "<0xAB>", -1 for other texts.
int byte_of_name(std::string_view text) {
    if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
    const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
    const int high = digit(text[3]), low = digit(text[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

void append_unescaped(std::string& out, std::string_view text) {
    for (size_t at = 0; at < text.size();) {
        const size_t found = text.find(kEscapedSpace, at);
        out += text.substr(at, found - at);
        if (found == text.npos) return;
        out += ' ';
        at = found + kEscapedSpace.size();
    }
}

int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

// Appends the bytes behind Python's escapes; false where an escape is cut short or has no hexadecimal digits.
bool append_without_escapes(std::string& out, std::string_view text) {
    for (size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '\\') {
            out += text[at];
            continue;
        }
        if (++at == text.size()) return false;
        if (text[at] != 'x') {
            const char c = text[at];
            out += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
            continue;
        }
        if (text.size() - at < 3) return false;
        const int high = hex_digit(text[at + 1]), low = hex_digit(text[at + 2]);
        if (high < 0 || low < 0) return false;
        out += char(high * 16 + low);
        at += 2;
    }
    return true;
}

}  // namespace

bool append_unmapped(std::string& out, std::string_view text) {
    const size_t before = out.size();
    out.resize(before + text.size());
    const ptrdiff_t count = unmap(text, out.data() + before);
    out.resize(before + size_t(std::max<ptrdiff_t>(count, 0)));
    return count >= 0;
}

Result<TokenTable> TokenTable::make(const VocabularySource& source, Spelling spelling) {
    const size_t count = source.tokens.size();
    if (count == 0 || count > 1u << 30)
        return fail(ErrorKind::bad_file, fmt::format("the vocabulary has {} tokens", count),
                    "get another copy of the model");
    if (!source.scores.empty() && source.scores.size() < count)
        return fail(ErrorKind::bad_file,
                    fmt::format("the vocabulary has {} tokens, but {} scores", count, source.scores.size()),
                    "get another copy of the model");
    if (!source.types.empty() && source.types.size() < count)
        return fail(ErrorKind::bad_file,
                    fmt::format("the vocabulary has {} tokens, but {} token types", count, source.types.size()),
                    "get another copy of the model");
    TokenTable table;
    table.spelling_ = spelling;
    table.texts_.assign(source.tokens.begin(), source.tokens.end());
    if (!source.scores.empty()) {
        table.scores_.assign(source.scores.begin(), source.scores.begin() + ptrdiff_t(count));
        for (size_t id = 0; id < count; ++id)
            if (std::isnan(table.scores_[id]))
                return fail(ErrorKind::bad_file, fmt::format("the score of token {} is not a number", id),
                            "get another copy of the model");
    }
    table.types_.assign(count, TokenType::normal);
    for (size_t id = 0; id < count && !source.types.empty(); ++id) {
        const int32_t type = source.types[id];
        table.types_[id] = type >= 1 && type <= 6 ? TokenType(type) : TokenType::unused;
    }
    size_t total_bytes = 0;
    for (size_t id = 0; id < count; ++id) {
        // Where token texts are C strings, as in most runtimes, a text ends at its first NUL: the ids that models have
        // been used with depend on it.
        table.texts_[id] = table.texts_[id].substr(0, table.texts_[id].find('\0'));
        if (table.texts_[id].empty())
            table.texts_[id] = table.placeholders_.emplace_back(fmt::format("[EMPTY_{}]", id));
        table.longest_text_ = std::max(table.longest_text_, table.texts_[id].size());
        total_bytes += table.texts_[id].size();
    }
    if (total_bytes > UINT32_MAX)
        return fail(ErrorKind::bad_file, fmt::format("the vocabulary holds {} bytes of text", total_bytes),
                    "get another copy of the model");

    std::string bytes;
    for (size_t id = 0; id < count && spelling == Spelling::escaped; ++id)
        if (table.types_[id] == TokenType::normal && !append_without_escapes(bytes, table.texts_[id]))
            return fail(
                ErrorKind::bad_file,
                fmt::format("token {} of the vocabulary is '{}', whose escapes are broken", id, table.texts_[id]),
                "convert the model again");

    std::vector<uint32_t> without_bytes;
    if (table.has_byte_alphabet()) {
        table.raw_bytes_.resize(total_bytes);
        table.raw_.resize(count);
        char* out = table.raw_bytes_.data();
        for (size_t id = 0; id < count; ++id) {
            const ptrdiff_t length = unmap(table.texts_[id], out);
            if (length < 0) {
                without_bytes.push_back(uint32_t(id));
                continue;
            }
            table.raw_[id] = {out, size_t(length)};
            out += length;
        }
    }
    // Hash ahead, so that the memory of a slot is under way before it is needed.
    constexpr size_t kAhead = 16;
    table.by_key_ = StringTable(count);
    table.by_text_ = StringTable(without_bytes.size());
    const auto keys = table.keys();
    std::array<uint64_t, kAhead> hashes{};
    for (size_t step = 0; step < count + kAhead; ++step) {
        if (step >= kAhead) {
            const size_t id = step - kAhead;
            if (keys[id].data()) {
                const uint32_t other = table.by_key_.insert(keys, uint32_t(id), hashes[id % kAhead]);
                if (other != kNone)
                    return fail(
                        ErrorKind::bad_file,
                        fmt::format("tokens {} and {} of the vocabulary are both '{}'", other, id, table.texts_[id]),
                        "convert the model again");
            }
        }
        if (step < count && keys[step].data()) {
            hashes[step % kAhead] = table.by_key_.hash(keys[step]);
            table.by_key_.prefetch(hashes[step % kAhead]);
        }
    }
    for (const uint32_t id : without_bytes) {
        const auto texts = table.texts_.data();
        const uint32_t other = table.by_text_.insert(texts, id, table.by_text_.hash(texts[id]));
        if (other != kNone)
            return fail(ErrorKind::bad_file,
                        fmt::format("tokens {} and {} of the vocabulary are both '{}'", other, id, texts[id]),
                        "convert the model again");
    }
    return table;
}

uint32_t TokenTable::find_text(std::string_view text) const {
    if (!has_byte_alphabet()) return find(text);
    std::string raw;
    if (append_unmapped(raw, text)) return find(raw);
    return by_text_.find(texts_.data(), text);
}

void TokenTable::append_normal(uint32_t id) {
    switch (spelling_) {
        case Spelling::marked_blanks:
            append_unescaped(pieces_, texts_[id]);
            break;
        case Spelling::byte_alphabet:
            pieces_ += raw_[id].data() ? raw_[id] : texts_[id];
            break;
        case Spelling::escaped:
            append_without_escapes(pieces_, texts_[id]);
            break;
        case Spelling::plain:
            pieces_ += texts_[id];
            break;
    }
}

void TokenTable::build_pieces() {
    piece_begin_.assign(size() + 1, 0);
    pieces_.clear();
    special_.assign(size(), false);
    for (size_t id = 0; id < size(); ++id) {
        const std::string_view text = texts_[id];
        switch (types_[id]) {
            case TokenType::normal:
                append_normal(uint32_t(id));
                break;
            case TokenType::byte:
                if (const int byte = byte_of_name(text); byte >= 0) pieces_ += char(byte);
                break;
            case TokenType::unused:
                break;
            case TokenType::user_defined:
                special_[id] = text.find_first_not_of(" \t\r\n") != text.npos;
                pieces_ += text;
                break;
            case TokenType::control:
            case TokenType::unknown:
                special_[id] = true;
                pieces_ += text;
                break;
        }
        piece_begin_[id + 1] = uint32_t(pieces_.size());
    }
    pieces_.shrink_to_fit();

    byte_tokens_.assign(256, kNone);
    for (int byte = 0; byte < 256; ++byte) {
        uint32_t id = find_text(fmt::format("<0x{:02X}>", byte));
        const char one = char(byte);
        if (id == kNone) id = find(std::string_view(&one, 1));
        byte_tokens_[size_t(byte)] = id;
    }
}

size_t TokenTable::memory_bytes() const {
    return texts_.size() * (sizeof(std::string_view) + sizeof(TokenType) + 4) + raw_.size() * sizeof(std::string_view) +
           raw_bytes_.size() + scores_.size() * 4 + by_key_.memory_bytes() + by_text_.memory_bytes() + pieces_.size();
}

}  // namespace hearth
