#include "server/api/ollama.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "server/api/openai.h"

namespace hearth::server {

void ollama_error(const HttpReply& reply, const ApiError& error) {
    std::vector<Header> headers;
    if (error.status == 401) headers.push_back({"WWW-Authenticate", "Bearer"});
    if (error.status == 429 || error.status == 503)
        headers.push_back({"Retry-After", std::to_string(std::max<int64_t>(error.retry_seconds, 1))});
    reply.send(error.status, "application/json", Json(Json::Object{{"error", error.message}}).dump(),
               std::move(headers));
}

std::string ndjson(const Json& object) {
    return object.dump() + "\n";
}

std::string ollama_time(std::chrono::system_clock::time_point time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(time - seconds);
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:09}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                       rest.count());
}

int64_t nanoseconds(double seconds) {
    return int64_t(seconds * 1e9);
}

std::string with_tag(const std::string& name) {
    return name.find(':') == std::string::npos ? name + ":latest" : name;
}

OllamaName read_ollama_model(Fields& fields, const Models& models) {
    const auto old = fields.text("name");
    OllamaName name{.asked = fields.text("model").value_or(old.value_or("")), .served = {}};
    constexpr std::string_view kLatest = ":latest";
    name.served = name.asked;
    if (!models.has(name.served) && name.served.ends_with(kLatest))
        name.served.resize(name.served.size() - kLatest.size());
    return name;
}

void read_ollama_options(Fields& fields, ModelRequest& request, std::optional<int64_t>& context_tokens) {
    auto options = fields.object("options");
    if (!options) return;
    read_sampling(*options, request);
    read_stops(*options, request);
    // -1 and -2 mean without end, or until the context is full, which here is the same.
    if (const auto most = options->integer("num_predict", -2, INT64_MAX); most && *most > 0) request.max_tokens = *most;
    context_tokens = options->integer("num_ctx", 0, INT64_MAX);
}

std::optional<std::string> context_note(std::optional<int64_t> asked, const ServedModel& model) {
    const int64_t loaded = model.engine().plan().context_tokens;
    if (!asked || *asked == 0 || *asked == loaded) return std::nullopt;
    return fmt::format(
        "options.num_ctx is {}, the model was loaded with a context of {} tokens; that is set when the "
        "server starts (--ctx)",
        *asked, loaded);
}

namespace {

// "5m", "1h30m", "-1", "300": what Go calls a duration, or seconds. Nothing: it is none.
std::optional<double> seconds_of(std::string_view text) {
    const bool is_negative = text.starts_with('-');
    if (is_negative) text.remove_prefix(1);
    if (text.empty()) return std::nullopt;
    static constexpr std::pair<std::string_view, double> kUnits[] = {
        {"ns", 1e-9}, {"us", 1e-6}, {"µs", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"", 1}};
    double seconds = 0;
    while (!text.empty()) {
        double value = 0;
        const auto read = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
        if (read.ec != std::errc() || !(value >= 0 && value < 1e18)) return std::nullopt;
        text.remove_prefix(size_t(read.ptr - text.data()));
        const std::string_view word = text.substr(0, text.find_first_of("-.0123456789"));
        const auto unit = std::ranges::find(kUnits, word, &std::pair<std::string_view, double>::first);
        if (unit == std::end(kUnits)) return std::nullopt;
        text.remove_prefix(word.size());
        seconds += value * unit->second;
    }
    return is_negative ? -seconds : seconds;
}

}  // namespace

bool read_keep_alive(Fields& fields) {
    const Json* value = fields.any("keep_alive");
    if (!value) return false;
    if (value->is_number()) return value->as_double() == 0;
    const auto seconds = value->is_string() ? seconds_of(value->as_string()) : std::nullopt;
    if (!seconds) fields.refuse("keep_alive", "is no duration: write \"5m\", or a number of seconds");
    return seconds == 0;
}

}  // namespace hearth::server
