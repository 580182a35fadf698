// What guides of chats with tools cost per token over a vocabulary of a quarter of a million tokens: calls_bench NAME
// [TOOLS]. Replies of Qwen 3.5's form with thoughts, prose and calls are read token by token, as the engine would have
// them: forced() or mask(), then accept().
#include <cstdio>
#include <string>
#include <vector>

#include "chat/answer_form.h"
#include "chat/call_form.h"
#include "chat/chat_guide.h"
#include "chat/family.h"
#include "support/shared_data.h"
#include "thread_time.h"
#include "vocabulary_file.h"

using namespace hearth;
using namespace hearth::chat;

namespace {

struct Argument {
    const char *name, *schema, *value;
};
const std::vector<Argument> kArguments = {
    {"query", R"({"type": "string", "description": "What to look for"})", "the tallest lighthouse on this coast"},
    {"limit", R"({"type": "integer", "minimum": 1, "maximum": 50})", "25"},
    {"order", R"({"enum": ["newest", "oldest", "best"]})", "newest"},
    {"since", R"({"type": "string", "format": "date"})", "2026-11-30"},
    {"code", R"({"type": "string", "pattern": "^[A-Z]{2}-[0-9]+[a-z]*$", "maxLength": 20})", "AB-20417xyz"},
    {"tags", R"({"type": "array", "items": {"type": "string", "maxLength": 30}, "maxItems": 5})",
     R"(["sea", "tall buildings", "photo"])"},
    {"place", R"({"type": "object", "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}},
                  "required": ["lat", "lon"]})",
     R"({"lat": 54.25, "lon": -4.5})"},
};

Json tool_list(int count) {
    Json tools = Json::array();
    for (int i = 0; i < count; ++i) {
        Json properties = Json::object();
        for (const Argument& argument : kArguments) properties.set(argument.name, *Json::parse(argument.schema));
        Json parameters(Json::Object{{"type", "object"}, {"properties", std::move(properties)}});
        parameters.set("required", Json::Array{Json("query")});
        tools.push(Json::Object{{"type", "function"},
                                {"function", Json::Object{{"name", fmt::format("search_archive_{}", i)},
                                                          {"parameters", std::move(parameters)}}}});
    }
    return tools;
}

std::string call(int tool) {
    std::string text = fmt::format("<tool_call>\n<function=search_archive_{}>\n", tool);
    for (const Argument& argument : kArguments)
        text += fmt::format("<parameter={}>\n{}\n</parameter>\n", argument.name, argument.value);
    return text + "</function>\n</tool_call>";
}

const char* const kProse =
    "The person wants to know about lighthouses, so the archive is the place to look. Numbers such as 1,250 metres or "
    "f(x) = x^2 < 7 may come along; \"quotes\" and code do as well: if (a < b) { return `c`; }\n\nThen there is the "
    "question of the date. Let me think about which of the tools fits best, and what to say when none of them does. ";

struct Times {
    std::vector<double> mask, whole;
};

void show(const char* name, const Times& times) {
    std::printf("%-34s %8zu %9.1f %9.1f %9.1f %9.1f %9.1f %9.2f %%\n", name, times.whole.size(),
                percentile(times.mask, 0.5), percentile(times.mask, 0.99), percentile(times.mask, 1), mean(times.mask),
                mean(times.whole), mean(times.whole) / 20'000 * 100);
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) {
        std::fprintf(stderr, "usage: calls_bench NAME [TOOLS]   (reference/tokenizers/NAME.gguf.xz: qwen35-like)\n");
        return 2;
    }
    const int num_tools = count > 2 ? std::atoi(arguments[2]) : 40;
    const auto file =
        test::read_vocabulary(test::shared_path(fmt::format("reference/tokenizers/{}.gguf.xz", arguments[1])));
    if (!file) return 1;
    const auto tokenizer = *Tokenizer::make(file->source);
    const Family& family = *find_family("qwen3.5");
    const auto lexicon = std::make_shared<Lexicon>(family.channels, tokenizer.get());
    std::vector<int32_t> ends;
    for (const std::string_view stop : family.stops)
        if (const auto id = tokenizer->find(stop)) ends.push_back(*id);
    std::ranges::sort(ends);
    const auto vocabulary = grammar_vocabulary(*tokenizer, ends);
    const Json tools = tool_list(num_tools);
    const auto known = std::make_shared<const Tools>(*Tools::read(tools));
    const auto ids_of = [&](std::string_view text) {
        std::vector<int32_t> ids;
        if (!tokenizer->encode(text, {.parse_special = true}, ids)) std::abort();
        return ids;
    };
    std::printf("%d tools of %zu parameters, %zu tokens; time per token in us, share of 20 ms\n", num_tools,
                kArguments.size(), vocabulary->size());
    std::printf("%-34s %8s %9s %9s %9s %9s %9s %9s\n", "", "tokens", "mask p50", "mask p99", "mask max", "mask mean",
                "all mean", "share");
    struct Way {
        const char* name;
        bool thinks, must_call;
    };
    for (const Way& way : {Way{"automatic choice", false, false}, Way{"automatic choice, thinking", true, false},
                           Way{"required, thinking", true, true}}) {
        const double begin = thread_us();
        const auto form = call_form(*lexicon, tools, {.is_required = way.must_call});
        if (!form || !form->notes.empty()) {
            std::fprintf(stderr, "%s\n", form ? form->notes[0].c_str() : form.error().line().c_str());
            return 1;
        }
        GuideSetup setup;
        setup.reply = {.lexicon = lexicon, .tools = known, .id_seed = 1, .begins_in_thought = way.thinks};
        setup.end_thought = ids_of(family.end_thought);
        setup.ends = ends;
        setup.tokenizer = tokenizer.get();
        setup.may_think = way.thinks;
        setup.calls = *grammar::Constraint::make(form->grammar, vocabulary);
        setup.calls_cover_thoughts = form->covers_thoughts;
        setup.needs_call = way.must_call;
        const double compiled = thread_us() - begin;
        Times all, free, inside;
        std::vector<std::pair<double, std::string>> slowest;  // with the text before
        for (int reply = 0; reply < 8; ++reply) {
            std::string text = way.thinks ? std::string(kProse) + kProse + "\n</think>\n\n" : "";
            if (!way.must_call) text += kProse;
            text += call(reply % num_tools) + "\n" + call((reply * 7 + 3) % num_tools);
            ChatGuide guide(setup);
            GuideEvents events;
            std::string before;
            bool in_call = false;
            for (const int32_t id : ids_of(text)) {
                std::vector<uint32_t> bits(vocabulary->words(), UINT32_MAX);
                const double start = thread_us();
                if (guide.forced().empty()) guide.mask(bits);
                const double masked = thread_us();
                const auto taken = guide.accept(id, tokenizer->piece(id), events);
                const double taken_at = thread_us();
                if (!taken || !(bits[size_t(id) / 32] >> (id % 32) & 1)) {
                    std::fprintf(stderr, "token %d is not allowed\n", id);
                    return 1;
                }
                slowest.push_back({masked - start, before.substr(before.size() - std::min<size_t>(before.size(), 40))});
                before += tokenizer->piece(id);
                in_call |= lexicon->find(id) == Mark::call_open;
                for (Times* times : {&all, in_call ? &inside : &free}) {
                    times->mask.push_back(masked - start);
                    times->whole.push_back(taken_at - start);
                }
                in_call &= lexicon->find(id) != Mark::call_close;
            }
        }
        std::printf("%s: compiled in %.0f us, then %.1f MB\n", way.name, compiled,
                    double(setup.calls->memory_bytes()) / 1e6);
        show("  all", all);
        show("  thoughts and prose", free);
        show("  calls", inside);
        std::ranges::sort(slowest, std::greater());
        for (size_t i = 0; i < 3; ++i)
            std::printf("  %.0f us after %s\n", slowest[i].first, Json(slowest[i].second).dump().c_str());
    }
}
