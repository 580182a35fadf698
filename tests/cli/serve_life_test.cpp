// How hearth serve is started by a supervisor, what it can still do once it runs, and how it ends.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "cli/serving.h"
#include "server/client.h"

namespace hearth::test {
namespace {

const std::string kChat = "/v1/chat/completions";
const std::string kQuestion = R"({"messages": [{"role": "user", "content": "What is 17 + 25?"}], "temperature": 0})";

// An answer of as many tokens: no end token may come before.
std::string long_question(int tokens, bool streams = true) {
    return R"({"messages": [{"role": "user", "content": "go on"}], "temperature": 3, "top_k": 0, "top_p": 1,
        "logit_bias": {"4085": -100, "4083": -100}, "seed": 1, "stream": )" +
           std::string(streams ? "true" : "false") + ", \"max_tokens\": " + std::to_string(tokens) + "}";
}

class ServeLife : public Serving {
protected:
    // "1" for "NoNewPrivs:\t1"
    std::string status_of(const std::string& task, const std::string& name) const {
        for (const std::string& line : read_lines("/proc/" + std::to_string(pid) + "/task/" + task + "/status"))
            if (line.starts_with(name + ":\t")) return line.substr(name.size() + 2);
        return "";
    }
    std::vector<std::string> tasks() const {
        std::vector<std::string> found;
        for (const auto& one : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task"))
            found.push_back(one.path().filename());
        return found;
    }
};

TEST_F(ServeLife, IsConfinedAndAnswers) {
    fs::create_directory(folder / "run");
    const int port = start("--model ember --ctx 256 --threads 2 --unix-socket run/own.sock");
    ASSERT_GT(port, 0);
    EXPECT_EQ(http_post(port, kChat, kQuestion).status, 200);
    if (said().find("not confined") != std::string::npos) GTEST_SKIP() << said();
    ASSERT_GT(tasks().size(), 3u);
    for (const std::string& task : tasks()) {
        EXPECT_EQ(status_of(task, "NoNewPrivs"), "1") << task;
        EXPECT_EQ(status_of(task, "Seccomp"), "2") << task;
        // The second one forbids new sockets. Old kernels do not count.
        if (const std::string count = status_of(task, "Seccomp_filters"); !count.empty()) {
            EXPECT_EQ(count, "2") << task;
        }
    }
    EXPECT_TRUE(fs::exists(folder / "run/own.sock"));
    kill(pid, SIGTERM);
    EXPECT_EQ(exit_code_within(5), 0) << said();
    EXPECT_FALSE(fs::exists(folder / "run/own.sock"));
}

// A model is found through its links, as those of Hugging Face's cache are, and loaded long after.
TEST_F(ServeLife, LoadsModelsWhileConfined) {
    const fs::path demo = fs::canonical(binary.parent_path() / "ember.gguf");
    fs::create_directories(folder / "cache/blobs");
    fs::create_directories(folder / "cache/snapshots");
    if (!fs::exists(folder / "cache/blobs/abc")) fs::copy_file(demo, folder / "cache/blobs/abc");
    fs::remove(folder / "cache/snapshots/model.gguf");
    fs::create_symlink("../blobs/abc", folder / "cache/snapshots/model.gguf");
    const int port = start("--model cache/snapshots/model.gguf --on-demand --ctx 256 --threads 1");
    ASSERT_GT(port, 0);
    EXPECT_EQ(http_post(port, kChat, kQuestion).status, 200) << said();
    const std::string noted = read_text(folder / "home/.local/share/hearth/audit.log");
    EXPECT_NE(noted.find(R"("by":"this machine","action":"models.load","model":"model")"), std::string::npos) << noted;
    // A model of which nothing was said at the start stays out of reach, whatever replaces the link.
    kill(pid, SIGTERM);
    EXPECT_EQ(exit_code_within(5), 0);
    const int again = start("--model cache/snapshots/model.gguf --on-demand --ctx 256 --threads 1");
    ASSERT_GT(again, 0);
    if (said().find("not confined") != std::string::npos) GTEST_SKIP() << said();
    fs::remove(folder / "cache/snapshots/model.gguf");
    fs::create_symlink(demo, folder / "cache/snapshots/model.gguf");
    EXPECT_GE(http_post(again, kChat, kQuestion).status, 400);
}

TEST_F(ServeLife, BeginsItsLogAnewWhileConfined) {
    fs::remove_all(folder / "logs");
    fs::create_directories(folder / "logs");
    const int port = start("--model ember --ctx 256 --threads 1 --access-log logs/access");
    ASSERT_GT(port, 0);
    const auto has_line = [&] {
        for (int i = 0; i < 300; ++i) {
            if (fs::exists(folder / "logs/access") && fs::file_size(folder / "logs/access") > 0) return true;
            http_post(port, kChat, "{}");
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return false;
    };
    EXPECT_TRUE(has_line()) << said();
    fs::rename(folder / "logs/access", folder / "logs/access.1");
    EXPECT_TRUE(has_line()) << said();
}

TEST_F(ServeLife, ConfinementCanBeSwitchedOff) {
    const int port = start("--model ember --ctx 256 --threads 1 --no-confinement");
    ASSERT_GT(port, 0);
    EXPECT_EQ(status_of(std::to_string(pid), "NoNewPrivs"), "0");
    EXPECT_EQ(status_of(std::to_string(pid), "Seccomp"), "0");
    EXPECT_NE(said().find("--no-confinement: this process keeps all rights"), std::string::npos) << said();
}

// A socket of datagrams that hears what is told to NOTIFY_SOCKET.
class News {
public:
    explicit News(const std::string& path) : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        unlink(path.c_str());
        EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << path;
        const timeval patience{.tv_sec = 10, .tv_usec = 0};
        setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    ~News() { close(socket_); }
    std::string next() const {
        char text[512];
        const ssize_t count = recv(socket_, text, sizeof text, 0);
        return std::string(text, size_t(std::max<ssize_t>(0, count)));
    }

private:
    int socket_;
};

TEST_F(ServeLife, TellsItsSupervisor) {
    const std::string path = temporary_directory() + "/news";
    const News news(path);
    ASSERT_GT(
        start("--model ember --ctx 256 --threads 1", "export WATCHDOG_USEC=600000 NOTIFY_SOCKET=" + quoted(path) + ";"),
        0);
    EXPECT_EQ(news.next(), "READY=1");
    EXPECT_EQ(news.next(), "WATCHDOG=1");
    EXPECT_EQ(news.next(), "WATCHDOG=1");
    kill(pid, SIGTERM);
    std::string last = news.next();
    while (last == "WATCHDOG=1") last = news.next();
    EXPECT_EQ(last.substr(0, 11), "STOPPING=1\n");
    EXPECT_NE(last.find("EXTEND_TIMEOUT_USEC=60000000"), std::string::npos) << last;
    EXPECT_EQ(exit_code_within(5), 0);
}

TEST_F(ServeLife, UsesTheSocketItIsGiven) {
    const int listening = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(bind(listening, reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(listen(listening, 5), 0);
    ASSERT_EQ(getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size), 0);
    // Who is early waits.
    HttpClient early(ntohs(address.sin_port));
    ASSERT_TRUE(early.send(post_request(kChat, kQuestion)));
    const int port = start("--model ember --ctx 256 --threads 1",
                           "exec 3<&" + std::to_string(listening) + "; export LISTEN_FDS=1 LISTEN_PID=$BASHPID;");
    close(listening);
    EXPECT_EQ(port, ntohs(address.sin_port));
    EXPECT_EQ(early.receive(10).status, 200);
    EXPECT_EQ(said().find("listening on"), said().rfind("listening on")) << said();
    refused("export LISTEN_FDS=1 LISTEN_PID=$$; exec 3</dev/null; exec \"$H\" serve --model ember", 1,
            {"descriptor 3"});
    refused("export NOTIFY_SOCKET=nowhere; \"$H\" serve --model ember", 1, {"NOTIFY_SOCKET"});
}

TEST_F(ServeLife, FinishesAnswersBeforeItEnds) {
    const int port = start("--model ember --ctx 4096 --threads 1");
    ASSERT_GT(port, 0);
    HttpClient client(port);
    client.send(post_request(kChat, long_question(2000)));
    ASSERT_FALSE(client.receive_until("content", 10).empty());
    kill(pid, SIGTERM);
    const std::string rest = client.receive_until("[DONE]", 60);
    EXPECT_NE(rest.find("\"finish_reason\":\"length\""), std::string::npos);
    EXPECT_EQ(exit_code_within(5), 0) << said();
    EXPECT_EQ(said().find("given up"), std::string::npos) << said();
}

TEST_F(ServeLife, GivesAnswersUpWhenToldTwice) {
    const int port = start("--model ember --ctx 100000 --threads 1");
    ASSERT_GT(port, 0);
    HttpClient client(port);
    client.send(post_request(kChat, long_question(90000)));
    ASSERT_FALSE(client.receive_until("content", 10).empty());
    kill(pid, SIGTERM);
    for (int i = 0; i < 500 && http_get(port, "/readyz").status == 200; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const HttpAnswer late = http_post(port, kChat, kQuestion);
    EXPECT_EQ(late.status, 503);
    EXPECT_EQ(late.header("Retry-After"), "1");
    kill(pid, SIGINT);
    EXPECT_FALSE(client.receive_until("the server stops", 5).empty());
    EXPECT_EQ(exit_code_within(3), 0) << said();
    EXPECT_NE(said().find("given up"), std::string::npos) << said();
}

TEST_F(ServeLife, GivesAnswersUpWhenTheTimeIsOver) {
    const int port = start("--model ember --ctx 100000 --threads 1 --drain 1");
    ASSERT_GT(port, 0);
    HttpClient client(port);
    client.send(post_request(kChat, long_question(90000)));
    ASSERT_FALSE(client.receive_until("content", 10).empty());
    kill(pid, SIGTERM);
    EXPECT_FALSE(client.receive_until("the server stops", 5).empty());
    EXPECT_EQ(exit_code_within(3), 0) << said();
    EXPECT_NE(said().find("not ready after 1 s"), std::string::npos) << said();
}

// The units of packaging/, as systemd reads them.
TEST_F(ServeLife, UnitsAreWellFormed) {
    if (shell("systemd-analyze --version").exit_code != 0) GTEST_SKIP() << "systemd-analyze is not installed";
    fs::create_directories(folder / "units");
    for (const char* name : {"hearth.service", "hearth.socket"}) {
        std::string unit = read_text(std::string(HEARTH_SOURCE_DIR) + "/packaging/" + name);
        for (size_t at; (at = unit.find("/usr/bin/hearth")) != std::string::npos;)
            unit.replace(at, std::strlen("/usr/bin/hearth"), "/bin/true");
        write(std::string("units/") + name, unit);
    }
    const Ran ran = shell("systemd-analyze verify ./units/hearth.service ./units/hearth.socket");
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_EQ(ran.err, "");
}

}  // namespace
}  // namespace hearth::test
