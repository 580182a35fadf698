#include "cli/chunks.h"

#include <algorithm>

namespace hearth::cli {

Result<Chunks> cut_text(const TextReader& reader, const std::string& text, int64_t chunk_tokens, int64_t most) {
    constexpr int64_t kUsual = 512, kFewest = 4;
    std::vector<int32_t> tokens;
    TRY(reader.tokenizer().encode(text, {}, tokens));
    const std::vector<int32_t>& front = reader.tokenizer().prefix();
    tokens.insert(tokens.begin(), front.begin(), front.end());
    const int64_t count = int64_t(tokens.size());
    Chunks chunks;
    chunks.chunk_tokens = chunk_tokens > 0 ? chunk_tokens : std::min({kUsual, reader.context_tokens(), count});
    const int64_t fewest = std::max(kFewest, int64_t(front.size()) + 1);
    if (chunks.chunk_tokens < fewest || count < chunks.chunk_tokens)
        return fail(ErrorKind::bad_request,
                    fmt::format("the text has {} tokens and pieces of {} are wanted; a piece has at least {}", count,
                                chunks.chunk_tokens, fewest),
                    "give a longer text, or a --ctx that fits");
    chunks.unused = count % chunks.chunk_tokens;
    for (int64_t begin = 0; begin + chunks.chunk_tokens <= count; begin += chunks.chunk_tokens) {
        if (most > 0 && int64_t(chunks.tokens.size()) == most) {
            chunks.unused = count - begin;
            break;
        }
        auto& piece = chunks.tokens.emplace_back(tokens.begin() + begin, tokens.begin() + begin + chunks.chunk_tokens);
        std::ranges::copy(front, piece.begin());
    }
    return chunks;
}

}  // namespace hearth::cli
