#include "server/router.h"

#include <fmt/format.h>

#include "server/http/exchange.h"
#include "server/metrics/request_record.h"

namespace hearth::server {

namespace {

// Adds to an answer what its client has left, and makes room for the client's next request before the last byte is on
// its way: who waits for the answer must not be refused when it comes with the next one.
class LimitedReply final : public ReplyChannel {
public:
    LimitedReply(HttpReply reply, RateLimits& limits, Identity identity, std::shared_ptr<RateLimits::Admitted> admitted)
        : reply_(std::move(reply)), limits_(limits), identity_(std::move(identity)), admitted_(std::move(admitted)) {}

    void send(int status, std::string_view content_type, std::string body, std::vector<Header> headers) override {
        over();
        reply_.send(status, content_type, std::move(body), with_limits(std::move(headers)));
    }
    void begin_stream(std::string_view content_type, std::vector<Header> headers) override {
        reply_.begin_stream(content_type, with_limits(std::move(headers)));
    }
    bool write(std::string_view bytes) override { return reply_.write(bytes); }
    void finish() override {
        over();
        reply_.finish();
    }
    void on_gone(std::function<void()> callback) override { reply_.on_gone(std::move(callback)); }
    bool is_gone() const override { return reply_.is_gone(); }
    std::string id() const override { return reply_.id(); }
    void abandon() override { over(); }  // our own handle goes now

private:
    void over() {
        if (admitted_) admitted_->over();
    }
    std::vector<Header> with_limits(std::vector<Header> headers) const {
        for (Header& one : limits_.headers(identity_)) headers.push_back(std::move(one));
        return headers;
    }

    const HttpReply reply_;
    RateLimits& limits_;
    const Identity identity_;
    const std::shared_ptr<RateLimits::Admitted> admitted_;
};

std::vector<std::string> words_of(store::Scopes scopes) {
    std::vector<std::string> words;
    for (const store::Scope one :
         {store::Scope::infer, store::Scope::embed, store::Scope::metrics, store::Scope::manage})
        if (scopes.has(one)) words.push_back(store::Scopes{one}.text());
    return words;
}

}  // namespace

void Router::add(std::string_view method, std::string_view path, store::Scopes scopes, Handler handler) {
    const size_t brace = path.find('{');
    routes_.push_back({std::string(method), std::string(path.substr(0, brace)), brace != std::string_view::npos, scopes,
                       std::move(handler)});
}

std::vector<Endpoint> Router::endpoints() const {
    std::vector<Endpoint> all;
    for (const Route& route : routes_)
        all.push_back({route.method, route.path + (route.takes_rest ? "{name}" : ""), route.scopes});
    return all;
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

void Router::answer(const Route& route, Call call, RateLimits& limits, ErrorWriter tell) {
    const auto refuse = [&](const ApiError& error) {
        if (call.request.record) call.request.record->is_rejected(error.code);
        tell(call.reply, error);
    };
    if (!route.scopes.shares(call.identity.scopes))
        return refuse({403,
                       fmt::format("this key may do {}, and {} needs {}", call.identity.scopes.text(),
                                   call.request.path, fmt::join(words_of(route.scopes), " or ")),
                       "missing_scope"});
    if (route.method == "POST") {
        auto admitted = limits.admit(call.identity);
        Identity who = call.identity;
        who.record.reset();  // the reply may be kept longer than the request lasts
        call.reply = HttpReply(std::make_shared<LimitedReply>(std::move(call.reply), limits, std::move(who),
                                                              admitted ? *admitted : nullptr));
        if (!admitted) return refuse(admitted.error());
    }
    route.handler(std::move(call));
}

void Router::handle(HttpRequest request, HttpReply reply, const Access& access, RateLimits& limits) const {
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
        return answer(route, {std::move(request), std::move(reply), std::move(*identity), std::move(name)}, limits,
                      tell);
    }
    if (!others.empty())
        return tell(reply, {405, fmt::format("{} does not take {}, only {}", request.path, request.method, others),
                            "method_not_allowed"});
    tell(reply, {404, fmt::format("there is nothing at {}", request.path), "not_found"});
}

}  // namespace hearth::server
