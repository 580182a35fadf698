// A child process confines itself and tries what it must not be able to do, and what it must.
#include "base/confinement.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "support/shared_data.h"

namespace hearth::test {
namespace {

namespace fs = std::filesystem;

// "done", or the name of what the call failed with.
std::string outcome(long result) {
    return result >= 0 ? "done" : strerrorname_np(errno);
}
std::string try_open(const std::string& path, int flags) {
    const int file = open(path.c_str(), flags | O_CLOEXEC, 0600);
    const std::string said = outcome(file);
    if (file >= 0) close(file);
    return said;
}
std::string try_socket(int family, int type, int protocol = 0) {
    const int made = socket(family, type, protocol);
    const std::string said = outcome(made);
    if (made >= 0) close(made);
    return said;
}

class ConfinementTest : public testing::Test {
protected:
    void SetUp() override {
#ifdef HEARTH_SANITIZED_THREADS
        GTEST_SKIP() << "this sanitizer has a thread of its own";
#endif
        root = fs::canonical(temporary_directory()) / "confined";
        fs::remove_all(root);
        for (const char* folder : {"models", "data", "logs", "sockets", "outside"})
            fs::create_directories(root / folder);
        std::ofstream(root / "models/weights") << "weights";
        std::ofstream(root / "outside/secret") << "secret";
        fs::create_symlink(root / "outside/secret", root / "models/link");
        allowed = {.read = {at("models"), at("missing")},
                   .write = {at("data")},
                   .logs = {at("logs")},
                   .sockets = {at("sockets")}};
    }

    std::string at(const std::string& below) const {
        return (root / below).string();
    }

    // What `work` says once the child has confined itself. A child that is killed says the signal's name.
    std::string confined(const std::function<std::string()>& work) {
        int pipes[2];
        EXPECT_EQ(pipe(pipes), 0);
        const pid_t child = fork();
        if (child == 0) {
            const auto gaps = confine(allowed);
            const std::string said = !gaps ? gaps.error().line() : gaps->empty() ? work() : "gap: " + gaps->front();
            _exit(write(pipes[1], said.data(), said.size()) == ssize_t(said.size()) ? 0 : 1);
        }
        close(pipes[1]);
        std::string said(4096, 0);
        const ssize_t count = read(pipes[0], said.data(), said.size());
        said.resize(size_t(std::max<ssize_t>(count, 0)));
        close(pipes[0]);
        int status = 0;
        EXPECT_EQ(waitpid(child, &status, 0), child);
        if (WIFSIGNALED(status)) return sigabbrev_np(WTERMSIG(status));
        return said;
    }
    // Skips where the system cannot do it, as the program then goes on with a notice.
    bool is_possible() {
        const std::string said = confined([] { return "fine"; });
        if (!said.starts_with("gap: ")) {
            EXPECT_EQ(said, "fine");
        }
        return said == "fine";
    }

    fs::path root;
    Confinement allowed;
};

#define NEED_CONFINEMENT() \
    if (!is_possible()) GTEST_SKIP() << "this system cannot confine a process"

TEST_F(ConfinementTest, FilesThatWereNamedCanBeUsed) {
    NEED_CONFINEMENT();
    const auto opens = [&](const std::string& path, int flags) {
        return confined([&] { return try_open(path, flags); });
    };
    EXPECT_EQ(opens(at("models/weights"), O_RDONLY), "done");
    EXPECT_EQ(opens(at("models"), O_RDONLY | O_DIRECTORY), "done");
    EXPECT_EQ(opens(at("data/new"), O_RDWR | O_CREAT | O_TRUNC), "done");
    EXPECT_EQ(confined([&] { return outcome(unlink(at("data/new").c_str())); }), "done");
    for (const char* path : {"/proc/self/status", "/proc/meminfo", "/dev/urandom", "/etc/hosts"}) {
        if (fs::exists(path)) {
            EXPECT_EQ(opens(path, O_RDONLY), "done") << path;
        }
    }
    EXPECT_EQ(opens("/dev/null", O_WRONLY), "done");
}

TEST_F(ConfinementTest, LogsCanBeBegunAnewAndNotRead) {
    NEED_CONFINEMENT();
    const int append = O_WRONLY | O_APPEND | O_CREAT;
    EXPECT_EQ(confined([&] { return try_open(at("logs/access"), append); }), "done");
    EXPECT_EQ(confined([&] { return try_open(at("logs/access"), append); }), "done");
    EXPECT_EQ(confined([&] { return try_open(at("logs/access"), O_RDONLY); }), "EACCES");
    EXPECT_EQ(confined([&] { return try_open(at("logs/access"), O_WRONLY | O_TRUNC); }), "EACCES");
    EXPECT_EQ(confined([&] { return outcome(unlink(at("logs/access").c_str())); }), "EACCES");
}

TEST_F(ConfinementTest, OtherFilesCannot) {
    NEED_CONFINEMENT();
    const auto opens = [&](const std::string& path, int flags) {
        return confined([&] { return try_open(path, flags); });
    };
    EXPECT_EQ(opens(at("outside/secret"), O_RDONLY), "EACCES");
    EXPECT_EQ(opens(at("models/link"), O_RDONLY), "EACCES");
    EXPECT_EQ(opens(at("outside"), O_RDONLY | O_DIRECTORY), "EACCES");
    EXPECT_EQ(opens("/etc/passwd", O_RDONLY), "EACCES");
    EXPECT_EQ(opens("/proc/1/environ", O_RDONLY), "EACCES");
    EXPECT_EQ(opens(at("outside/new"), O_WRONLY | O_CREAT), "EACCES");
    // What can be read cannot be changed.
    EXPECT_EQ(opens(at("models/weights"), O_RDWR), "EACCES");
    EXPECT_EQ(opens(at("models/new"), O_WRONLY | O_CREAT), "EACCES");
    EXPECT_EQ(confined([&] { return outcome(truncate(at("models/weights").c_str(), 0)); }), "EACCES");
    EXPECT_EQ(confined([&] { return outcome(unlink(at("models/weights").c_str())); }), "EACCES");
    EXPECT_EQ(confined([&] { return outcome(rename(at("models/weights").c_str(), at("data/taken").c_str())); }),
              "EACCES");
    EXPECT_EQ(confined([&] { return outcome(symlink("/etc/passwd", at("data/link").c_str())); }), "EACCES");
    EXPECT_EQ(read_text(at("models/weights")), "weights");
}

TEST_F(ConfinementTest, OtherProgramsCannotBeStarted) {
    NEED_CONFINEMENT();
    EXPECT_EQ(confined([] {
                  char name[] = "true";
                  char* words[] = {name, nullptr};
                  return outcome(execve("/bin/true", words, environ));
              }),
              "SYS");
    EXPECT_EQ(confined([] { return outcome(syscall(SYS_execveat, 0, "", nullptr, nullptr, 0)); }), "SYS");
}

TEST_F(ConfinementTest, CallsThatOnlyAnIntruderMakesAreItsEnd) {
    NEED_CONFINEMENT();
    EXPECT_EQ(confined([] { return outcome(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)); }), "SYS");
    EXPECT_EQ(confined([] { return outcome(process_vm_readv(getppid(), nullptr, 0, nullptr, 0, 0)); }), "SYS");
    EXPECT_EQ(confined([] { return outcome(mount("none", "/", "tmpfs", 0, nullptr)); }), "SYS");
    EXPECT_EQ(confined([] { return outcome(unshare(CLONE_NEWUSER)); }), "SYS");
    EXPECT_EQ(confined([] { return outcome(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)); }), "SYS");
    EXPECT_EQ(confined([] { return outcome(syscall(SYS_bpf, 0, nullptr, 0)); }), "SYS");
    EXPECT_EQ(confined([] { return outcome(syscall(SYS_keyctl, 0, 0, 0, 0, 0)); }), "SYS");
    EXPECT_EQ(confined([] { return outcome(syscall(SYS_finit_module, -1, "", 0)); }), "SYS");
    EXPECT_EQ(confined([] { return outcome(syscall(SYS_userfaultfd, 0)); }), "SYS");
}

TEST_F(ConfinementTest, SocketsAreForStreams) {
    NEED_CONFINEMENT();
    EXPECT_EQ(confined([] { return try_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP); }),
              "done");
    EXPECT_EQ(confined([] { return try_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC); }), "done");
    EXPECT_EQ(confined([] { return try_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP); }), "EPERM");
    EXPECT_EQ(confined([] { return try_socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP); }), "EPERM");
    EXPECT_EQ(confined([] { return try_socket(AF_NETLINK, SOCK_DGRAM); }), "EPERM");
    EXPECT_EQ(confined([] { return try_socket(AF_PACKET, SOCK_DGRAM); }), "EPERM");
    EXPECT_EQ(confined([] { return try_socket(AF_UNIX, SOCK_SEQPACKET); }), "EPERM");
    EXPECT_EQ(confined([] { return try_socket(AF_INET, SOCK_STREAM, 262); }), "EPERM");  // several paths at once
    EXPECT_EQ(confined([] { return outcome(syscall(SYS_io_uring_setup, 1, nullptr)); }), "EPERM");
}

std::string try_bind(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    const int made = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(made, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return outcome(-1);
    return outcome(unlink(path.c_str()));
}

TEST_F(ConfinementTest, UnixSocketsStandWhereTheyMay) {
    NEED_CONFINEMENT();
    fs::current_path(root);  // the path of a Unix socket is short
    EXPECT_EQ(confined([] { return try_bind("sockets/one"); }), "done");
    EXPECT_EQ(confined([] { return try_bind("models/one"); }), "EACCES");
    fs::current_path("/");
}

// The listening one goes on; nobody gets a new one, least of all a thread that was there before.
TEST_F(ConfinementTest, SocketsCanBeForbiddenAltogether) {
    NEED_CONFINEMENT();
    EXPECT_EQ(confined([]() -> std::string {
                  const int listening = socket(AF_INET, SOCK_STREAM, 0), calling = socket(AF_INET, SOCK_STREAM, 0);
                  sockaddr_in address{};
                  address.sin_family = AF_INET;
                  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
                  socklen_t size = sizeof address;
                  if (bind(listening, reinterpret_cast<sockaddr*>(&address), size) != 0) return "no bind";
                  if (listen(listening, 1) != 0) return "no listen";
                  getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
                  std::atomic<bool> is_forbidden = false;
                  std::string in_thread;
                  std::thread earlier([&] {
                      while (!is_forbidden) std::this_thread::yield();
                      in_thread = try_socket(AF_INET, SOCK_STREAM);
                  });
                  if (!forbid_new_sockets().empty()) return "not forbidden";
                  is_forbidden = true;
                  earlier.join();
                  const std::string connected =
                      outcome(connect(calling, reinterpret_cast<sockaddr*>(&address), sizeof address));
                  fcntl(listening, F_SETFL, O_NONBLOCK);
                  return in_thread + " " + try_socket(AF_UNIX, SOCK_STREAM) + " " + connected + " " +
                         outcome(accept(listening, nullptr, nullptr));
              }),
              "EPERM EPERM EPERM EAGAIN");
}

TEST_F(ConfinementTest, ThreadsAreConfinedToo) {
    NEED_CONFINEMENT();
    EXPECT_EQ(confined([&] {
                  std::string said;
                  std::thread([&] { said = try_open(at("outside/secret"), O_RDONLY); }).join();
                  return said;
              }),
              "EACCES");
    // Those that were there before would not be: that is refused.
    std::atomic<bool> is_over = false;
    const pid_t child = fork();
    if (child == 0) {
        std::thread earlier([&] {
            while (!is_over) std::this_thread::yield();
        });
        const bool is_refused = !confine(allowed);
        is_over = true;
        earlier.join();
        _exit(is_refused ? 0 : 1);
    }
    int status = 1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace hearth::test
