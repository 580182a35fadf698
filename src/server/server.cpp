#include "server/server.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "base/os.h"
#include "server/api/api.h"
#include "server/api/openai.h"
#include "server/metrics/monitor.h"
#include "server/router.h"
#include "server/service.h"
#include "server/workers.h"

namespace hearth::server {

namespace {
// For clients to hear that their answers were given up; one that does not read is not waited for any longer.
constexpr double kLastWordsSeconds = 2;
}  // namespace

// Members are destroyed from the last to the first: connections, then threads, then models.
class Server::Impl {
public:
    static Result<std::unique_ptr<Impl>> start(ServerOptions options) {
        auto impl = std::make_unique<Impl>(
            TRY(Models::make(std::move(options.models), options.model_limits, std::move(options.tell_models))),
            options);
        add_endpoints(impl->router_, impl->api_);
        options.http.handle = [self = impl.get()](HttpRequest request, HttpReply reply) {
            // std::function wants something that can be copied.
            auto taken = std::make_shared<HttpRequest>(std::move(request));
            // During the drain what came before it still begins.
            const bool is_late = self->is_draining_;
            self->starters_->post([self, taken, reply, is_late] {
                if (reply.is_gone()) return;  // while it waited
                if (is_late || self->is_giving_up_)
                    return self->router_.error_writer(taken->path)(reply, {503, "this server is stopping", "stopping"});
                self->router_.handle(std::move(*taken), reply, *self->access_, self->limits_);
            });
        };
        options.http.record = [self = impl.get()](const HttpRequest& request) { return self->monitor_.open(request); };
        options.http.refuse = [self = impl.get()](const HttpReply& reply, const std::string& path,
                                                  const Refusal& refusal) {
            self->router_.error_writer(path)(reply, {refusal.status, refusal.message});
        };
        options.http.instant = [self = impl.get()](const HttpRequest& request) { return self->instant(request); };
        // Listening comes first: a port that is taken is told before the models are loaded.
        impl->http_ = TRY(HttpServer::start(std::move(options.http)));
        impl->monitor_.set_http(impl->http_->load());
        if (options.loads_at_start)
            for (const Models::Entry& entry : impl->models_->list()) TRY(impl->models_->get(entry.name));
        impl->is_loading_ = false;
        return impl;
    }

    Impl(std::unique_ptr<Models> models, ServerOptions& options)
        : monitor_(options.version, std::move(options.access_log)),
          models_(std::move(models)),
          access_(options.access ? std::move(options.access) : open_access()),
          limits_(options.limits),
          encoders_(2),
          starters_(std::make_unique<Workers>(options.workers)),
          loads_(*models_, *starters_, options.http.limits.heartbeat / 3),
          service_(*models_, loads_, encoders_, limits_, options.most_waiting),
          api_{service_, options.version, options.is_strict, options.http.limits.json_depth, &monitor_, options.store} {
        service_.tell(std::move(options.notice));
        // Counted from zero, not from the first request on.
        for (const Models::Entry& entry : models_->list()) monitor_.metrics().of(entry.name);
    }

    ~Impl() {
        http_.reset();
        loads_.stop();
        starters_.reset();
        service_.cancel_all();
        service_.wait_until_idle();
    }

    // One line per file of api/.
    static void add_endpoints(Router& router, const ApiContext& api) {
        router.tell_errors("/", openai_error);
        add_metrics(router, api);
        add_openai_chat(router, api);
        add_openai_completions(router, api);
        add_openai_models(router, api);
        add_openai_responses(router, api);
        add_embeddings(router, api);
        add_rerank(router, api);
        add_ollama_chat(router, api);
        add_ollama_embed(router, api);
        add_ollama_models(router, api);
        add_text_tools(router, api);
        add_anthropic(router, api);
    }

    std::optional<InstantAnswer> instant(const HttpRequest& request) const {
        if (request.method != "GET" && request.method != "HEAD") return std::nullopt;
        // How Ollama's clients see whether somebody is there.
        if (request.path == "/" && request.method == "HEAD") return InstantAnswer{200, "text/plain", "ok\n"};
        if (request.path == "/livez") return InstantAnswer{200, "text/plain", "ok\n"};
        if (request.path != "/readyz" && request.path != "/health") return std::nullopt;
        if (is_draining_) return InstantAnswer{503, "application/json", R"({"status":"stopping"})"};
        if (is_loading_) return InstantAnswer{503, "application/json", R"({"status":"loading model"})"};
        return InstantAnswer{200, "application/json", R"({"status":"ok"})"};
    }

    Monitor monitor_;
    std::unique_ptr<Models> models_;
    std::unique_ptr<Access> access_;
    std::atomic<bool> is_draining_ = false, is_giving_up_ = false, is_loading_ = true;
    RateLimits limits_;
    Workers encoders_;
    std::unique_ptr<Workers> starters_;
    ModelLoads loads_;
    Service service_;
    ApiContext api_;
    Router router_;
    std::unique_ptr<HttpServer> http_;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(ServerOptions options) {
    return std::unique_ptr<Server>(new Server(TRY(Impl::start(std::move(options)))));
}

const std::vector<std::string>& Server::addresses() const {
    return impl_->http_->addresses();
}
const std::vector<std::string>& Server::notes() const {
    return impl_->http_->notes();
}
int Server::port() const {
    return impl_->http_->port();
}
Models& Server::models() {
    return *impl_->models_;
}

std::vector<Endpoint> Server::endpoints() const {
    return impl_->router_.endpoints();
}

bool Server::is_alive() const {
    // The I/O thread looks at its clock ten times a second.
    return impl_->http_->seconds_since_life() < 5;
}

bool Server::drain(double seconds, const std::function<bool()>& is_urgent) {
    HttpServer& http = *impl_->http_;
    impl_->is_draining_ = true;
    http.begin_drain();
    const double until = monotonic_seconds() + seconds;
    while (!http.is_idle() && monotonic_seconds() < until && !(is_urgent && is_urgent()))
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const bool is_done = http.is_idle();
    if (!is_done) {
        impl_->is_giving_up_ = true;
        impl_->service_.cancel_all();
        http.wait_until_idle(kLastWordsSeconds);
    }
    http.stop_accepting();
    return is_done;
}

}  // namespace hearth::server
