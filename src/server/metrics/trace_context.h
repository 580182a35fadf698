// W3C Trace Context: which trace of a distributed system a request belongs to, so that our log can be found from there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hearth::server {

struct TraceContext {
    std::string trace_id;   // 32 hexadecimal digits
    std::string parent_id;  // 16: the caller's span
    std::string span_id;    // 16: ours
    uint8_t flags = 0;

    std::string header() const;  // "00-TRACE-SPAN-FLAGS", our span in it
};

// The header `traceparent`, with a span of our own; nothing where it is not as the standard has it.
std::optional<TraceContext> continued_trace(std::string_view traceparent, uint64_t span);

}  // namespace hearth::server
