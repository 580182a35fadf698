// System calls of the bottom room. Linux first; other systems get the portable fallbacks.
#include "base/os.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>
#include <thread>

namespace hearth {

namespace {
constexpr size_t kHugePage = size_t{2} << 20;

// A number after `key` in a "key: 123 kB" file such as /proc/meminfo; -1 when absent.
int64_t proc_kib(const char* path, std::string_view key) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(key)) return std::strtoll(line.c_str() + key.size(), nullptr, 10);
    return -1;
}

std::string first_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}
}  // namespace

Result<Pages> Pages::allocate(size_t bytes) {
    Pages pages;
    if (bytes == 0) return pages;
    const size_t page = 4096;
    if (bytes > SIZE_MAX / 2) return fail(ErrorKind::out_of_memory, "a memory request overflows");
    const bool huge = bytes >= kHugePage;
    pages.mapping_size_ = (bytes + page - 1) / page * page + (huge ? kHugePage : 0);
    void* at = mmap(nullptr, pages.mapping_size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        pages.mapping_size_ = 0;
        return fail(ErrorKind::out_of_memory, fmt::format("the system refused {} bytes of memory", bytes));
    }
    pages.mapping_ = at;
    pages.size_ = bytes;
    uintptr_t start = uintptr_t(at);
    if (huge) {
        start = (start + kHugePage - 1) / kHugePage * kHugePage;
        madvise(reinterpret_cast<void*>(start), bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
    }
    pages.data_ = reinterpret_cast<std::byte*>(start);
    return pages;
}

Pages& Pages::operator=(Pages&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(mapping_, other.mapping_);
    std::swap(mapping_size_, other.mapping_size_);
    return *this;
}

Pages::~Pages() {
    if (mapping_) munmap(mapping_, mapping_size_);
}

int physical_cores_allowed() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return std::max(1u, std::thread::hardware_concurrency());
    std::set<std::string> cores;  // siblings share one core: count each list once
    int logical = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &set)) continue;
        ++logical;
        const std::string siblings =
            first_line(fmt::format("/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu));
        cores.insert(siblings.empty() ? std::to_string(cpu) : siblings);
    }
    int count = std::max(1, std::min(logical, int(cores.size())));
    std::istringstream quota(first_line("/sys/fs/cgroup/cpu.max"));
    double limit = 0, period = 0;
    if (quota >> limit >> period && period > 0) count = std::min(count, std::max(1, int(limit / period)));
    return count;
}

static uint64_t cached_file_bytes(const char* path) {
    std::ifstream file(path);
    uint64_t sum = 0, bytes = 0;
    for (std::string name; file >> name >> bytes;)
        if (name == "active_file" || name == "inactive_file") sum += bytes;
    return sum;
}

int64_t first_level_cache_bytes() {
    return std::max<int64_t>(0, sysconf(_SC_LEVEL1_DCACHE_SIZE));
}

uint64_t memory_available_bytes() {
    const int64_t kib = proc_kib("/proc/meminfo", "MemAvailable:");
    uint64_t bytes =
        kib > 0 ? uint64_t(kib) * 1024 : uint64_t(sysconf(_SC_PHYS_PAGES)) * uint64_t(sysconf(_SC_PAGESIZE));
    const std::string limit = first_line("/sys/fs/cgroup/memory.max"),
                      used = first_line("/sys/fs/cgroup/memory.current");
    if (!limit.empty() && limit != "max" && !used.empty()) {
        const uint64_t most = std::strtoull(limit.c_str(), nullptr, 10), now = std::strtoull(used.c_str(), nullptr, 10);
        // Pages of files count as used there, though they go as soon as somebody needs their place.
        const uint64_t files = cached_file_bytes("/sys/fs/cgroup/memory.stat"), taken = now > files ? now - files : 0;
        bytes = std::min(bytes, most > taken ? most - taken : 0);
    }
    return bytes;
}

uint64_t resident_anonymous_bytes() {
    const int64_t kib = proc_kib("/proc/self/status", "RssAnon:");
    return kib > 0 ? uint64_t(kib) * 1024 : 0;
}

uint64_t peak_resident_bytes() {
    const int64_t kib = proc_kib("/proc/self/status", "VmHWM:");
    return kib > 0 ? uint64_t(kib) * 1024 : 0;
}
uint64_t resident_bytes() {
    const int64_t kib = proc_kib("/proc/self/status", "VmRSS:");
    return kib > 0 ? uint64_t(kib) * 1024 : 0;
}

double processor_seconds() {
    rusage usage{};
    if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
    const auto seconds = [](const timeval& time) { return double(time.tv_sec) + double(time.tv_usec) * 1e-6; };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void prefer_this_thread() {
#ifdef __linux__
    setpriority(PRIO_PROCESS, id_t(syscall(SYS_gettid)), -10);
#endif
}

double monotonic_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool is_terminal(int fd) {
    return isatty(fd) == 1;
}

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

std::string machine_name() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    return "unknown processor";
}

int terminal_columns(int fd) {
    winsize size{};
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

int terminal_rows(int fd) {
    winsize size{};
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

std::string program_directory() {
    std::error_code failed;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", failed);
    return failed ? "." : program.parent_path().string();
}

int64_t unix_milliseconds() {
    const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count();
}

Result<> secure_random(std::span<std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return fail(ErrorKind::unsupported,
                        "the system gives no random numbers: " + std::generic_category().message(errno));
        bytes = bytes.subspan(size_t(got));
    }
    return {};
}

}  // namespace hearth
