// Speed of tokenizing and of loading a vocabulary: tokenizer_bench VOCABULARY.gguf[.xz] [TEXT...]
// Prints the median of seven runs on one core. Without texts: made-up English and adversarial runs of 1 MB.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>
#include <sstream>

#include "base/rng.h"
#include "vocabulary_file.h"

using namespace hearth;

// Time of this thread on a core: other load on the machine does not count.
static double now() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return double(time.tv_sec) + double(time.tv_nsec) * 1e-9;
}

static double median_seconds(const std::function<void()>& work) {
    std::vector<double> seconds;
    for (int run = 0; run < 8; ++run) {
        const double start = now();
        work();
        if (run > 0) seconds.push_back(now() - start);
    }
    std::ranges::sort(seconds);
    return seconds[seconds.size() / 2];
}

// Words of Zipf-like frequency: the cache must not look better than on prose, so one word in twenty is new.
static std::string made_up_english(size_t bytes) {
    Rng random(1);
    const auto word = [&] {
        std::string text;
        for (uint64_t n = 2 + random.below(8); n > 0; --n) text += char('a' + random.below(26));
        return text;
    };
    std::vector<std::string> known;
    for (int i = 0; i < 3000; ++i) known.push_back(word());
    std::string text;
    while (text.size() < bytes) {
        const double u = random.uniform();
        text += random.below(20) == 0 ? word() : known[size_t(u * u * u * 3000)];
        text += random.below(12) == 0 ? ".\n" : random.below(8) == 0 ? ", " : " ";
    }
    return text;
}

int main(int count, char** arguments) {
    if (count < 2) {
        std::fprintf(stderr, "usage: tokenizer_bench VOCABULARY.gguf[.xz] [TEXT...]\n");
        return 2;
    }
    const auto file = test::read_vocabulary(arguments[1]);
    if (!file) return 1;
    auto tokenizer = Tokenizer::make(file->source);
    if (!tokenizer) {
        std::fprintf(stderr, "%s\n", tokenizer.error().line().c_str());
        return 1;
    }
    const double load = median_seconds([&] { tokenizer = Tokenizer::make(file->source); });
    std::printf("%-24s %8lld tokens, load %.1f ms, %.1f MB\n", "vocabulary", (long long)(*tokenizer)->size(),
                load * 1e3, double((*tokenizer)->memory_bytes()) / 1e6);

    std::vector<std::pair<std::string, std::string>> texts;
    for (int i = 2; i < count; ++i) {
        std::ostringstream bytes;
        bytes << std::ifstream(arguments[i], std::ios::binary).rdbuf();
        const std::string path = arguments[i];
        texts.emplace_back(path.substr(path.rfind('/') + 1), bytes.str());
    }
    if (texts.empty()) texts.emplace_back("made-up English", made_up_english(400'000));
    std::string emoji;
    while (emoji.size() < 1'000'000) emoji += "\U0001F600";
    texts.emplace_back("one letter", std::string(1'000'000, 'a'));
    texts.emplace_back("spaces", std::string(1'000'000, ' '));
    texts.emplace_back("newlines", std::string(1'000'000, '\n'));
    texts.emplace_back("emoji", emoji);
    for (const auto& [name, text] : texts) {
        std::vector<int32_t> ids;
        const double seconds = median_seconds([&] {
            ids.clear();
            (void)(*tokenizer)->encode(text, {}, ids);
        });
        std::printf("%-24s %8zu bytes, %8zu tokens, %8.2f ms, %7.2f MB/s\n", name.c_str(), text.size(), ids.size(),
                    seconds * 1e3, double(text.size()) / 1e6 / seconds);
    }
    return 0;
}
