// Tokens to the text a client may see now: whole characters only, nothing that may still become a stop string.
#pragma once

#include <string>
#include <vector>

#include "text/detokenizer.h"

namespace hearth {

class TextStream {
public:
    TextStream(const Tokenizer& tokenizer, const std::vector<std::string>& stops)
        : detokenizer_(tokenizer), stops_(stops), stop_texts_(stops) {}

    std::string push(int32_t token) { return filter(detokenizer_.push(token)); }
    std::string finish() {
        if (stopped()) return {};
        std::string rest = filter(detokenizer_.finish());
        if (!stopped()) rest += stops_.finish();
        return rest;
    }
    bool stopped() const { return stopped_.has_value(); }
    std::string stop_string() const { return stopped_ ? stop_texts_[*stopped_] : ""; }

private:
    std::string filter(const std::string& text) {
        StopStrings::Step step = stops_.push(text);
        stopped_ = step.stopped;
        return std::move(step.text);
    }

    Detokenizer detokenizer_;
    StopStrings stops_;
    std::vector<std::string> stop_texts_;
    std::optional<size_t> stopped_;
};

}  // namespace hearth
