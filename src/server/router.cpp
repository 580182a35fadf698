#include "server/router.h"

#include <fmt/format.h>

#include "server/http/exchange.h"
#include "server/metrics/request_record.h"

namespace hearth::server {

void Router::add(std::string_view method, std::string_view path, Handler handler) {
    const size_t brace = path.find('{');
    routes_.push_back(
        {std::string(method), std::string(path.substr(0, brace)), brace != std::string_view::npos, std::move(handler)});
}

void Router::tell_errors(std::string_view prefix, ErrorWriter writer) {
    writers_.emplace_back(prefix, writer);
}

bool Router::Route::fits(std::string_view asked) const {
    return takes_rest ? asked.starts_with(path) && asked.size() > path.size() : asked == path;
}

ErrorWriter Router::error_writer(std::string_view path) const {
    ErrorWriter found = [](const HttpReply& reply, const ApiError& error) {
        reply.send(error.status, "application/json", plain_error_body(error.status, error.message));
    };
    size_t longest = 0;
    for (const auto& [prefix, writer] : writers_)
        if (path.starts_with(prefix) && prefix.size() >= longest) {
            found = writer;
            longest = prefix.size();
        }
    return found;
}

void Router::handle(HttpRequest request, HttpReply reply, const Access& access) const {
    const ErrorWriter tell = error_writer(request.path);
    auto identity = access.admit(request);
    if (!identity) {
        if (request.record) request.record->is_rejected(identity.error().code);
        return tell(reply, identity.error());
    }
    identity->record = request.record;
    if (request.record) request.record->is_admitted(identity->name);
    const std::string method = request.method == "HEAD" ? "GET" : request.method;
    std::string others;
    for (const Route& route : routes_) {
        if (!route.fits(request.path)) continue;
        if (route.method != method) {
            others += (others.empty() ? "" : ", ") + route.method;
            continue;
        }
        if (request.record) request.record->is_routed(route.path + (route.takes_rest ? "{name}" : ""));
        std::string name = percent_decoded(std::string_view(request.path).substr(route.path.size()));
        return route.handler({std::move(request), std::move(reply), std::move(*identity), std::move(name)});
    }
    if (!others.empty())
        return tell(reply, {405, fmt::format("{} does not take {}, only {}", request.path, request.method, others),
                            "method_not_allowed"});
    tell(reply, {404, fmt::format("there is nothing at {}", request.path), "not_found"});
}

}  // namespace hearth::server
