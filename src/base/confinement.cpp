// Landlock for files, seccomp for system calls. Landlock holds for the calling thread and those it starts; seccomp can
// reach all threads at any time.
#include "base/confinement.h"

#ifdef __linux__
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#endif
#ifdef HEARTH_SECCOMP
#include <linux/sched.h>
#include <seccomp.h>
#endif

namespace hearth {

#ifdef __linux__
namespace {

// Rights that came after the header of Debian 12; the comment says with which version of Landlock.
constexpr uint64_t kTruncate = uint64_t{1} << 14;        // 3
constexpr uint64_t kConnectTcp = uint64_t{1} << 1;       // 4
constexpr uint64_t kDeviceControl = uint64_t{1} << 15;   // 5
constexpr uint64_t kAbstractSockets = uint64_t{1} << 0;  // 6: those of other programs
constexpr uint64_t kSignals = uint64_t{1} << 1;          // 6: to other programs

constexpr uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr uint64_t kRead = kReadFile | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kWriteFile = kReadFile | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;
constexpr uint64_t kWrite = kRead | kWriteFile | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                            LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER;
constexpr uint64_t kLogs = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG;
constexpr uint64_t kSockets = LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE;

// Everything that the first version knows, execution among it.
constexpr uint64_t kFirstVersion = (uint64_t{1} << 13) - 1;

struct RulesetAttributes {
    uint64_t files = 0, network = 0, scoped = 0;  // the last two since versions 4 and 6
};

// What the runtime reads without being told to.
constexpr const char* kUsuallyRead[] = {
    "/dev/null", "/dev/urandom", "/dev/random", "/dev/zero",
    // Times of people and names of hosts.
    "/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo", "/etc/hosts", "/etc/host.conf", "/etc/resolv.conf",
    "/etc/nsswitch.conf", "/etc/gai.conf",
    // Libraries that the C library loads when it needs them, and their translations.
    "/etc/ld.so.cache", "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/locale",
    // What the machine has and what of it is free.
    "/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/sys/vm", "/sys/devices/system/cpu",
    "/sys/devices/system/node", "/sys/fs/cgroup"};

class Files {
public:
    ~Files() {
        if (ruleset_ >= 0) close(ruleset_);
    }

    bool begin(long version) {
        RulesetAttributes attributes{.files = kFirstVersion};
        if (version >= 2) attributes.files |= LANDLOCK_ACCESS_FS_REFER;
        if (version >= 3) attributes.files |= kTruncate;
        if (version >= 4) attributes.network = kConnectTcp;  // nobody is called from here
        if (version >= 5) attributes.files |= kDeviceControl;
        if (version >= 6) attributes.scoped = kAbstractSockets | kSignals;
        handled_ = attributes.files;
        const size_t size = version >= 6   ? sizeof attributes
                            : version >= 4 ? offsetof(RulesetAttributes, scoped)
                                           : sizeof attributes.files;
        ruleset_ = int(syscall(SYS_landlock_create_ruleset, &attributes, size, 0));
        return ruleset_ >= 0;
    }

    bool allow(const std::string& path, uint64_t rights) {
        const int file = open(path.c_str(), O_PATH | O_CLOEXEC);
        if (file < 0) return true;  // who cannot open it now needs no leave to open it later
        struct stat info {};
        // Rights of folders are refused on anything else.
        if (fstat(file, &info) != 0 || !S_ISDIR(info.st_mode)) rights &= kWriteFile;
        landlock_path_beneath_attr rule{};
        rule.allowed_access = rights & handled_;
        rule.parent_fd = file;
        const bool done = rule.allowed_access == 0 ||
                          syscall(SYS_landlock_add_rule, ruleset_, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
        close(file);
        return done;
    }

    bool enforce() const { return syscall(SYS_landlock_restrict_self, ruleset_, 0) == 0; }

private:
    int ruleset_ = -1;
    uint64_t handled_ = 0;
};

std::string why() {
    return std::strerror(errno);
}

void confine_files(const Confinement& confinement, std::vector<std::string>& gaps) {
    const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) {
        gaps.push_back(fmt::format("this system has no Landlock ({}), so access to files is not confined", why()));
        return;
    }
    Files files;
    bool is_done = files.begin(version);
    for (const char* path : kUsuallyRead) is_done = is_done && files.allow(path, kRead);
    is_done = is_done && files.allow("/dev/null", kWriteFile);
    for (const std::string& path : confinement.read) is_done = is_done && files.allow(path, kRead);
    for (const std::string& path : confinement.write) is_done = is_done && files.allow(path, kWrite);
    for (const std::string& path : confinement.logs) is_done = is_done && files.allow(path, kLogs);
    for (const std::string& path : confinement.sockets) is_done = is_done && files.allow(path, kSockets);
    if (!is_done || !files.enforce())
        gaps.push_back(fmt::format("Landlock fails ({}), so access to files is not confined", why()));
    else if (version < 3)
        gaps.emplace_back("this kernel's Landlock is old: files that cannot be read can still be emptied");
}

int threads() {
    std::error_code failed;
    int count = 0;
    for (std::filesystem::directory_iterator one("/proc/self/task", failed), end; !failed && one != end;
         one.increment(failed))
        ++count;
    return count;
}

#ifdef HEARTH_SECCOMP

// Nothing here and in no library below it makes these calls, so whoever does has taken the process over: it ends, with
// a line in the system's log, before there is a second try.
constexpr const char* kDeadly[] = {
    "execve", "execveat",
    // into other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp",
    // other file systems and namespaces, files around their paths
    "mount", "umount", "umount2", "pivot_root", "chroot", "fsopen", "fsconfig", "fsmount", "fspick", "move_mount",
    "open_tree", "mount_setattr", "unshare", "setns", "open_by_handle_at",
    // the kernel
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "bpf", "userfaultfd", "keyctl",
    "add_key", "request_key", "iopl", "ioperm", "modify_ldt", "lookup_dcookie", "nfsservctl",
    // the machine
    "reboot", "swapon", "swapoff", "acct", "quotactl", "sethostname", "setdomainname", "settimeofday", "clock_settime",
    "vhangup"};

// Libraries, profilers and sanitizers try these and do without when they are refused; that is no reason to die.
constexpr const char* kRefused[] = {"io_uring_setup", "io_uring_enter", "io_uring_register", "perf_event_open",
                                    "personality",    "syslog",         "name_to_handle_at", "clock_adjtime",
                                    "adjtimex",       "fanotify_init"};

constexpr int64_t kNamespaces[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                   CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};

class SystemCalls {
public:
    SystemCalls() : filter_(seccomp_init(SCMP_ACT_ALLOW)) {
        // All threads; and no_new_privs is set already, as Landlock wants it.
        is_right_ = filter_ && seccomp_attr_set(filter_, SCMP_FLTATR_CTL_TSYNC, 1) == 0;
    }
    ~SystemCalls() { seccomp_release(filter_); }

    // A call that this processor or this libseccomp does not know needs no rule.
    template <class... Conditions>
    void add(uint32_t action, const char* name, Conditions... conditions) {
        const int number = seccomp_syscall_resolve_name(name);
        if (number == __NR_SCMP_ERROR || !is_right_) return;
        is_right_ = seccomp_rule_add(filter_, action, number, sizeof...(conditions), conditions...) == 0;
    }

    bool load() { return is_right_ && seccomp_load(filter_) == 0; }

private:
    scmp_filter_ctx filter_;
    bool is_right_ = false;
};

constexpr uint32_t kRefuse = SCMP_ACT_ERRNO(EPERM);

void refuse_sockets(SystemCalls& calls) {
    // Local, IPv4 and IPv6 are 1, 2 and 10. One condition of a rule can look at an argument once.
    static_assert(AF_LOCAL == 1 && AF_INET == 2 && AF_INET6 == 10 && SOCK_STREAM < 3 && SOCK_DGRAM < 3);
    for (const char* name : {"socket", "socketpair"}) {
        for (const uint64_t family : {0, 3, 4, 5, 6, 7, 8, 9}) calls.add(kRefuse, name, SCMP_A0(SCMP_CMP_EQ, family));
        calls.add(kRefuse, name, SCMP_A0(SCMP_CMP_GT, 10));
        // Beside streams only datagrams, for looking up names: no raw packets, and no protocols but TCP (6), UDP (17).
        for (uint64_t kind = 3; kind < 16; ++kind) calls.add(kRefuse, name, SCMP_A1(SCMP_CMP_MASKED_EQ, 15, kind));
        for (uint64_t protocol = 1; protocol < 17; ++protocol)
            if (protocol != 6) calls.add(kRefuse, name, SCMP_A2(SCMP_CMP_EQ, protocol));
        calls.add(kRefuse, name, SCMP_A2(SCMP_CMP_GT, 17));
    }
}

bool confine_calls() {
    SystemCalls calls;
    for (const char* name : kDeadly) calls.add(SCMP_ACT_KILL_PROCESS, name);
    for (const char* name : kRefused) calls.add(kRefuse, name);
    for (const int64_t flag : kNamespaces)
        calls.add(SCMP_ACT_KILL_PROCESS, "clone", SCMP_A0(SCMP_CMP_MASKED_EQ, uint64_t(flag), uint64_t(flag)));
    // Its flags lie in memory, where no filter looks; the C library then uses the call above.
    calls.add(SCMP_ACT_ERRNO(ENOSYS), "clone3");
    // Typing into the terminal of the shell that started us.
    for (const uint64_t request : {uint64_t{TIOCSTI}, uint64_t{TIOCLINUX}})
        calls.add(kRefuse, "ioctl", SCMP_A1(SCMP_CMP_MASKED_EQ, 0xFFFFFFFF, request));
    refuse_sockets(calls);
    return calls.load();
}

#endif

}  // namespace

Result<std::vector<std::string>> confine(const Confinement& confinement) {
    if (threads() > 1)
        return fail(ErrorKind::unsupported, "the process has threads already, which would not be confined",
                    "give --no-confinement, and report this");
    std::vector<std::string> gaps;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        gaps.push_back(
            fmt::format("this system does not let a process give up privileges ({}): no confinement", why()));
        return gaps;
    }
    confine_files(confinement, gaps);
#ifdef HEARTH_SECCOMP
    if (!confine_calls())
        gaps.emplace_back("this system has no filter for system calls (seccomp), so they are not confined");
#else
    gaps.emplace_back("this hearth was built without libseccomp, so system calls are not confined");
#endif
    return gaps;
}

std::vector<std::string> forbid_new_sockets() {
#ifdef HEARTH_SECCOMP
    SystemCalls calls;
    for (const char* name : {"socket", "socketpair", "connect", "bind", "listen"}) calls.add(kRefuse, name);
    if (!calls.load())
        return {"this system has no filter for system calls (seccomp), so new sockets are not forbidden"};
#endif
    return {};
}

#else

Result<std::vector<std::string>> confine(const Confinement&) {
    return std::vector<std::string>{"hearth knows no way to confine itself on this system"};
}

std::vector<std::string> forbid_new_sockets() {
    return {};
}

#endif

}  // namespace hearth
