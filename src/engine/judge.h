// How a reranker tells how well a document answers a query: by its classification head or, where a file has none, by
// how likely the model says yes.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/texts.h"

namespace hearth {

class Judge {
public:
    // Fails for models that give no scores. `reader` must outlive it.
    static Result<Judge> make(const TextReader& reader);

    // No head: the score is the probability of "yes" against "no".
    bool judges_by_words() const { return rows_ == RowKind::logits; }
    Result<std::vector<int32_t>> tokens(std::string_view query, std::string_view document) const;
    EmbedRequest request(std::vector<int32_t> tokens) const;
    double score(std::span<const float> values) const;  // of what came back: Event::embedding

private:
    explicit Judge(const TextReader& reader) : reader_(&reader) {}
    const TextReader* reader_;
    RowKind rows_ = RowKind::scores;
    Pooling pooling_ = Pooling::first;
    int32_t yes_ = -1, no_ = -1;
};

}  // namespace hearth
