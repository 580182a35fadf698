// hearth bench: how fast a model runs here, and how far that is from what the memory bus allows. Runs requests through
// the same engine as every other command. A name from the catalogue needs no file: its real shape is filled with random
// weights. Models that read texts for a vector or a score are measured at that.
#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>

#include "base/os.h"
#include "base/rng.h"
#include "base/text_format.h"
#include "cli/bench_report.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/read_texts.h"
#include "engine/loaded_model.h"
#include "engine/machine.h"
#include "engine/texts.h"
#include "library/synth.h"

namespace hearth::cli {

namespace {

struct BenchOptions {
    ModelOptions model;
    std::string type = "q4_k_m";
    int64_t prompt = 512, generate = 128, batch = 1;
    int runs = 3;
    std::vector<int64_t> depths{0};
    bool bandwidth = false, profile = false, json = false;
    bool sample = false;                                          // instead of the likeliest token
    Argument prompt_argument, generate_argument, depth_argument;  // were they given?
};

// Ordinary tokens, the same ones every time.
std::vector<int32_t> random_prompt(const Tokenizer& tokenizer, int64_t vocabulary, int64_t count, uint64_t seed) {
    Rng rng(seed);
    std::vector<int32_t> tokens;
    while (int64_t(tokens.size()) < count) {
        const int32_t id = int32_t(rng.below(uint64_t(vocabulary)));
        if (id < tokenizer.size() && tokenizer.type(id) != TokenType::normal) continue;
        tokens.push_back(id);
    }
    return tokens;
}

// What one sequence of a run reports: when it was asked for, when it had read a number of prompt tokens, when tokens
// came.
struct Times {
    double asked = 0;
    std::vector<std::pair<int64_t, double>> prompt;
    std::vector<double> tokens;
    Usage usage;

    // At once where a round before had read that far already.
    double reached(int64_t tokens_done) const {
        if (tokens_done > usage.cached_tokens)
            for (const auto& [done, at] : prompt)
                if (done >= tokens_done) return at;
        return asked;
    }
};

// From the first who has reached the depth to the last who has read everything.
double prefill_speed(const std::vector<Times>& times, int64_t depth, int64_t prompt) {
    double begin = times[0].reached(depth), end = 0;
    for (const Times& own : times) {
        begin = std::min(begin, own.reached(depth));
        end = std::max(end, own.tokens.front());
    }
    return double(prompt) * double(times.size()) / (end - begin);
}

// Of the time in which all of them wrote.
Result<double> decode_speed(const std::vector<Times>& times) {
    double begin = 0, end = times[0].tokens.back();
    for (const Times& own : times) {
        begin = std::max(begin, own.tokens.front());
        end = std::min(end, own.tokens.back());
    }
    int64_t count = 0;
    for (const Times& own : times)
        count += std::ranges::count_if(own.tokens, [&](double at) { return at > begin && at <= end; });
    if (count == 0)
        return fail(ErrorKind::bad_request,
                    fmt::format("{} answers this short are never written all at once", times.size()),
                    "use a larger --generate");
    return double(count) / (end - begin);
}

SamplerOptions sampling(const BenchOptions& options) {
    if (!options.sample) return {.temperature = 0};
    return {.temperature = 0.7f, .top_k = 20, .top_p = 0.95f, .seed = 1};  // as makers of models recommend for chats
}

// `batch` equal requests at once. Greedy unless asked for otherwise: then nothing depends on luck.
// What stands at the depth is the same in every round and read once; what follows is new. `on_share` hears how much is
// done.
Result<std::vector<Times>> run_batch(Engine& engine, const BenchOptions& options, int64_t depth, int64_t prompt,
                                     int64_t generate, int round, const std::function<void(double)>& on_share) {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<Times> times(static_cast<size_t>(options.batch));
    std::vector<RequestId> ids;
    int64_t running = options.batch;
    std::optional<Error> failure;
    for (int64_t i = 0; i < options.batch; ++i) {
        Request request;
        const auto words = [&](int64_t count, uint64_t seed) {
            return random_prompt(engine.tokenizer(), engine.model().vocabulary, count, seed);
        };
        request.tokens = words(depth, uint64_t(depth * 131 + i));
        std::ranges::copy(words(prompt, uint64_t(depth * 131 + i + round * options.batch + 7919)),
                          std::back_inserter(request.tokens));
        request.max_tokens = generate;
        request.ignore_end = true;
        request.detect_loops = false;
        request.reuse = depth > 0;
        request.sampling = sampling(options);
        if (depth > 0) request.boundaries = request.keep_at = {depth};
        times[size_t(i)].asked = monotonic_seconds();
        ids.push_back(TRY(engine.submit(std::move(request), [&, i](const Event& event) {
            const double now = monotonic_seconds();
            std::lock_guard lock(mutex);
            Times& own = times[size_t(i)];
            if (event.kind == Event::Kind::progress) own.prompt.emplace_back(event.tokens_done, now);
            if (event.kind == Event::Kind::token) own.tokens.push_back(now);
            if (event.kind == Event::Kind::failed) failure = event.error;
            if (event.kind != Event::Kind::finish && event.kind != Event::Kind::failed) return;
            own.usage = event.usage;
            --running;
            changed.notify_all();
        })));
    }
    std::unique_lock lock(mutex);
    while (running > 0) {
        changed.wait_for(lock, std::chrono::milliseconds(50));
        int64_t done = 0;
        for (const Times& own : times)
            done += (own.prompt.empty() ? 0 : own.prompt.back().first) + int64_t(own.tokens.size());
        on_share(double(done) / double(options.batch * (depth + prompt + generate)));
        if (!was_interrupted()) continue;
        lock.unlock();
        for (const RequestId id : ids) engine.cancel(id);
        return fail(ErrorKind::cancelled, "stopped");
    }
    if (failure) return std::unexpected(*failure);
    return times;
}

// Texts that are read for a vector or a score: `batch` of them at once, until the last one is done.
Result<double> read_texts(Engine& engine, const BenchOptions& options, RowKind rows) {
    std::vector<EmbedRequest> requests;
    for (int64_t i = 0; i < options.batch; ++i)
        requests.push_back(
            {.tokens = random_prompt(engine.tokenizer(), engine.model().vocabulary, options.prompt, uint64_t(i)),
             .rows = rows,
             .each_row = {}});
    const double begin = monotonic_seconds();
    TRY(read_all(engine, std::move(requests), [](size_t, const Event&) -> Result<> { return {}; }));
    return monotonic_seconds() - begin;
}

Result<std::vector<Measurement>> measure_texts(Engine& engine, const BenchOptions& options, const MachineRoof& roof,
                                               FileUse use) {
    const bool has_scores = use == FileUse::scores && engine.model().scores > 0;
    Measurement texts{.test = has_scores ? "score" : "embed",
                      .tokens = options.prompt,
                      .batch = options.batch,
                      .speeds = {},
                      .profile = {}};
    Progress progress("measuring");
    for (int round = 0; round <= options.runs; ++round) {  // the first one warms up and does not count
        progress.update(double(round) / double(options.runs + 1));
        const double seconds = TRY(read_texts(engine, options, has_scores ? RowKind::scores : RowKind::hidden));
        if (round > 0) texts.speeds.push_back(double(options.prompt * options.batch) / seconds);
        texts.profile = engine.take_profile();  // of the last round
    }
    if (roof.int8_ops_per_second > 0)
        texts.share_of_roof = texts.median() * engine.operations_per_token() / roof.int8_ops_per_second;
    return std::vector{std::move(texts)};
}

Result<std::vector<Measurement>> measure(Engine& engine, const BenchOptions& options, const MachineRoof& roof) {
    std::vector<Measurement> all;
    Progress progress("measuring");
    const int tests = int(options.prompt > 0) + int(options.generate > 0);
    const double rounds = double(options.depths.size()) * (options.runs + 1) * tests;
    double done = 0;
    const auto on_share = [&](double share) { progress.update((done + share) / rounds); };
    for (const int64_t depth : options.depths) {
        Measurement prefill{
            .test = "prefill", .tokens = options.prompt, .depth = depth, .batch = options.batch, .speeds = {}};
        Measurement decode{
            .test = "decode", .tokens = options.generate, .depth = depth, .batch = options.batch, .speeds = {}};
        for (int round = 0; round <= options.runs; ++round) {  // the first one warms up and does not count
            if (options.prompt > 0) {
                const auto times = TRY(run_batch(engine, options, depth, options.prompt, 1, round, on_share));
                ++done;
                if (round > 0) prefill.speeds.push_back(prefill_speed(times, depth, options.prompt));
                prefill.profile = engine.take_profile();  // of the last round
            }
            if (options.generate > 0) {
                // Decoding is measured from the first token that follows a prompt of just the depth.
                const auto times = TRY(run_batch(engine, options, depth, 1, options.generate + 1, round, on_share));
                ++done;
                if (round > 0) decode.speeds.push_back(TRY(decode_speed(times)));
                decode.profile = engine.take_profile();
            }
        }
        if (roof.read_bytes_per_second > 0 && !decode.speeds.empty() && options.batch == 1)
            decode.share_of_roof =
                decode.median() * engine.bytes_per_token(depth + options.generate / 2) / roof.read_bytes_per_second;
        if (roof.int8_ops_per_second > 0 && !prefill.speeds.empty())
            prefill.share_of_roof = prefill.median() * engine.operations_per_token() / roof.int8_ops_per_second;
        if (options.prompt > 0) all.push_back(std::move(prefill));
        if (options.generate > 0) all.push_back(std::move(decode));
    }
    return all;
}

Result<int64_t> context_for(const BenchOptions& options, FileUse use) {
    const int64_t deepest = *std::ranges::max_element(options.depths);
    const int64_t longest = deepest + std::max(options.prompt + 1, options.generate + 3);
    // A pass holds no more tokens than a context: it must have room for what all write and for one who begins.
    const int64_t needed = use == FileUse::text ? std::max(longest, 2 * options.batch) : options.prompt;
    if (options.model.context != 0 && options.model.context < needed)
        return fail(ErrorKind::bad_request,
                    fmt::format("--ctx {} is too small, these tests need {}", options.model.context, needed),
                    "leave --ctx away");
    return options.model.context != 0 ? options.model.context : needed;
}

// A file, or a catalogue entry filled with random weights.
Result<Checkpoint> open_model(const BenchOptions& options, bool& is_random, std::string& title) {
    std::error_code ignored;
    title = options.model.model;
    is_random = !std::filesystem::exists(options.model.model, ignored);
    if (!is_random) return open_weights(options.model);
    auto match = find_in_catalogue(options.model.model);
    if (!match) {
        if (options.model.model.find('/') != std::string::npos || options.model.model.ends_with(".gguf"))
            return fail(ErrorKind::not_found, "there is no file " + options.model.model, "check the path");
        return std::unexpected(match.error());
    }
    if (!match->entry->drafts_for.empty())
        return fail(ErrorKind::unsupported,
                    fmt::format("{} is no model of its own: it guesses ahead for {}", match->entry->name,
                                match->entry->drafts_for),
                    "measure that one");
    // Before gigabytes are filled for nothing.
    if (match->entry->purpose == Purpose::text) TRY(context_for(options, FileUse::text));
    const std::string type = match->type.empty() ? options.type : match->type;
    const SynthPlan plan = TRY(plan_synth(*match->entry, type));
    const SynthPlace place = TRY(choose_synth_place(plan, std::filesystem::temp_directory_path(ignored).string()));
    title = fmt::format("{} {}, random weights in its real shape ({})", match->entry->name, plan.type,
                        bytes_text(uint64_t(plan.bytes)));
    Progress progress("filling " + match->entry->name);
    return open_synth(plan, place, [&](int64_t done, int64_t total) {
        progress.update(double(done) / double(total));
        return !was_interrupted();
    });
}

// What a model reads or writes is measured; a model that only reads has neither depth nor an answer.
Result<BenchOptions> fitted(BenchOptions options, const Checkpoint& checkpoint, FileUse use) {
    if (use == FileUse::text) return options;
    if (options.generate_argument.was_given() || options.depth_argument.was_given())
        return fail(
            ErrorKind::bad_request,
            "this is " + std::string(name_of(use)) + " and writes nothing: --generate and --depth say nothing about it",
            fmt::format("leave them away; `hearth {}` uses such a model", command_of(use)));
    const std::string family(checkpoint.metadata().text("general.architecture").value_or(""));
    const int64_t most = checkpoint.metadata().integer(family + ".context_length").value_or(options.prompt);
    if (!options.prompt_argument.was_given()) options.prompt = std::min(options.prompt, most);
    if (options.prompt > most)
        return fail(ErrorKind::bad_request,
                    fmt::format("texts of {} tokens are longer than the {} this model can read", options.prompt, most),
                    fmt::format("use --prompt {} or less", most));
    if (options.prompt < 1) return fail(ErrorKind::bad_request, "--prompt 0 leaves nothing to measure");
    return options;
}

Result<> bench(const BenchOptions& asked) {
    EngineOptions choice = TRY(engine_options(asked.model));
    BenchReport report{.name = asked.model.model, .title = {}, .measurements = {}};
    Checkpoint checkpoint = TRY(open_model(asked, report.is_random, report.title));
    const FileUse use = use_of(checkpoint);
    const BenchOptions options = TRY(fitted(asked, checkpoint, use));
    choice.context_tokens = TRY(context_for(options, use));
    choice.sequences = options.batch;
    choice.profile = options.profile;
    if (*std::ranges::max_element(options.depths) > 0) choice.snapshots = options.batch;  // to go on from the depth
    std::unique_ptr<Engine> engine;
    {
        Progress progress("loading " + options.model.model);
        choice.progress = [&](double share) { return progress.update(share), !was_interrupted(); };
        engine = TRY(Engine::open(std::move(checkpoint), choice));
    }
    if (options.bandwidth || options.profile) report.roof = TRY(measure_machine(engine->options().threads, choice.isa));
    report.measurements = TRY(use == FileUse::text ? measure(*engine, options, report.roof)
                                                   : measure_texts(*engine, options, report.roof, use));
    return write_out(options.json ? report.json(*engine).dump(1) + "\n" : report.text(*engine));
}

}  // namespace

void add_bench(Command& program) {
    auto options = std::make_shared<BenchOptions>();
    Command command = program.add_command("bench", "How fast a model runs on this machine, with or without its file");
    command.add_footer("Embedding models and rerankers are measured at reading --batch texts of --prompt tokens each.");
    add_model_argument(command, "MODEL", options->model.model,
                       "A GGUF file, a Hugging Face directory, or a name such as qwen3.5:2b: then random weights")
        .required();
    options->prompt_argument = command.add("--prompt", options->prompt, "Tokens to read; 0: do not measure")
                                   .show_default()
                                   .between(0, int64_t{1} << 24);
    options->generate_argument = command.add("--generate", options->generate, "Tokens to write; 0: do not measure")
                                     .show_default()
                                     .between(0, int64_t{1} << 24);
    options->depth_argument =
        command.add("--depth", options->depths, "Tokens already in the context, several with commas")
            .separated_by(',')
            .between(0, int64_t{1} << 24);
    command.add("--batch", options->batch, "Sequences at the same time").show_default().between(1, 256);
    command.add("--runs", options->runs, "Measurements per line; the median counts").show_default().between(1, 1000);
    command.add("--type", options->type, "Type of random weights, such as q4_k_m or q8_0").show_default();
    command.add_flag("--bandwidth", options->bandwidth, "Measure the machine too and print the share of its roof");
    command.add_flag("--profile", options->profile,
                     "Say which operations took the time, what they moved and multiplied, and the share of the roof");
    command.add_flag("--sample", options->sample,
                     "Draw tokens as chats do (temperature 0.7, top-k 20, top-p 0.95), not the likeliest one");
    command.add_flag("--json", options->json, "As JSON");
    add_model_options(command, options->model);
    command.runs([options] {
        catch_interrupts();
        return bench(*options);
    });
}

}  // namespace hearth::cli
