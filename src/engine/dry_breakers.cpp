#include "engine/dry_breakers.h"

#include <algorithm>

namespace hearth {

namespace {

constexpr size_t kMostTexts = 64, kLongestText = 40;

}  // namespace

DryBreakers find_dry_breakers(const Tokenizer& tokenizer, const std::vector<std::string>& texts) {
    DryBreakers found;
    std::vector<std::vector<int32_t>> rests;  // of the text at hand, by where the token ends in it
    for (const std::string& text : texts) {
        rests.assign(text.size(), {});
        for (size_t taken = 1; taken < text.size(); ++taken)
            (void)tokenizer.encode(std::string_view(text).substr(taken), {.user_defined = false}, rests[taken]);
        for (int32_t id = 0; id < tokenizer.size(); ++id) {
            const std::string_view piece = tokenizer.piece(id);
            if (piece.empty()) continue;
            if (piece.find(text) != std::string_view::npos) {
                found.tokens.push_back(id);
                continue;
            }
            for (size_t taken = std::min(text.size() - 1, piece.size()); taken > 0; --taken) {
                if (!piece.ends_with(std::string_view(text).substr(0, taken)) || rests[taken].empty()) continue;
                std::vector<int32_t>& sequence = found.sequences.emplace_back(1, id);
                sequence.insert(sequence.end(), rests[taken].begin(), rests[taken].end());
            }
        }
    }
    std::ranges::sort(found.tokens);
    found.tokens.erase(std::unique(found.tokens.begin(), found.tokens.end()), found.tokens.end());
    return found;
}

Result<> DryBreakerTable::resolve(SamplerOptions& options) {
    if (options.dry_multiplier <= 0 || options.dry_last_n == 0 || options.dry_breakers.empty()) return {};
    if (options.dry_breakers.size() > kMostTexts)
        return fail(ErrorKind::bad_request, fmt::format("dry_breakers has {} texts, it may have up to {}",
                                                        options.dry_breakers.size(), kMostTexts));
    for (const std::string& text : options.dry_breakers)
        if (text.empty() || text.size() > kLongestText)
            return fail(ErrorKind::bad_request, fmt::format("dry_breakers has a text of {} bytes, it must be 1 to {}",
                                                            text.size(), kLongestText));
    std::lock_guard lock(mutex_);
    if (options.dry_breakers != texts_) {
        const auto is_unknown = [&](int32_t id) { return id >= vocabulary_; };
        found_ = find_dry_breakers(tokenizer_, options.dry_breakers);
        std::erase_if(found_.tokens, is_unknown);
        std::erase_if(found_.sequences, [&](const auto& ids) { return std::ranges::any_of(ids, is_unknown); });
        texts_ = options.dry_breakers;
    }
    auto& tokens = options.dry_breaker_tokens;
    tokens.insert(tokens.end(), found_.tokens.begin(), found_.tokens.end());
    auto& sequences = options.dry_breaker_sequences;
    sequences.insert(sequences.end(), found_.sequences.begin(), found_.sequences.end());
    return {};
}

}  // namespace hearth
