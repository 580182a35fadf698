// How long somebody who is being answered waits for the next token while the long prompt of somebody else is read.
//   stall_bench MODEL.gguf [PROMPT_TOKENS]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "base/os.h"
#include "engine/engine.h"

using namespace hearth;

namespace {

struct Gaps {
    std::mutex mutex;
    std::vector<double> at;  // when tokens came

    void add() {
        std::lock_guard lock(mutex);
        at.push_back(monotonic_seconds());
    }
    void print(const char* what, double begin, double end) {
        std::lock_guard lock(mutex);
        std::vector<double> gaps;
        for (size_t i = 1; i < at.size(); ++i)
            if (at[i - 1] >= begin && at[i] <= end) gaps.push_back(1e3 * (at[i] - at[i - 1]));
        if (gaps.empty()) return;
        std::ranges::sort(gaps);
        std::printf("%-24s %5zu tokens   gap median %6.1f   p95 %6.1f   longest %6.1f ms\n", what, gaps.size(),
                    gaps[gaps.size() / 2], gaps[gaps.size() * 95 / 100], gaps.back());
    }
};

std::vector<int32_t> some_tokens(int64_t count) {
    std::vector<int32_t> tokens;
    for (int64_t i = 0; i < count; ++i) tokens.push_back(int32_t(100 + i * 7 % 5000));
    return tokens;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: stall_bench MODEL.gguf [PROMPT_TOKENS]\n");
        return 2;
    }
    const int64_t prompt_tokens = argc > 2 ? std::atoll(argv[2]) : 2048;
    auto engine = Engine::open(argv[1], {.context_tokens = prompt_tokens + 2048, .sequences = 2});
    if (!engine) {
        std::fprintf(stderr, "%s\n", engine.error().line().c_str());
        return 1;
    }
    const auto request = [](int64_t prompt, int64_t answer) {
        return Request{.tokens = some_tokens(prompt), .max_tokens = answer, .ignore_end = true, .detect_loops = false};
    };
    Gaps gaps;
    const auto first = (*engine)->submit(request(16, -1), [&](const Event& event) {
        if (event.kind == Event::Kind::token) gaps.add();
    });
    const auto tokens_came = [&] {
        std::lock_guard lock(gaps.mutex);
        return gaps.at.size();
    };
    while (tokens_came() < 40) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const double begin = monotonic_seconds();
    Usage usage;
    const auto second = (*engine)->submit(request(prompt_tokens, 1), [&](const Event& event) {
        if (event.kind == Event::Kind::finish) usage = event.usage;
    });
    if (!first || !second) return 1;
    (*engine)->wait(*second);
    const double end = monotonic_seconds();
    (*engine)->cancel(*first);
    (*engine)->wait(*first);
    gaps.print("alone", 0, begin);
    gaps.print("beside a long prompt", begin, end);
    std::printf("the prompt: %lld tokens at %.0f a second\n", static_cast<long long>(usage.prompt_tokens),
                double(usage.prompt_tokens) / usage.prompt_seconds);
}
