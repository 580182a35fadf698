// Time to compile schemas and to make masks over a vocabulary of a quarter of a million tokens: grammar_bench
// VOCABULARY.gguf[.xz]. A plain program: what matters are the percentiles over all states of written texts.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/rng.h"
#include "grammar/matcher.h"
#include "support/shared_data.h"
#include "thread_time.h"
#include "vocabularies.h"

using namespace hearth;
using namespace hearth::grammar;

struct Case {
    const char* name;
    std::string schema;
    bool open = false;
};

static std::vector<Case> cases() {
    std::string many_keys = R"({"type":"object","properties":{)", many_values = R"({"enum":[)";
    for (int i = 0; i < 100; ++i)
        many_keys += fmt::format("{}\"property_{}\":{{\"type\":\"string\"}}", i ? "," : "", i);
    for (int i = 0; i < 1000; ++i)
        many_values += fmt::format("{}\"value number {} of {}\"", i ? "," : "", i * 7919 % 1000, i);
    return {
        {"call",
         R"({"type":"object","properties":{"name":{"const":"get_weather"},"arguments":{"type":"object","properties":{"city":{"type":"string"},
            "unit":{"enum":["celsius","fahrenheit"]},"days":{"type":"integer","minimum":1,"maximum":14}},"required":["city"]}},"required":["name","arguments"]})"},
        {"person",
         R"({"type":"object","properties":{"name":{"type":"string","minLength":1,"maxLength":80},"email":{"type":"string","format":"email"},
            "born":{"type":"string","format":"date"},"tags":{"type":"array","items":{"type":"string"},"maxItems":10},"address":{"$ref":"#/$defs/a"}},
            "required":["name","email"],"$defs":{"a":{"type":"object","properties":{"street":{"type":"string"},"zip":{"type":"string","pattern":"^[0-9]{5}$"}}}}})"},
        {"tree",
         R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"value":{"type":"number"},"children":{"type":"array","items":{"$ref":"#/$defs/n"}}},
            "required":["value"]}}})"},
        {"any", "true", true},
        {"open",
         R"({"type":"object","properties":{"id":{"type":"integer"},"title":{"type":"string"}},"additionalProperties":{"type":"string"}})",
         true},
        {"kinds",
         R"({"oneOf":[{"type":"object","properties":{"kind":{"const":"circle"},"r":{"type":"number","exclusiveMinimum":0}},"required":["kind","r"]},
            {"type":"object","properties":{"kind":{"const":"rect"},"w":{"type":"number"},"h":{"type":"number"}},"required":["kind","w","h"]}]})"},
        {"100 keys", many_keys + "}}"},
        {"1000 values", many_values + "]}"},
        {"pattern", R"({"type":"string","pattern":"^[A-Z][a-z]+( [A-Z][a-z]+){0,4}$","maxLength":60})"},
        {"email 97", R"({"type":"string","format":"email","maxLength":97})"},
        {"email 320", R"({"type":"string","format":"email","maxLength":320})"},
        {"uri 2083", R"({"type":"string","format":"uri","minLength":1,"maxLength":2083})"},
    };
}

int main(int count, char** arguments) {
    if (count < 2) {
        std::fprintf(stderr, "usage: grammar_bench NAME   (reference/tokenizers/NAME.gguf.xz, such as qwen35-like)\n");
        return 2;
    }
    const double start = thread_us();
    const auto vocabulary = test::recorded_vocabulary(arguments[1]);
    if (!vocabulary) return 1;
    std::printf("%zu tokens, %zu nodes, read and sorted in %.0f ms, %.1f MB\n", vocabulary->size(),
                vocabulary->all().nodes.size(), (thread_us() - start) / 1000, double(vocabulary->memory_bytes()) / 1e6);
    std::printf("%-12s %10s %8s %10s %10s %10s %10s %8s\n", "schema", "compile us", "masks", "p50 us", "p90 us",
                "p99 us", "max us", "KB");
    std::vector<double> all, compiling;
    for (const Case& c : cases()) {
        std::vector<double> compile_times, times;
        std::shared_ptr<Constraint> constraint;
        for (int run = 0; run < 7; ++run) {
            const double begin = thread_us();
            const auto made = Grammar::from_schema_text(c.schema, {.open_objects = c.open});
            if (!made) {
                std::fprintf(stderr, "%s: %s\n", c.name, made.error().line().c_str());
                return 1;
            }
            constraint = *Constraint::make(*made, vocabulary);
            compile_times.push_back(thread_us() - begin);
        }
        Rng random(1);
        for (int walk = 0; walk < 8; ++walk) {
            Matcher matcher(constraint);
            for (int step = 0; step < 200 && !matcher.finished(); ++step) {
                TokenBits bits(vocabulary->words(), UINT32_MAX);
                const double begin = thread_us();
                matcher.mask(bits);
                times.push_back(thread_us() - begin);
                const auto ids = test::ids_of(bits);
                if (ids.empty()) break;
                int32_t chosen = ids[random.below(ids.size())];
                if (step > 20 && random.below(2))
                    for (const int32_t id : ids)
                        if (const auto text = vocabulary->bytes(id); text == "\"" || text == "}" || text == "]")
                            chosen = id;
                if (!matcher.accept(chosen)) return 1;
            }
        }
        all.insert(all.end(), times.begin(), times.end());
        compiling.push_back(percentile(compile_times, 0.5));
        std::printf("%-12s %10.0f %8zu %10.1f %10.1f %10.1f %10.1f %8zu\n", c.name, compiling.back(), times.size(),
                    percentile(times, 0.5), percentile(times, 0.9), percentile(times, 0.99), percentile(times, 1),
                    constraint->memory_bytes() / 1024);
    }
    std::printf("%-12s %10.0f %8zu %10.1f %10.1f %10.1f %10.1f\n", "all", percentile(compiling, 0.5), all.size(),
                percentile(all, 0.5), percentile(all, 0.9), percentile(all, 0.99), percentile(all, 1));

    // The schemas of the suite: how long the slowest take to compile.
    std::vector<std::pair<double, std::string>> suite;
    const std::string folder = test::shared_path("reference/json/json-schema-draft2020-12");
    if (std::filesystem::exists(folder))
        for (const auto& file : std::filesystem::directory_iterator(folder)) {
            if (file.path().extension() != ".json") continue;
            const auto groups = Json::parse(test::read_text(file.path()));
            for (const Json& group : groups->items()) {
                const double begin = thread_us();
                const auto made = Grammar::from_json_schema(*group.find("schema"), {.open_objects = true});
                if (made) suite.push_back({thread_us() - begin, group.find("description")->as_string()});
            }
        }
    std::ranges::sort(suite);
    if (!suite.empty())
        std::printf("suite: %zu schemas compiled, median %.0f us, p95 %.0f us, slowest %.0f us (%s)\n", suite.size(),
                    suite[suite.size() / 2].first, suite[suite.size() * 95 / 100].first, suite.back().first,
                    suite.back().second.c_str());
}
