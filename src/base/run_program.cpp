#include "base/run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "base/os.h"

namespace hearth {

namespace {

constexpr int kPollMs = 10;
constexpr double kGraceSeconds = 0.5;  // between TERM and KILL
// What a program wrote is read to its end once it is gone; a child of it may hold the pipe open for ever.
constexpr double kDrainSeconds = 0.1;

std::atomic<pid_t> running_group = 0;  // 0: none
static_assert(std::atomic<pid_t>::is_always_lock_free, "it is read in signal handlers");

class Descriptor {
public:
    Descriptor() = default;
    ~Descriptor() { close(); }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    // Never one of the first three, which the other program gets new ones for.
    bool take(int number) {
        number_ = number > 2 ? number : fcntl(number, F_DUPFD_CLOEXEC, 3);
        if (number_ != number) ::close(number);
        return number_ >= 0;
    }
    void close() {
        if (number_ >= 0) ::close(number_);
        number_ = -1;
    }
    int number() const { return number_; }
    bool is_open() const { return number_ >= 0; }

private:
    int number_ = -1;
};

struct Pipe {
    Descriptor out, in;  // what is written into `in` comes from `out`

    Result<> open() {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
            return fail(ErrorKind::device, fmt::format("the system gives no pipe: {}", std::strerror(errno)));
        const bool first = out.take(ends[0]), second = in.take(ends[1]);
        if (!first || !second) return fail(ErrorKind::device, "the system gives no pipe: too many open files");
        return {};
    }
};

void never_wait(const Descriptor& descriptor) {
    fcntl(descriptor.number(), F_SETFL, fcntl(descriptor.number(), F_GETFL) | O_NONBLOCK);
}

// A program that does not read its input must not end us with SIGPIPE.
class BrokenPipesAreErrors {
public:
    BrokenPipesAreErrors() {
        sigemptyset(&pipe_);
        sigaddset(&pipe_, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
    }
    ~BrokenPipesAreErrors() {
        if (sigismember(&before_, SIGPIPE)) return;
        const timespec at_once{};
        while (sigtimedwait(&pipe_, nullptr, &at_once) < 0 && errno == EINTR) {
        }
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    BrokenPipesAreErrors(const BrokenPipesAreErrors&) = delete;
    BrokenPipesAreErrors& operator=(const BrokenPipesAreErrors&) = delete;

private:
    sigset_t pipe_{}, before_{};
};

Error why_not_started(const ProgramCall& call, int number) {
    const std::string& program = call.words[0];
    std::error_code ignored;
    if (!call.directory.empty() && !std::filesystem::is_directory(call.directory, ignored))
        return {ErrorKind::not_found, fmt::format("there is no folder {} to run {} in", call.directory, program), ""};
    if (number == ENOENT && (program.find('/') == std::string::npos || !std::filesystem::exists(program, ignored)))
        return {ErrorKind::not_found, fmt::format("there is no program {}", program), ""};
    if (number == ENOENT)
        return {ErrorKind::not_found,
                fmt::format("the interpreter that the first line of {} names is missing", program), ""};
    if (number == ENOEXEC)
        return {ErrorKind::bad_file, fmt::format("{} is no program and has no #! line", program), ""};
    if (number == EACCES)
        return {ErrorKind::bad_file, fmt::format("{} may not be run: {}", program, std::strerror(number)),
                fmt::format("try chmod +x {}", program)};
    return {ErrorKind::device, fmt::format("cannot start {}: {}", program, std::strerror(number)), ""};
}

// In a process group of its own, so that it and its children can be ended together and Ctrl-C reaches us alone.
Result<pid_t> start(const ProgramCall& call, int input, int output, int error) {
    std::vector<char*> words;
    for (const std::string& word : call.words) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);

    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, error, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    if (!call.directory.empty()) posix_spawn_file_actions_addchdir_np(&files, call.directory.c_str());

    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none, usual;
    sigemptyset(&none);
    sigemptyset(&usual);
    for (const int signal : {SIGINT, SIGQUIT, SIGTERM, SIGPIPE}) sigaddset(&usual, signal);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes,
                             short(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));

    pid_t child = 0;
    const int failed = posix_spawnp(&child, words[0], &files, &attributes, words.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (failed != 0) return std::unexpected(why_not_started(call, failed));
    return child;
}

// Its number stays taken until it is waited for, and with it that of its group.
bool has_ended(pid_t child) {
    siginfo_t info{};
    return waitid(P_PID, id_t(child), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ? errno != EINTR : info.si_pid == child;
}

// What is there now; closes at the end. At most one buffer full, so that limits and Ctrl-C are looked at in between.
template <class Use>
void read_some(Descriptor& from, const Use& use) {
    std::array<char, 65536> bytes;
    const ssize_t count = read(from.number(), bytes.data(), bytes.size());
    if (count > 0)
        use(std::string_view(bytes.data(), size_t(count)));
    else if (count == 0 || (errno != EAGAIN && errno != EINTR))
        from.close();
}

class Running {
public:
    Running(const ProgramCall& call, Pipe& input, Pipe& output, Pipe& error)
        : call_(call), input_(input.in), output_(output.out), error_(error.out) {
        never_wait(input_);
        never_wait(output_);
        never_wait(error_);
    }

    ProgramEnd attend(pid_t child) {
        using Kind = ProgramEnd::Kind;
        double until = monotonic_seconds() + call_.timeout_seconds;
        bool is_over = false;
        for (;;) {
            exchange();
            if (end_.output.size() > call_.output_limit_bytes) return finish(Kind::too_long);
            if (is_over && !output_.is_open() && !error_.is_open()) return finish(Kind::exited);
            if (call_.is_stopped && call_.is_stopped()) return finish(Kind::stopped);
            const double now = monotonic_seconds();
            if (now >= until) return finish(is_over ? Kind::exited : Kind::timed_out);
            if (!is_over && has_ended(child)) {
                is_over = true;
                until = now + kDrainSeconds;
            }
        }
    }

private:
    void exchange() {
        if (written_ == call_.input.size()) input_.close();
        std::array<pollfd, 3> places{pollfd{input_.number(), POLLOUT, 0}, pollfd{output_.number(), POLLIN, 0},
                                     pollfd{error_.number(), POLLIN, 0}};  // closed ones are passed over
        if (poll(places.data(), places.size(), kPollMs) <= 0) return;
        if (places[0].revents != 0) write_some();
        if (places[1].revents != 0) read_some(output_, [&](std::string_view text) { end_.output += text; });
        if (places[2].revents != 0) read_some(error_, [&](std::string_view text) { keep_error(text); });
    }
    void write_some() {
        const ssize_t count = write(input_.number(), call_.input.data() + written_, call_.input.size() - written_);
        if (count >= 0)
            written_ += size_t(count);
        else if (errno != EAGAIN && errno != EINTR)
            input_.close();  // it does not want the rest
    }
    void keep_error(std::string_view text) {
        if (call_.on_error_text) call_.on_error_text(text);
        std::string& tail = end_.error_tail;
        tail += text;
        if (tail.size() > call_.error_tail_bytes) tail.erase(0, tail.size() - call_.error_tail_bytes);
    }
    ProgramEnd finish(ProgramEnd::Kind kind) {
        end_.kind = kind;
        return std::move(end_);
    }

    const ProgramCall& call_;
    Descriptor &input_, &output_, &error_;
    size_t written_ = 0;
    ProgramEnd end_;
};

// Asks the whole group to end, then ends it. Returns how the program itself ended.
int end_group(pid_t child) {
    if (!has_ended(child)) {
        kill(-child, SIGTERM);
        kill(-child, SIGCONT);  // a stopped process does not hear the other
        const double until = monotonic_seconds() + kGraceSeconds;
        while (!has_ended(child) && monotonic_seconds() < until) poll(nullptr, 0, kPollMs);
    }
    kill(-child, SIGKILL);
    running_group = 0;
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

}  // namespace

Result<ProgramEnd> run_program(const ProgramCall& call) {
    if (call.words.empty() || call.words[0].empty()) return fail(ErrorKind::bad_request, "no program is named");
    Pipe input, output, error;
    TRY(input.open());
    TRY(output.open());
    TRY(error.open());
    const BrokenPipesAreErrors guard;
    const pid_t child = TRY(start(call, input.out.number(), output.in.number(), error.in.number()));
    running_group = child;
    input.out.close();
    output.in.close();
    error.in.close();
    ProgramEnd end = Running(call, input, output, error).attend(child);
    const int status = end_group(child);
    if (end.kind == ProgramEnd::Kind::exited) {
        if (WIFSIGNALED(status)) end.kind = ProgramEnd::Kind::killed;
        end.code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    }
    return end;
}

void kill_running_program() {
    if (const pid_t group = running_group; group > 0) kill(-group, SIGKILL);
}

}  // namespace hearth
