#include "chat/recommended.h"

namespace hearth::chat {

SamplerOptions usual_sampling() {
    SamplerOptions options;
    options.temperature = 0.7f, options.top_k = 20, options.top_p = 0.8f;
    return options;
}

SamplerOptions recommended_sampling(SamplerOptions options, const Metadata& file, const Sampling& family) {
    const auto recommend = [&](const auto& published, const char* key, auto& value) {
        if (published) value = *published;
        if (const auto number = file.number(std::string("general.sampling.") + key))
            value = static_cast<std::decay_t<decltype(value)>>(*number);
    };
    const std::optional<float> nothing;
    recommend(family.temperature, "temp", options.temperature);
    recommend(family.top_k, "top_k", options.top_k);
    recommend(family.top_p, "top_p", options.top_p);
    recommend(family.min_p, "min_p", options.min_p);
    recommend(family.repetition_penalty, "penalty_repeat", options.repetition_penalty);
    recommend(nothing, "penalty_last_n", options.penalty_last_n);
    recommend(nothing, "xtc_probability", options.xtc_probability);
    recommend(nothing, "xtc_threshold", options.xtc_threshold);
    if (family.presence_penalty) options.presence_penalty = *family.presence_penalty;
    if (const auto suppressed = file.integers("tokenizer.ggml.suppress_tokens"))
        for (const int64_t id : *suppressed) options.suppressed.push_back(int32_t(id));
    return options;
}

}  // namespace hearth::chat
