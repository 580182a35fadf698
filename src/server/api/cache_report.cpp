#include "server/api/cache_report.h"

#include "base/text_format.h"

namespace hearth::server {

namespace {

Json token_json(const CacheReport::Token& token) {
    return Json::Object{{"token", int64_t(token.id)}, {"text", valid_utf8(token.text)}};
}

}  // namespace

void read_cache_report(Fields& fields, ModelRequest& request) {
    request.wants_cache_report = fields.boolean("cache_report").value_or(false);
}

Json cache_report_json(const AnswerEnd& end) {
    if (!end.cache) return {};
    const CacheReport& report = *end.cache;
    Json json = Json::Object{{"prompt_tokens", report.prompt_tokens},
                             {"cached_tokens", report.cached_tokens},
                             {"memory_tokens", report.cached_tokens - report.disk_tokens},
                             {"disk_tokens", report.disk_tokens},
                             {"known_tokens", report.known_tokens},
                             {"difference", nullptr}};
    if (!report.difference) return json;
    const CacheReport::Difference& difference = *report.difference;
    const auto& place = difference.place;
    json.set("difference", Json::Object{{"at", difference.at},
                                        {"prompt", token_json(difference.prompt)},
                                        {"kept", token_json(difference.kept)},
                                        {"age_seconds", difference.age_seconds},
                                        {"message", place ? Json(place->message) : Json()},
                                        {"line", place ? Json(place->line) : Json()},
                                        {"times", difference.times},
                                        {"volatile", difference.is_volatile}});
    return json;
}

void add_cache_report(const AnswerEnd& end, Json& object) {
    if (Json report = cache_report_json(end); !report.is_null()) object.set("cache_report", std::move(report));
}

}  // namespace hearth::server
