#include "models/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace hearth {

namespace {

// Share of the unscaled angle a pair keeps under YaRN: 1 for fast pairs, 0 for slow ones, a ramp between.
double yarn_keep(const RopeConfig& config, int64_t pair) {
    const double dims = double(config.dims);
    const auto pair_turning = [&](double turns) {
        return dims * std::log(config.original_context / (2 * std::numbers::pi * turns)) / (2 * std::log(config.base));
    };
    const double low = std::max(0.0, std::floor(pair_turning(config.beta_fast)));
    const double high = std::min(dims - 1, std::ceil(pair_turning(config.beta_slow)));
    return 1 - std::clamp((double(pair) - low) / std::max(0.001, high - low), 0.0, 1.0);
}

// Which of the four positions a pair follows in the interleaved multi-axis form.
uint8_t section_axis(const std::array<int64_t, 4>& sections, int64_t pair) {
    const int64_t all = std::accumulate(sections.begin(), sections.end(), int64_t{0}), j = pair % all;
    if (j % 3 == 1 && j < 3 * sections[1]) return 1;
    if (j % 3 == 2 && j < 3 * sections[2]) return 2;
    if (j % 3 == 0 && j < 3 * sections[0]) return 0;
    return 3;
}

}  // namespace

Rope make_rope(const RopeConfig& config) {
    const bool yarn = config.scaling == "yarn";
    Rope rope{.magnitude = float(config.attention_factor), .adjacent = config.adjacent};
    if (yarn && config.factor > 1) {
        const double stretch = std::log(config.factor);
        rope.magnitude =
            float((1 + 0.1 * stretch) / (1 + 0.1 * config.log_multiplier * stretch) * config.attention_factor);
    }
    const bool many_axes = std::ranges::any_of(config.sections, [](int64_t size) { return size > 0; });
    for (int64_t pair = 0; pair < config.dims / 2; ++pair) {
        double frequency = std::pow(config.base, -2 * double(pair) / double(config.dims));
        if (!config.divisors.empty()) {
            const double divisor = config.divisors[size_t(pair)];
            frequency = divisor >= 1e29 ? 0 : frequency / divisor;
        }
        if (config.scaling == "linear" || config.scaling == "longrope") frequency /= config.factor;
        if (yarn) {
            const double keep = yarn_keep(config, pair);
            frequency *= keep + (1 - keep) / config.factor;
        }
        rope.frequency.push_back(frequency);
        if (many_axes) rope.axis.push_back(section_axis(config.sections, pair));
    }
    return rope;
}

RopeConfig read_rope(Source& source, int64_t dims, int64_t context_tokens) {
    RopeConfig config;
    config.dims = dims;
    config.base = source.number_or("rope.freq_base", 10000);
    config.factor = source.number_or("rope.scaling.factor", 0);
    if (config.factor == 0) config.factor = source.number_or("rope.scale_linear", 1);
    config.scaling = source.text_or("rope.scaling.type", config.factor == 1 ? "none" : "linear");
    config.original_context = source.number_or("rope.scaling.original_context_length", double(context_tokens));
    config.attention_factor = source.number_or("rope.scaling.attn_factor", 1);
    if (config.base <= 1) source.problem(fmt::format("rope.freq_base is {}, expected more than 1", config.base));
    if (config.factor <= 0)
        source.problem(fmt::format("rope.scaling.factor is {}, expected more than 0", config.factor));
    if (config.scaling != "none" && config.scaling != "linear" && config.scaling != "yarn" &&
        config.scaling != "longrope")
        source.problem(
            fmt::format("rope.scaling.type is \"{}\", expected none, linear, yarn or longrope", config.scaling));
    if (config.original_context <= 0) source.problem("rope.scaling.original_context_length is not positive");
    return config;
}

void read_yarn(Source& source, RopeConfig& config) {
    config.beta_fast = source.number_or("rope.scaling.yarn_beta_fast", config.beta_fast);
    config.beta_slow = source.number_or("rope.scaling.yarn_beta_slow", config.beta_slow);
    config.log_multiplier = source.number_or("rope.scaling.yarn_log_multiplier", 0);
    if (config.beta_fast <= 0 || config.beta_slow <= 0)
        source.problem("rope.scaling.yarn_beta_fast and yarn_beta_slow must be above zero");
    if (config.log_multiplier < 0) source.problem("rope.scaling.yarn_log_multiplier is below zero");
}

}  // namespace hearth
