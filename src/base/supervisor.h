// What systemd, or whoever else started us by its conventions, hands over and wants to hear: sockets that listen
// already (sd_listen_fds), "ready", "stopping" and signs of life (sd_notify). Does nothing where nobody asked for it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace hearth {

// Descriptors of listening stream sockets, ours from now on; empty: none were handed over. Takes the variables that
// told of them out of the environment, so call it before there are threads.
Result<std::vector<int>> inherited_sockets();

class Supervisor {
public:
    Supervisor() = default;  // nobody
    // Whoever NOTIFY_SOCKET names. Connects now: later there may be no new sockets.
    static Result<Supervisor> connect();
    Supervisor(Supervisor&& other) noexcept { *this = std::move(other); }
    Supervisor& operator=(Supervisor&& other) noexcept;
    ~Supervisor();

    // "READY=1", "STOPPING=1", "STATUS=..." and so on, several lines at once if need be. What is lost is lost: a
    // supervisor that does not listen is no reason to stop.
    void tell(std::string_view news) const;
    // It wants to hear WATCHDOG=1 at least this often; 0: it does not.
    double watchdog_seconds() const { return watchdog_seconds_; }

private:
    int socket_ = -1;
    double watchdog_seconds_ = 0;
};

}  // namespace hearth
