#include "base/supervisor.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "base/os.h"

namespace hearth {

namespace {

// -1 where the text is no number.
int64_t number_of(const std::string& text) {
    int64_t number = -1;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    return read.ec == std::errc() && read.ptr == text.data() + text.size() ? number : -1;
}

// Addressed to another process, such as one that started us without clearing its environment.
bool is_for_another(const std::string& pid) {
    return !pid.empty() && number_of(pid) != int64_t(getpid());
}

int option_of(int socket, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    return getsockopt(socket, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

}  // namespace

Result<std::vector<int>> inherited_sockets() {
    const std::string pid = environment("LISTEN_PID"), count = environment("LISTEN_FDS");
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) unsetenv(name);
    if (count.empty() || pid.empty() || is_for_another(pid)) return std::vector<int>{};
    constexpr int kFirst = 3, kMost = 64;
    const int64_t sockets = number_of(count);
    if (sockets < 0 || sockets > kMost)
        return fail(ErrorKind::bad_request, fmt::format("LISTEN_FDS={} is no number from 0 to {}", count, kMost),
                    "let systemd set it, or unset it");
    std::vector<int> found;
    for (int one = kFirst; one < kFirst + int(sockets); ++one) {
        if (option_of(one, SO_TYPE) != SOCK_STREAM || option_of(one, SO_ACCEPTCONN) != 1)
            return fail(
                ErrorKind::bad_request,
                fmt::format("descriptor {}, which was handed over as a socket, is none that listens for streams", one),
                "use ListenStream= and Accept=no in the .socket unit");
        fcntl(one, F_SETFD, FD_CLOEXEC);
        found.push_back(one);
    }
    return found;
}

Result<Supervisor> Supervisor::connect() {
    Supervisor made;
    const std::string path = environment("NOTIFY_SOCKET"), pid = environment("WATCHDOG_PID"),
                      watchdog = environment("WATCHDOG_USEC");
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"}) unsetenv(name);
    if (path.empty()) return made;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if ((path[0] != '/' && path[0] != '@') || path.size() >= sizeof address.sun_path)
        return fail(ErrorKind::bad_request, fmt::format("NOTIFY_SOCKET={} is no path of a socket", path),
                    "let systemd set it, or unset it");
    std::memcpy(address.sun_path, path.data(), path.size());
    if (path[0] == '@') address.sun_path[0] = 0;  // a name without a file
    const auto size = socklen_t(offsetof(sockaddr_un, sun_path) + path.size());
    made.socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (made.socket_ < 0 || ::connect(made.socket_, reinterpret_cast<const sockaddr*>(&address), size) != 0)
        return fail(ErrorKind::not_found,
                    fmt::format("cannot tell {} that hearth is ready: {}", path, std::strerror(errno)),
                    "let systemd set NOTIFY_SOCKET, or unset it");
    if (const int64_t microseconds = number_of(watchdog); microseconds > 0 && !is_for_another(pid))
        made.watchdog_seconds_ = double(microseconds) * 1e-6;
    return made;
}

Supervisor& Supervisor::operator=(Supervisor&& other) noexcept {
    std::swap(socket_, other.socket_);
    std::swap(watchdog_seconds_, other.watchdog_seconds_);
    return *this;
}

Supervisor::~Supervisor() {
    if (socket_ >= 0) close(socket_);
}

void Supervisor::tell(std::string_view news) const {
    if (socket_ < 0) return;
    while (send(socket_, news.data(), news.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EINTR) {
    }
}

}  // namespace hearth
