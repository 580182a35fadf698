// The only place that asks the operating system: memory, processors, time, terminal, secrets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"

namespace hearth {

// Zero-filled pages with room for `bytes`; 2 MiB aligned and huge-page advised when large. Owns them.
class Pages {
public:
    Pages() = default;
    static Result<Pages> allocate(size_t bytes);
    Pages(Pages&& other) noexcept { *this = std::move(other); }
    Pages& operator=(Pages&& other) noexcept;
    ~Pages();

    std::byte* data() const { return data_; }
    size_t size() const { return size_; }

private:
    std::byte* data_ = nullptr;
    size_t size_ = 0;
    void* mapping_ = nullptr;
    size_t mapping_size_ = 0;
};

int physical_cores_allowed();         // cores this process may use: affinity, cgroup quota and SMT siblings considered
int64_t first_level_cache_bytes();    // for data, of one core; 0 where nobody says
uint64_t memory_available_bytes();    // what the system and the cgroup leave for us
uint64_t resident_anonymous_bytes();  // our own pages, without file mappings
uint64_t peak_resident_bytes();       // the most that was in memory at once since the start, file mappings included
uint64_t resident_bytes();            // in memory now, file mappings included
double processor_seconds();           // time that this process has computed, on all cores together
void prefer_this_thread();            // over others of this program, where the system allows it
double monotonic_seconds();
bool is_terminal(int fd);
int terminal_columns(int fd);                        // 80 where nobody says
int terminal_rows(int fd);                           // 24 likewise
std::string environment(const char* name);           // empty when unset
std::string machine_name();                          // processor model as the system prints it
std::string program_directory();                     // where this program's file lies
int64_t unix_milliseconds();                         // since 1970, by the clock that people set
Result<> secure_random(std::span<std::byte> bytes);  // fills them; for secrets, unlike base/rng.h

}  // namespace hearth
