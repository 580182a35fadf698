// The models that are served, in Anthropic's form: a page of them, or one.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ctime>

#include "server/api/anthropic.h"

namespace hearth::server {

namespace {

std::string rfc_3339(std::time_t when) {
    std::tm time{};
    gmtime_r(&when, &time);
    char text[32];
    return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &time));
}

Json anthropic_model_info(const Models::Entry& entry) {
    const Json context = entry.model ? Json(entry.model->engine().plan().context_tokens) : Json();
    return Json::Object{{"type", "model"},
                        {"id", entry.name},
                        {"display_name", entry.name},
                        {"created_at", rfc_3339(entry.created)},
                        {"max_input_tokens", context},
                        {"max_tokens", context}};
}

// At most `limit` (20) models behind after_id or before before_id.
ApiResult<Json> model_page(const HttpRequest& request, const std::vector<Models::Entry>& all) {
    size_t limit = 20, begin = 0, end = all.size();
    const auto wrong = [](const char* name, std::string why) {
        return std::unexpected(ApiError{400, fmt::format("{} {}", name, why), {}, name});
    };
    if (const auto text = request.parameter("limit")) {
        const auto read = std::from_chars(text->data(), text->data() + text->size(), limit);
        if (read.ec != std::errc() || read.ptr != text->data() + text->size() || limit < 1 || limit > 1000)
            return wrong("limit", fmt::format("is {}, it must lie between 1 and 1000", *text));
    }
    const auto place_of = [&](const std::string& id) {
        return size_t(std::ranges::find(all, id, &Models::Entry::name) - all.begin());
    };
    const auto after = request.parameter("after_id"), before = request.parameter("before_id");
    if (after && before) return wrong("after_id", "and before_id cannot be had together");
    for (const auto& [name, id] : {std::pair("after_id", after), std::pair("before_id", before)})
        if (id && place_of(*id) == all.size())
            return wrong(name, fmt::format("is {}, and there is no such model", *id));
    if (after) begin = place_of(*after) + 1;
    if (before) end = place_of(*before);
    const bool has_more = end - begin > limit;
    if (before)
        begin = has_more ? end - limit : begin;
    else
        end = has_more ? begin + limit : end;
    Json list = Json::array();
    for (size_t i = begin; i < end; ++i) list.push(anthropic_model_info(all[i]));
    return Json::Object{{"data", std::move(list)},
                        {"has_more", has_more},
                        {"first_id", begin < end ? Json(all[begin].name) : Json()},
                        {"last_id", begin < end ? Json(all[end - 1].name) : Json()}};
}

}  // namespace

void anthropic_model_list(const Call& call, const ApiContext& api) {
    const auto page = model_page(call.request, api.service.models().list());
    if (!page) return anthropic_error(call.reply, page.error());
    call.reply.send(200, "application/json", page->dump(), anthropic_headers(call.reply));
}

void anthropic_model(const Call& call, const ApiContext& api) {
    for (const Models::Entry& entry : api.service.models().list())
        if (entry.name == call.name)
            return call.reply.send(200, "application/json", anthropic_model_info(entry).dump(),
                                   anthropic_headers(call.reply));
    anthropic_error(call.reply, {404, fmt::format("there is no model {}", call.name), "model_not_found", "model"});
}

}  // namespace hearth::server
