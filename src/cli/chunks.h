// A long text cut into pieces of equal length, each read from an empty context: what perplexity and imatrix feed.
#pragma once

#include <vector>

#include "cli/read_texts.h"

namespace hearth::cli {

struct Chunks {
    std::vector<std::vector<int32_t>> tokens;
    int64_t chunk_tokens = 0, unused = 0;  // unused: at the end of the text, too few for a piece
};

// `chunk_tokens`: 0 is 512, or less if the text is shorter. Where texts begin with a BOS token, it takes the place of
// every piece's first one, so that figures compare with those of other tools. `most`: pieces; 0: all.
Result<Chunks> cut_text(const TextReader& reader, const std::string& text, int64_t chunk_tokens, int64_t most);

}  // namespace hearth::cli
