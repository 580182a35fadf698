// Generated tokens to text while they arrive: only whole characters go out, and nothing that might still be taken back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace hearth {

// Turns bytes that arrive in arbitrary cuts into valid UTF-8: holds back an unfinished character (at most 3 bytes),
// writes U+FFFD for every maximal invalid part. The concatenation of all results does not depend on the cuts.
class Utf8Stream {
public:
    std::string push(std::string_view bytes);
    std::string finish();  // an unfinished character becomes U+FFFD; the stream is empty again
    bool is_empty() const { return pending_.empty(); }  // nothing is held back

private:
    std::string pending_;
};

// One generation. Plain concatenation of pieces: no blank is added or removed.
class Detokenizer {
public:
    // `tokenizer` must outlive this.
    explicit Detokenizer(const Tokenizer& tokenizer, bool show_special = false)
        : tokenizer_(&tokenizer), show_special_(show_special) {}

    std::string push(int32_t id) { return stream_.push(tokenizer_->piece(id, show_special_)); }  // text to show now
    std::string finish() { return stream_.finish(); }                                            // the rest

private:
    const Tokenizer* tokenizer_;
    bool show_special_;
    Utf8Stream stream_;
};

// Watches output for stop strings, which may span tokens. What could become one is held back and released when it did
// not.
class StopStrings {
public:
    explicit StopStrings(std::vector<std::string> stops);  // empty ones are ignored

    struct Step {
        std::string text;               // may be shown; on a stop, the text before the stop string
        std::optional<size_t> stopped;  // index (as given) of the stop string that was completed; ignore what follows
    };
    // Of several stop strings the one that is complete first counts; among those ending together the longest.
    Step push(std::string_view text);
    std::string finish();  // what was held back; the generation ended without a stop string

private:
    struct Stop {
        std::string text;
        size_t index;
        std::vector<uint32_t> border;  // length of the longest proper border of each prefix (Knuth, Morris, Pratt)
        uint32_t matched = 0;          // bytes at the end of the output that begin this stop string
    };
    std::vector<Stop> stops_;
    std::string held_;
};

}  // namespace hearth
