// The conventions of systemd, played from both sides.
#include "base/supervisor.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <functional>

#include "support/shared_data.h"

namespace hearth::test {
namespace {

// What `work` says in a child process that has the environment and the descriptors of one that systemd starts.
std::string started(const std::function<std::string()>& work) {
    int pipes[2];
    EXPECT_EQ(pipe2(pipes, O_CLOEXEC), 0);
    const pid_t child = fork();
    if (child == 0) {
        dup2(pipes[1], 100);
        setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
        const std::string said = work();
        _exit(write(100, said.data(), said.size()) == ssize_t(said.size()) ? 0 : 1);
    }
    close(pipes[1]);
    std::string said(4096, 0);
    said.resize(size_t(std::max<ssize_t>(0, read(pipes[0], said.data(), said.size()))));
    close(pipes[0]);
    waitpid(child, nullptr, 0);
    return said;
}

std::string sockets_text() {
    const auto found = inherited_sockets();
    if (!found) return found.error().line();
    std::string said;
    for (const int one : *found) said += std::to_string(one) + ((fcntl(one, F_GETFD) & FD_CLOEXEC) ? "c " : " ");
    return said + (std::getenv("LISTEN_FDS") || std::getenv("LISTEN_PID") ? "left" : "");
}

int listening(int type = SOCK_STREAM) {
    const int made = socket(AF_INET, type, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(made, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return -1;
    if (type == SOCK_STREAM && listen(made, 1) != 0) return -1;
    return made;
}

TEST(InheritedSockets, AreTakenByTheProcessTheyAreFor) {
    EXPECT_EQ(started([] {
                  setenv("LISTEN_FDS", "2", 1);
                  dup2(listening(), 3);
                  dup2(listening(), 4);
                  return sockets_text();
              }),
              "3c 4c ");
    EXPECT_EQ(started([] {
                  setenv("LISTEN_FDS", "1", 1);
                  setenv("LISTEN_PID", "1", 1);
                  return sockets_text();
              }),
              "");
    EXPECT_EQ(started([] { return sockets_text(); }), "");
}

TEST(InheritedSockets, MustListen) {
    for (const char* count : {"x", "-1", "1000", "1x"})
        EXPECT_NE(started([&] {
                      setenv("LISTEN_FDS", count, 1);
                      return sockets_text();
                  }).find("is no number"),
                  std::string::npos)
            << count;
    for (const auto& make : {std::function<int()>([] { return open("/dev/null", O_RDONLY); }),
                             std::function<int()>([] { return socket(AF_INET, SOCK_STREAM, 0); }),
                             std::function<int()>([] { return listening(SOCK_DGRAM); })})
        EXPECT_NE(started([&] {
                      setenv("LISTEN_FDS", "1", 1);
                      dup2(make(), 3);
                      return sockets_text();
                  }).find("descriptor 3"),
                  std::string::npos);
}

// A socket of datagrams under a path, as systemd has one.
class Listener {
public:
    explicit Listener(const std::string& path) : socket_(socket(AF_UNIX, SOCK_DGRAM, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        if (path[0] == '@') address.sun_path[0] = 0;
        const auto size = socklen_t(offsetof(sockaddr_un, sun_path) + path.size());
        EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0) << path;
    }
    ~Listener() { close(socket_); }
    std::string next() const {
        char text[256];
        const ssize_t count = recv(socket_, text, sizeof text, MSG_DONTWAIT);
        return std::string(text, size_t(std::max<ssize_t>(0, count)));
    }

private:
    int socket_;
};

TEST(SupervisorTest, HearsTheNews) {
    const std::string path = temporary_directory() + "/news", name = "@hearth-" + std::to_string(getpid());
    ASSERT_LT(path.size(), 100u);
    for (const std::string& place : {path, name}) {
        const Listener listener(place);
        setenv("NOTIFY_SOCKET", place.c_str(), 1);
        setenv("WATCHDOG_USEC", "2500000", 1);
        const auto supervisor = Supervisor::connect();
        ASSERT_TRUE(supervisor) << supervisor.error().line();
        EXPECT_EQ(supervisor->watchdog_seconds(), 2.5);
        EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr);
        supervisor->tell("READY=1\nSTATUS=serving");
        EXPECT_EQ(listener.next(), "READY=1\nSTATUS=serving");
    }
    // The watchdog of another process is not ours; nobody there is no error.
    const Listener again(path + "2");
    setenv("NOTIFY_SOCKET", (path + "2").c_str(), 1);
    setenv("WATCHDOG_USEC", "2500000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    const auto other = Supervisor::connect();
    ASSERT_TRUE(other);
    EXPECT_EQ(other->watchdog_seconds(), 0);
    const auto nobody = Supervisor::connect();
    ASSERT_TRUE(nobody);
    nobody->tell("READY=1");
    EXPECT_EQ(nobody->watchdog_seconds(), 0);
}

TEST(SupervisorTest, MustBeThere) {
    for (const std::string& path : {std::string("relative"), std::string("/nowhere/news"), std::string(200, '/')}) {
        setenv("NOTIFY_SOCKET", path.c_str(), 1);
        const auto made = Supervisor::connect();
        ASSERT_FALSE(made) << path;
        EXPECT_NE(made.error().line().find("NOTIFY_SOCKET"), std::string::npos);
    }
}

// One that stopped reading must not hold us up.
TEST(SupervisorTest, IsNotWaitedFor) {
    const std::string path = temporary_directory() + "/deaf";
    const Listener listener(path);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
    const auto supervisor = Supervisor::connect();
    ASSERT_TRUE(supervisor);
    for (int i = 0; i < 5000; ++i) supervisor->tell("WATCHDOG=1");
    EXPECT_EQ(listener.next(), "WATCHDOG=1");
}

}  // namespace
}  // namespace hearth::test
