// tokenizer.model is a protocol buffer: a run of fields, each a number (field << 3 | kind) and a value. Of it:
//   1 piece { 1 text, 2 score f32, 3 type }   2 training { 3 kind: 1 unigram, 2 BPE }
//   3 normaliser { 2 character map, 3 adds a blank in front, 4 removes extra blanks }
#include <algorithm>
#include <cstring>
#include <optional>

#include "files/safetensors.h"
#include "huggingface/tokenizer.h"

namespace hearth::huggingface {

namespace {

constexpr uint64_t kMaxModelBytes = 64 << 20;
constexpr size_t kMaxPieces = 1 << 22;

struct Field {
    uint64_t number = 0;
    uint64_t value = 0;     // of numbers, and the bits of fixed 32
    std::string_view text;  // of nested messages and strings
};

// Reads field by field; `failed` when the bytes make no sense.
class Message {
public:
    explicit Message(std::string_view bytes) : bytes_(bytes) {}
    bool failed() const { return failed_; }

    bool next(Field& field) {
        if (bytes_.empty() || failed_) return false;
        const auto key = number();
        if (!key) return failed_ = true, false;
        field = {.number = *key >> 3};
        const auto take = [&](uint64_t count) {
            if (count > bytes_.size()) return failed_ = true, std::string_view();
            const std::string_view piece = bytes_.substr(0, size_t(count));
            bytes_.remove_prefix(size_t(count));
            return piece;
        };
        switch (*key & 7) {
            case 0:
                if (const auto value = number())
                    field.value = *value;
                else
                    failed_ = true;
                break;
            case 1:
                take(8);
                break;
            case 2:
                if (const auto length = number())
                    field.text = take(*length);
                else
                    failed_ = true;
                break;
            case 5:
                if (const std::string_view word = take(4); !failed_) {
                    uint32_t bits;
                    std::memcpy(&bits, word.data(), 4);
                    field.value = bits;
                }
                break;
            default:
                failed_ = true;
        }
        return !failed_;
    }

private:
    std::optional<uint64_t> number() {
        uint64_t value = 0;
        for (int shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
            const uint8_t byte = uint8_t(bytes_.front());
            bytes_.remove_prefix(1);
            value |= uint64_t(byte & 0x7F) << shift;
            if (!(byte & 0x80)) return value;
        }
        return std::nullopt;
    }
    std::string_view bytes_;
    bool failed_ = false;
};

bool read_piece(std::string_view bytes, Pieces& out) {
    std::string_view text;
    float score = 0;
    int32_t type = 1;
    Message piece(bytes);
    for (Field field; piece.next(field);) {
        if (field.number == 1) text = field.text;
        if (field.number == 2) {
            const uint32_t bits = uint32_t(field.value);
            std::memcpy(&score, &bits, 4);
        }
        if (field.number == 3) type = field.value >= 1 && field.value <= 6 ? int32_t(field.value) : 1;
    }
    if (!(score == score)) score = 0;
    out.tokens.emplace_back(text);
    out.scores.push_back(score);
    out.types.push_back(type);
    return !piece.failed();
}

}  // namespace

Result<Pieces> read_sentencepiece(const std::string& path) {
    const std::string bytes = TRY(read_small_file(path, kMaxModelBytes));
    Pieces out;
    out.model = "llama";
    out.add_space_prefix = true;
    bool is_good = true;
    uint64_t kind = 1;
    Message model(bytes);
    for (Field field; is_good && model.next(field);) {
        if (field.number == 1) {
            is_good = read_piece(field.text, out) && out.tokens.size() <= kMaxPieces;
        } else if (field.number == 2) {
            Message training(field.text);
            for (Field inner; training.next(inner);)
                if (inner.number == 3) kind = inner.value;
            is_good = !training.failed();
        } else if (field.number == 3) {
            Message normaliser(field.text);
            for (Field inner; normaliser.next(inner);) {
                if (inner.number == 2) out.charsmap = std::string(inner.text);
                if (inner.number == 3) out.add_space_prefix = inner.value != 0;
                if (inner.number == 4) out.remove_extra_whitespaces = inner.value != 0;
            }
            is_good = !normaliser.failed();
        }
    }
    if (!is_good || model.failed() || out.tokens.empty())
        return fail(ErrorKind::bad_file, path + " is no SentencePiece model, or a damaged one", "download it again");
    if (kind == 1) out.model = "t5";
    return out;
}

}  // namespace hearth::huggingface
