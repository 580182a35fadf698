// hearth top: a running server at work, as often as the screen is drawn.
#include <unistd.h>

#include <chrono>
#include <memory>
#include <thread>

#include "base/json.h"
#include "base/os.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/terminal/top_screen.h"
#include "server/access.h"
#include "server/http/client.h"

namespace hearth::cli {

namespace {

struct TopOptions {
    std::string url = "http://127.0.0.1:11435", api_key_file;
    float every = 1;
    bool once = false, json = false;
};

class Watched {
public:
    static Result<Watched> make(const TopOptions& options) {
        Watched watched;
        watched.server_ = TRY(server::ServerAddress::parse(options.url));
        if (!options.api_key_file.empty()) {
            const auto keys = TRY(server::read_keys(options.api_key_file));
            watched.key_ = keys.front();
        }
        return watched;
    }

    Result<Json> ask() const {
        const server::Fetched answer = TRY(server::http_get(server_, "/v1/hearth/status", key_, 5));
        if (answer.status == 401 || answer.status == 403)
            return fail(ErrorKind::bad_request, server_.text() + " does not know who is asking",
                        "give --api-key-file with a key that may look at it");
        if (answer.status != 200)
            return fail(ErrorKind::unsupported,
                        fmt::format("{} answers with status {} and not with its state", server_.text(), answer.status),
                        "check --url: this looks at `hearth serve`");
        return Json::parse(answer.body);
    }

private:
    server::ServerAddress server_;
    std::string key_;
};

std::string joined(const std::vector<std::string>& lines, std::string_view end) {
    std::string all;
    for (const std::string& line : lines) (all += line) += end;
    return all;
}

// False: Ctrl-C came first.
bool pause(double seconds) {
    const double until = monotonic_seconds() + seconds;
    while (monotonic_seconds() < until) {
        if (was_interrupted()) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return !was_interrupted();
}

Result<> show_once(const Watched& watched, const TopOptions& options) {
    Json now = TRY(watched.ask());
    if (options.json) return write_out(now.dump(2) + "\n");
    const Json before = std::move(now);
    if (!pause(0.5)) return {};
    now = TRY(watched.ask());
    return write_out(joined(top_screen(now, &before, {.columns = 200, .rows = 10000}), "\n"));
}

Result<> show_live(const Watched& watched, const TopOptions& options) {
    constexpr const char *kClear = "\x1b[H\x1b[2J", *kHome = "\x1b[H", *kNextLine = "\x1b[K\r\n",
                         *kEraseRest = "\x1b[J";
    const auto view = [] {
        return TopView{.columns = terminal_columns(STDOUT_FILENO),
                       .rows = terminal_rows(STDOUT_FILENO) - 1,
                       .colour = wants_colour()};
    };
    Json last = TRY(watched.ask());
    std::vector<std::string> lines = top_screen(last, nullptr, view());
    TRY(write_out(kClear));
    while (true) {
        TRY(write_out(kHome + joined(lines, kNextLine) + kEraseRest));
        if (!pause(double(options.every))) return {};
        if (auto now = watched.ask()) {
            lines = top_screen(*now, &last, view());
            last = std::move(*now);
        } else {
            // The server may come back.
            lines.resize(1);
            lines.push_back(one_line(now.error().line()).substr(0, size_t(view().columns)));
        }
    }
}

}  // namespace

void add_top(Command& program) {
    auto options = std::make_shared<TopOptions>();
    Command command = program.add_command("top", "Watch a running server: requests, speeds, memory");
    command.add("--url", options->url, "Where it listens: http://HOST:PORT or unix:PATH").show_default();
    command.add("--api-key-file", options->api_key_file, "The first key of this file opens it");
    command.add("--every", options->every, "Seconds between two looks").show_default();
    command.add_flag("--once", options->once, "One look, as where no terminal is");
    command.add_flag("--json", options->json, "One look, as JSON");
    command.runs([options]() -> Result<> {
        if (!(options->every >= 0.1F && options->every <= 3600))
            return fail(ErrorKind::bad_request, "--every must lie between 0.1 and 3600 seconds");
        const Watched watched = TRY(Watched::make(*options));
        catch_interrupts();
        const bool is_live = is_terminal(STDOUT_FILENO) && !options->once && !options->json;
        return is_live ? show_live(watched, *options) : show_once(watched, *options);
    });
}

}  // namespace hearth::cli
