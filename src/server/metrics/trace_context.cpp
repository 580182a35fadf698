#include "server/metrics/trace_context.h"

#include <fmt/format.h>

#include <algorithm>

namespace hearth::server {

namespace {

bool is_lower_hex(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_id(std::string_view text) {
    return is_lower_hex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

}  // namespace

std::string TraceContext::header() const {
    return fmt::format("00-{}-{}-{:02x}", trace_id, span_id, flags);
}

std::optional<TraceContext> continued_trace(std::string_view traceparent, uint64_t span) {
    constexpr size_t kLength = 55;
    if (traceparent.size() < kLength) return std::nullopt;
    const std::string_view version = traceparent.substr(0, 2), trace = traceparent.substr(3, 32),
                           parent = traceparent.substr(36, 16), flags = traceparent.substr(53, 2);
    if (traceparent[2] != '-' || traceparent[35] != '-' || traceparent[52] != '-') return std::nullopt;
    if (!is_lower_hex(version) || version == "ff" || !is_id(trace) || !is_id(parent) || !is_lower_hex(flags))
        return std::nullopt;
    // Later versions may say more behind a dash; of this one there is nothing more.
    if (traceparent.size() > kLength && (version == "00" || traceparent[kLength] != '-')) return std::nullopt;
    constexpr uint8_t kKnown = 0x03;  // sampled, random
    const uint8_t bits = uint8_t(std::stoi(std::string(flags), nullptr, 16)) & kKnown;
    return TraceContext{std::string(trace), std::string(parent), fmt::format("{:016x}", span ? span : 1), bits};
}

}  // namespace hearth::server
