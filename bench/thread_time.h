// Time and its percentiles for plain programs that measure single calls.
#pragma once

#include <algorithm>
#include <ctime>
#include <vector>

namespace hearth {

// Time of this thread on a core: other load on the machine does not count.
inline double thread_us() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return double(time.tv_sec) * 1e6 + double(time.tv_nsec) * 1e-3;
}

inline double percentile(std::vector<double> times, double share) {
    if (times.empty()) return 0;
    std::ranges::sort(times);
    return times[std::min(times.size() - 1, size_t(share * double(times.size())))];
}

inline double mean(const std::vector<double>& times) {
    double sum = 0;
    for (const double time : times) sum += time;
    return times.empty() ? 0 : sum / double(times.size());
}

}  // namespace hearth
