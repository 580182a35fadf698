// hearth serve: the models on this machine behind the interfaces that clients already know.
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>

#include "base/os.h"
#include "base/private_files.h"
#include "base/supervisor.h"
#include "base/text_format.h"
#include "cli/access_log.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/confined_server.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/read_texts.h"
#include "engine/kept_texts.h"
#include "engine/loaded_model.h"
#include "engine/texts.h"
#include "library/installed.h"
#include "library/quantise_file.h"
#include "server/access.h"
#include "server/http/tls.h"
#include "server/server.h"
#include "store/audit.h"
#include "store/store.h"

namespace hearth::cli {

namespace {

constexpr int64_t kMostLimit = int64_t{1} << 50;

struct ServeOptions {
    ModelOptions model{.kv = ""};  // of all models; the word is in `models`. No kv: what suits their use
    std::vector<std::string> models, hosts;
    int port = 11435;
    std::string unix_socket, api_key_file, cache, cache_disk;
    server::TlsFiles tls;
    std::string log_to = "-", log_format;
    std::vector<std::string> allowed_hosts, allowed_origins;
    store::KeyLimits limits;
    bool insecure = false, strict = false, check_config = false, on_demand = false, no_tcp = false,
         keeps_nothing = false;
    std::string max_memory;
    int64_t max_models = 0, idle = 0;
    bool no_confinement = false;
    int64_t parallel = 4, queue = 256, drain = 30, max_body = 64;
};

// "models/Qwen3.5-2B-Q4_K_M.gguf" -> "Qwen3.5-2B-Q4_K_M"; of a file in parts: without the part's number.
std::string name_of_file(const std::string& path) {
    std::filesystem::path file(path);
    if (!file.has_filename()) file = file.parent_path();
    std::string name = file.extension() == ".gguf" ? file.stem().string() : file.filename().string();
    const size_t part = name.rfind("-00001-of-");
    return part == std::string::npos ? name : name.substr(0, part);
}

// Models that read texts for vectors or scores: nothing goes on from an earlier state, and the numbers are those of
// `hearth embed` and `hearth rerank`.
void suit_reading(const Checkpoint& checkpoint, bool chooses_kv, EngineOptions& engine) {
    if (chooses_kv) engine.kv_type = KvType::f32;
    engine.snapshots = 0;
    engine.cache_directory.clear();
    if (is_causal(checkpoint)) return;
    engine.sequences = std::max(engine.sequences, kWholeTextsAtOnce);
    // --ctx is meant for all models; these know no more positions than they were trained on.
    engine.context_tokens = std::min(engine.context_tokens, made_for_tokens(checkpoint));
}

// 0: nothing is kept on disk.
Result<int64_t> disk_bytes(const ServeOptions& options) {
    if (options.cache_disk.empty() || options.cache_disk == "0") return 0;
    if (kept_texts_directory().empty())
        return fail(ErrorKind::bad_request, "--cache-disk has no place: there is no home directory",
                    "set HEARTH_HOME to a folder, or leave --cache-disk away");
    return parse_size(options.cache_disk);
}

Result<server::ModelSpec> spec_of(const std::string& word, const ServeOptions& options) {
    std::error_code ignored;
    const size_t equals = word.find('=');
    const bool has_name = equals != std::string::npos && !std::filesystem::exists(word, ignored);
    server::ModelSpec spec;
    spec.path = installed_model(has_name ? word.substr(equals + 1) : word);
    spec.name = has_name ? word.substr(0, equals) : name_of_file(spec.path);
    if (spec.name.empty() || spec.path.empty())
        return fail(ErrorKind::bad_request, fmt::format("--model {} is no NAME=PATH", word), "write --model NAME=PATH");
    if (!std::filesystem::exists(spec.path, ignored))
        return fail(ErrorKind::not_found, "there is no file " + spec.path,
                    "give the path of a GGUF file or of a model directory");
    ModelOptions model = options.model;
    model.model = spec.path;
    if (model.kv.empty()) model.kv = "f16";
    EngineOptions engine = TRY(engine_options(model));
    engine.sequences = options.parallel;
    if (!options.cache.empty()) engine.cache_bytes = TRY(parse_size(options.cache));
    if (const int64_t bytes = TRY(disk_bytes(options)); bytes > 0) {
        engine.cache_directory = kept_texts_directory();
        engine.cache_disk_bytes = bytes;
        engine.notice = [](const std::string& line) { notice("hearth: " + line); };
    }
    engine.snapshots = 2 * options.parallel;  // the next turn of a conversation goes on from there, an edited one too
    spec.open = [model, engine, chose_kv = !options.model.kv.empty()](
                    const server::LoadProgress& loading) -> Result<std::unique_ptr<Engine>> {
        Checkpoint checkpoint = TRY(open_weights(model));
        EngineOptions suited = engine;
        suited.progress = loading;
        if (use_of(checkpoint) != FileUse::text) suit_reading(checkpoint, !chose_kv, suited);
        return open_engine(model, std::move(checkpoint), suited, true);
    };
    return spec;
}

Result<std::vector<server::ModelSpec>> specs_of(const ServeOptions& options) {
    std::vector<std::string> words = options.models;
    if (words.empty()) {
        words.emplace_back(kDemoModel);
        if (installed_model(kDemoModel) == kDemoModel)
            return fail(ErrorKind::not_found, "no model was named, and the demo model is not installed",
                        "give --model with a GGUF file or a model directory");
        notice("hearth: this serves the 8 MB demo model that comes with hearth; give --model FILE for a real one");
    }
    std::vector<server::ModelSpec> specs;
    for (const std::string& word : words) specs.push_back(TRY(spec_of(word, options)));
    return specs;
}

// Null where none is wanted.
Result<std::shared_ptr<server::Tls>> tls_of(const server::TlsFiles& files) {
    if (files.certificate.empty() && files.key.empty()) return nullptr;
    if (files.certificate.empty() || files.key.empty())
        return fail(ErrorKind::bad_request, "--tls-cert and --tls-key are of no use without each other",
                    files.key.empty() ? "give --tls-key FILE too" : "give --tls-cert FILE too");
    constexpr int64_t kFewDays = 14;
    auto tls = TRY(server::Tls::load(files));
    if (tls->days_left() < kFewDays)
        notice(fmt::format("hearth: the certificate {} expires in {} days", files.certificate, tls->days_left()));
    return tls;
}

Result<server::ServerOptions> server_options(const ServeOptions& options, std::vector<int> inherited) {
    server::ServerOptions made;
    made.models = TRY(specs_of(options));
    if (!options.max_memory.empty()) made.model_limits.memory_bytes = TRY(parse_size(options.max_memory));
    made.model_limits.most = options.max_models;
    made.model_limits.idle_seconds = double(options.idle);
    made.http.hosts = options.hosts;
    if (made.http.hosts.empty() && !options.no_tcp && inherited.empty()) made.http.hosts.emplace_back("127.0.0.1");
    made.http.inherited = std::move(inherited);
    made.http.port = options.port;
    made.http.unix_socket = options.unix_socket;
    made.http.tls = TRY(tls_of(options.tls));
    made.http.allowed_hosts = options.allowed_hosts;
    made.http.allowed_origins = options.allowed_origins;
    server::Limits& limits = made.http.limits;
    limits.body_bytes = size_t(options.max_body) << 20;
    limits.all_bodies_bytes = std::max(limits.all_bodies_bytes, 2 * limits.body_bytes);
    server::StoreAccessOptions access{.folder = data_directory(), .others = {}};
    if (!options.api_key_file.empty()) access.others = TRY(server::key_file_access(options.api_key_file));
    auto door = TRY(server::StoreAccess::open(std::move(access)));
    made.http.may_leave_loopback = options.insecure || door->wants_keys();
    if (!door->wants_keys() && options.insecure)
        notice("hearth: --insecure: everybody who reaches this machine may use the models");
    made.access = std::move(door);
    made.limits = options.limits;
    made.most_waiting = size_t(options.queue);
    const bool has_limits = !options.max_memory.empty() || options.max_models > 0;
    made.loads_at_start = !options.on_demand && !(has_limits && made.models.size() > 1);
    made.is_strict = options.strict;
    made.version = HEARTH_VERSION;
    made.notice = [](const std::string& line) { notice("hearth: " + line); };
    made.access_log = TRY(access_log(options.log_to, options.log_format));
    return made;
}

// What was said with keys that are revoked; a server that still knew them may have kept it when it ended.
Result<> forget_revoked(const std::string& kept_texts) {
    const auto access = TRY(server::StoreAccess::open({.folder = data_directory(), .others = {}}));
    if (const int64_t files = forget_kept_texts(kept_texts, TRY(access->gone_owners())); files > 0)
        notice(fmt::format("hearth: what was kept on the disk for revoked keys is deleted ({} files)", files));
    return {};
}

// Whether all this could be served; nothing is loaded, and nobody is disturbed.
Result<> check(server::ServerOptions made, const ServeOptions& options) {
    if (TRY(disk_bytes(options)) > 0) TRY(check_own_folder(kept_texts_directory()));
    for (const server::ModelSpec& spec : made.models) {
        TRY(open_checkpoint(spec.path));
        notice(fmt::format("{}: {}", spec.name, spec.path));
    }
    TRY(server::Models::make(std::move(made.models)));
    // Any port will do: the real one may be in use by the server that this is to replace.
    made.http.port = 0;
    made.http.unix_socket.clear();
    if (!made.http.hosts.empty() || !made.http.inherited.empty()) TRY(server::HttpServer::start(std::move(made.http)));
    notice("hearth: this configuration can be served");
    return {};
}

// Signs of life for whoever wants them: only while connections are looked after.
class Pulse {
public:
    Pulse(const server::Server& server, const Supervisor& supervisor) : server_(server), supervisor_(supervisor) {}

    void beat() {
        const double now = monotonic_seconds(), period = supervisor_.watchdog_seconds() / 3;
        if (period <= 0 || now - last_ < period || !server_.is_alive()) return;
        last_ = now;
        supervisor_.tell("WATCHDOG=1");
    }

private:
    const server::Server& server_;
    const Supervisor& supervisor_;
    double last_ = 0;
};

// Certificates are renewed while a server runs.
class Renewal {
public:
    explicit Renewal(std::shared_ptr<server::Tls> tls) : tls_(std::move(tls)) {}

    void look() {
        constexpr double kEverySeconds = 2;
        const double now = monotonic_seconds();
        if (!tls_ || now - last_ < kEverySeconds) return;
        last_ = now;
        const auto renewed = tls_->refresh();
        if (!renewed)
            notice("hearth: the former certificate stays: " + renewed.error().line());
        else if (*renewed)
            notice(fmt::format("a new certificate is used, for {} days", tls_->days_left()));
    }

private:
    const std::shared_ptr<server::Tls> tls_;
    double last_ = monotonic_seconds();
};

// Null where nothing can be kept; who asks for it is told.
std::shared_ptr<store::Store> store_of_responses() {
    auto opened = store::Store::open(data_directory());
    if (opened) return std::make_shared<store::Store>(std::move(*opened));
    notice("hearth: responses are not kept: " + opened.error().line());
    return nullptr;
}

// What models have read and no request uses any more outlasts this process, as far as it is written soon.
void save_kept_texts(server::Server& server, const std::function<bool()>& is_urgent) {
    constexpr double kSeconds = 20;
    const double until = monotonic_seconds() + kSeconds;
    for (const auto& entry : server.models().list())
        if (entry.model && !is_urgent()) entry.model->engine().save_kept(until - monotonic_seconds(), is_urgent);
}

// Writes down who had which model loaded and unloaded.
server::Models::Tell model_audit() {
    if (data_directory().empty()) return {};
    auto opened = store::AuditLog::open(data_directory());
    if (!opened) {
        notice("hearth: it is not written down who has models loaded: " + opened.error().line());
        return {};
    }
    return [log = std::make_shared<store::AuditLog>(std::move(*opened))](const server::ModelNews& news) {
        Json details = Json::Object{{"model", news.model}, {"seconds", news.seconds}};
        if (!news.why.empty()) details.set("why", news.why);
        const auto told =
            log->append(news.by, news.is_loaded ? "models.load" : "models.unload", details, unix_milliseconds());
        if (!told) notice("hearth: " + told.error().line());
    };
}

// Until somebody wants it to end, and through that end.
void live(server::Server& server, Renewal renewal, const Supervisor& supervisor, int64_t drain_seconds) {
    Pulse pulse(server, supervisor);
    supervisor.tell("READY=1");
    while (!was_interrupted()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        pulse.beat();
        renewal.look();
    }
    notice("stopping: answers that are on their way are finished; a second Ctrl-C gives them up");
    supervisor.tell(fmt::format("STOPPING=1\nEXTEND_TIMEOUT_USEC={}", (drain_seconds + 30) * 1'000'000));
    const auto is_urgent = [&] {
        pulse.beat();
        return interrupts() > 1;
    };
    const bool is_done = server.drain(double(drain_seconds), is_urgent);
    if (!is_done && interrupts() > 1)
        notice("hearth: some answers were given up");
    else if (!is_done)
        notice(fmt::format("hearth: some answers were not ready after {} s and were given up", drain_seconds));
    save_kept_texts(server, is_urgent);
}

Result<int> serve(const ServeOptions& options) {
    const Supervisor supervisor = TRY(Supervisor::connect());
    server::ServerOptions made = TRY(server_options(options, TRY(inherited_sockets())));
    if (made.http.hosts.empty() && made.http.unix_socket.empty() && made.http.inherited.empty())
        return fail(ErrorKind::bad_request, "--no-tcp leaves nothing to listen on", "give --unix-socket PATH");
    if (options.check_config) {
        TRY(check(std::move(made), options));
        return kDone;
    }
    if (!options.keeps_nothing) made.store = store_of_responses();
    // As early as can be, for model files may be hostile; and before there are threads, which would not be confined.
    // A folder that is made later, for a first key, could not be read any more. Without one there are no keys.
    if (!data_directory().empty()) (void)make_private_folder(data_directory());
    ServerPlaces places;
    if (options.log_to != "-" && options.log_to != "none") places.access_log = options.log_to;
    if (TRY(disk_bytes(options)) > 0) {
        places.kept_texts = kept_texts_directory();
        TRY(make_own_folder(places.kept_texts));
        TRY(forget_revoked(places.kept_texts));
    }
    if (options.no_confinement)
        notice("hearth: --no-confinement: this process keeps all rights of the user who started it");
    else
        TRY(confine_server(made, places));
    Renewal renewal(made.http.tls);
    made.tell_models = model_audit();
    auto started = server::Server::start(std::move(made));
    if (!started && started.error().kind == ErrorKind::cancelled && was_interrupted()) return kDone;
    const auto server = TRY(std::move(started));
    if (!options.no_confinement) forbid_connections();
    for (const auto& entry : server->models().list()) {
        if (entry.model && !entry.model->note().empty())
            notice(fmt::format("hearth: {}: {}", entry.name, entry.model->note()));
        notice(fmt::format("model {}{}", entry.name, entry.model ? "" : " (loaded when it is asked for)"));
    }
    for (const std::string& note : server->notes()) notice("hearth: " + note);
    for (const std::string& address : server->addresses()) notice("listening on " + address);
    live(*server, std::move(renewal), supervisor, options.drain);
    return kDone;
}

// With its settings on standard output; whatever is wrong is wrong usage.
Result<int> check_config(const ServeOptions& options, const Command& command) {
    TRY(write_out(settings_text(command)));
    const auto checked = serve(options);
    if (!checked) return report(checked.error()), kWrongUsage;
    return *checked;
}

}  // namespace

void add_serve(Command& program) {
    auto options = std::make_shared<ServeOptions>();
    Command command = program.add_command("serve", "Answer OpenAI's, Anthropic's and Ollama's clients over HTTP");
    command.add(
        "--model", options->models,
        "A GGUF file or a Hugging Face directory, or NAME=PATH to give it a name; repeatable (default: ember, the "
        "demo model)");
    command.add_flag("--on-demand", options->on_demand, "Load a model when it is first asked for, not at the start");
    command
        .add(
            "--max-memory", options->max_memory,
            "Memory of all models together, such as 8G; the one that has been idle for longest makes room for the next")
        .in_group("Several models");
    command.add("--max-models", options->max_models, "Models in memory at the same time (0: no limit)")
        .between(0, 1000)
        .in_group("Several models");
    command.add("--idle", options->idle, "Seconds after which a model that nobody uses leaves the memory (0: never)")
        .between(0, int64_t{1} << 30)
        .in_group("Several models");
    command.add("--parallel", options->parallel, "Answers of one model at the same time; more wait")
        .show_default()
        .between(1, 1024);
    command.add("--queue", options->queue, "Requests for one model that wait; more are sent away with 429")
        .show_default()
        .between(0, 100000);
    command.add(
        "--cache", options->cache,
        "Memory for each model to remember finished texts in (800M, 4G), beside what running answers leave free");
    command.add("--cache-disk", options->cache_disk,
                "Disk space to keep finished texts in, of all models together (4G): what was read is known after a "
                "restart (default: 0, none)");
    const std::string reach = "Who reaches it";
    command.add("--host", options->hosts, "Address or name to listen on, repeatable (default: 127.0.0.1)")
        .in_group(reach);
    command.add("--port", options->port, "0: any free one").in_group(reach).show_default().between(0, 65535);
    command.add("--unix-socket", options->unix_socket, "Listen on this path too; only its owner gets in")
        .in_group(reach);
    command.add_flag("--no-tcp", options->no_tcp, "Listen on --unix-socket alone").in_group(reach);
    command
        .add("--tls-cert", options->tls.certificate,
             "Speak TLS, with this certificate (PEM, those that vouch for it behind it); renewed files are noticed")
        .in_group(reach);
    command.add("--tls-key", options->tls.key, "The certificate's key (PEM, not for everybody to read)")
        .in_group(reach);
    command
        .add("--api-key-file", options->api_key_file,
             "Answer only requests with a key: one of this file, one a line, or of `hearth keys`")
        .in_group(reach);
    command
        .add_flag("--insecure", options->insecure,
                  "Allow addresses that other machines reach although no key is asked for")
        .in_group(reach);
    command
        .add("--allow-host", options->allowed_hosts,
             "A name by which clients may call this server beside localhost and --host, repeatable; *: any")
        .in_group(reach);
    command
        .add("--allow-origin", options->allowed_origins,
             "A web page's origin (https://chat.example) that may use this server, repeatable; *: any")
        .in_group(reach);
    const std::string log = "What it tells";
    command
        .add("--access-log", options->log_to, "A line per request goes to this file; -: standard error, none: nowhere")
        .in_group(log)
        .show_default();
    command.add("--log-format", options->log_format, "Of these lines (default: text on a terminal, else json)")
        .in_group(log)
        .one_of({"json", "text"});
    const std::string limits = "What each client may ask, unless its key says otherwise (0: anything)";
    command.add("--requests-per-minute", options->limits.requests_per_minute, "Requests in a minute")
        .in_group(limits)
        .show_default()
        .between(0, kMostLimit);
    command.add("--tokens-per-minute", options->limits.tokens_per_minute, "Of prompts and answers")
        .in_group(limits)
        .show_default()
        .between(0, kMostLimit);
    command.add("--concurrent", options->limits.concurrency, "Requests at the same time")
        .in_group(limits)
        .show_default()
        .between(0, kMostLimit);
    command.add("--max-body", options->max_body, "Largest request in MiB").show_default().between(1, 4096);
    command.add("--drain", options->drain, "Seconds that answers may still take once the server is told to stop")
        .show_default()
        .between(0, 86400);
    command.add_flag("--strict", options->strict, "Fields of a request that are not known are errors, not warnings");
    command.add_flag("--no-save", options->keeps_nothing,
                     "Keep no responses: clients must send the whole conversation each time");
    command.add_flag("--no-confinement", options->no_confinement,
                     "Keep all rights of the user; else the server gives up all files but the models' folders, other "
                     "programs and new connections");
    command.add_flag("--check-config", options->check_config,
                     "Only print all settings and where they come from, and look whether they can be served");
    add_model_options(command, options->model);
    add_settings(command, "serve", {"--check-config"});
    command.add_footer(
        "Every flag can also be set by the environment (HEARTH_PORT for --port) and in the configuration "
        "file; the command line comes first, then the environment, then the file.");
    command.runs([options, command] {
        catch_interrupts(2);
        return options->check_config ? check_config(*options, command) : serve(*options);
    });
}

}  // namespace hearth::cli
