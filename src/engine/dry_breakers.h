// DRY's sequence breakers as tokens. A client names texts ("\n"); the sampler compares ids, so whoever has the
// tokenizer looks them up: once per set of texts, since that reads the whole vocabulary.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "engine/sampler.h"
#include "text/tokenizer.h"

namespace hearth {

struct DryBreakers {
    std::vector<int32_t> tokens;                  // contain one of the texts
    std::vector<std::vector<int32_t>> sequences;  // end one token with the beginning of a text and go on with its rest
};

DryBreakers find_dry_breakers(const Tokenizer& tokenizer, const std::vector<std::string>& texts);

// Fills dry_breaker_tokens and dry_breaker_sequences of requests whose sampling uses DRY. Thread-safe.
class DryBreakerTable {
public:
    // `vocabulary`: of the model, which may know fewer ids than its tokenizer.
    DryBreakerTable(const Tokenizer& tokenizer, int64_t vocabulary) : tokenizer_(tokenizer), vocabulary_(vocabulary) {}
    Result<> resolve(SamplerOptions& options);

private:
    const Tokenizer& tokenizer_;
    int64_t vocabulary_;
    std::mutex mutex_;
    std::vector<std::string> texts_;  // of the last request: clients rarely differ
    DryBreakers found_;
};

}  // namespace hearth
