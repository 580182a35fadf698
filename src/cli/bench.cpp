// hearth bench: how fast a model runs here, and how far that is from what the memory bus allows. Runs requests through
// the same engine as every other command. A name from the catalogue needs no file: its real shape is filled with random
// weights.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>

#include "base/os.h"
#include "base/rng.h"
#include "base/text_format.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "engine/loaded_model.h"
#include "engine/machine.h"
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
};

struct Measurement {
    std::string test;  // prefill, decode
    int64_t tokens = 0, depth = 0, batch = 1;
    std::vector<double> speeds;  // tokens per second, one per run
    double share_of_roof = -1;   // -1: not measured
    std::vector<OpTime> profile;

    double median() const {
        std::vector<double> sorted = speeds;
        std::ranges::sort(sorted);
        const size_t middle = sorted.size() / 2;
        return sorted.size() % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
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

// What one sequence of a run reports: seconds after its start at which it reached a number of prompt tokens, and tokens
// came.
struct Times {
    std::vector<std::pair<int64_t, double>> prompt;
    std::vector<double> tokens;
    Usage usage;

    double reached(int64_t tokens_done) const {
        for (const auto& [done, seconds] : prompt)
            if (done >= tokens_done) return seconds;
        return 0;
    }
};

// `batch` equal requests at once. Greedy, so that sampling costs next to nothing and nothing depends on luck.
Result<std::vector<Times>> run_batch(Engine& engine, const BenchOptions& options, int64_t depth, int64_t prompt,
                                     int64_t generate) {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<Times> times(static_cast<size_t>(options.batch));
    std::vector<RequestId> ids;
    int64_t running = options.batch;
    std::optional<Error> failure;
    for (int64_t i = 0; i < options.batch; ++i) {
        Request request;
        request.tokens =
            random_prompt(engine.tokenizer(), engine.model().vocabulary, depth + prompt, uint64_t(depth * 131 + i));
        request.max_tokens = generate;
        request.ignore_end = true;
        request.detect_loops = false;
        request.reuse = false;
        request.sampling.temperature = 0;
        if (depth > 0) request.boundaries = {depth};
        ids.push_back(TRY(engine.submit(std::move(request), [&, i](const Event& event) {
            std::lock_guard lock(mutex);
            Times& own = times[size_t(i)];
            if (event.kind == Event::Kind::progress) own.prompt.emplace_back(event.tokens_done, event.seconds);
            if (event.kind == Event::Kind::token) own.tokens.push_back(event.seconds);
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
        if (!was_interrupted()) continue;
        lock.unlock();
        for (const RequestId id : ids) engine.cancel(id);
        return fail(ErrorKind::cancelled, "stopped");
    }
    if (failure) return std::unexpected(*failure);
    return times;
}

Result<std::vector<Measurement>> measure(Engine& engine, const BenchOptions& options, const MachineRoof& roof) {
    std::vector<Measurement> all;
    Progress progress("measuring");
    const double rounds = double(options.depths.size()) * (options.runs + 1);
    double done = 0;
    for (const int64_t depth : options.depths) {
        Measurement prefill{
            .test = "prefill", .tokens = options.prompt, .depth = depth, .batch = options.batch, .speeds = {}};
        Measurement decode{
            .test = "decode", .tokens = options.generate, .depth = depth, .batch = options.batch, .speeds = {}};
        for (int round = 0; round <= options.runs; ++round) {  // the first one warms up and does not count
            progress.update(done++ / rounds);
            if (options.prompt > 0) {
                const auto times = TRY(run_batch(engine, options, depth, options.prompt, 1));
                double begin = 0, end = 0;
                for (const Times& own : times) {
                    begin = std::max(begin, own.reached(depth));
                    end = std::max(end, own.tokens.back());
                }
                if (depth == 0) begin = 0;
                if (round > 0) prefill.speeds.push_back(double(options.prompt * options.batch) / (end - begin));
                prefill.profile = engine.take_profile();  // of the last round
            }
            if (options.generate > 0) {
                // Decoding is measured from the first token that follows a prompt of just the depth.
                const auto times = TRY(run_batch(engine, options, depth, 1, options.generate + 1));
                double begin = 0, end = 0;
                for (const Times& own : times) {
                    begin = std::max(begin, own.tokens.front());
                    end = std::max(end, own.tokens.back());
                }
                if (round > 0) decode.speeds.push_back(double(options.generate * options.batch) / (end - begin));
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

Json profile_json(const std::vector<OpTime>& profile) {
    Json list = Json::array();
    for (const OpTime& op : profile) {
        Json entry = Json::object();
        entry.set("op", op.name);
        entry.set("calls", op.calls);
        entry.set("seconds", op.seconds);
        list.push(std::move(entry));
    }
    return list;
}

// Where one round's time went, most expensive first.
std::string profile_text(const Measurement& measurement) {
    std::vector<OpTime> ops = measurement.profile;
    std::ranges::sort(ops, std::greater(), &OpTime::seconds);
    double total = 0;
    for (const OpTime& op : ops) total += op.seconds;
    std::string text = fmt::format("\n{} at depth {}, one round of {:.1f} ms in ops\n", measurement.test,
                                   measurement.depth, total * 1e3);
    for (const OpTime& op : ops)
        text += fmt::format("  {:<20} {:>7} calls {:>10.2f} ms {:>6.1f} %\n", op.name, op.calls, op.seconds * 1e3,
                            100 * op.seconds / total);
    return text;
}

Json results_json(const Engine& engine, const BenchOptions& options, const std::vector<Measurement>& measurements,
                  const MachineRoof& roof, bool is_random) {
    Json machine = Json::object();
    machine.set("processor", machine_name());
    machine.set("device", engine.device());
    machine.set("threads", engine.options().threads);
    if (roof.read_bytes_per_second > 0) {
        machine.set("read_gb_per_second", roof.read_bytes_per_second / 1e9);
        machine.set("int8_gops", roof.int8_ops_per_second / 1e9);
    }
    Json model = Json::object();
    model.set("name", options.model.model);
    model.set("architecture", engine.model().architecture);
    model.set("parameters", engine.model().parameters);
    model.set("random_weights", is_random);
    model.set("memory_bytes", engine.plan().total());
    model.set("anonymous_bytes", resident_anonymous_bytes());  // really held, after all measurements
    model.set("bytes_per_token", engine.bytes_per_token(0));
    Json results = Json::array();
    for (const Measurement& one : measurements) {
        Json runs = Json::array();
        for (const double speed : one.speeds) runs.push(speed);
        Json entry = Json::object();
        entry.set("test", one.test);
        entry.set("tokens", one.tokens);
        entry.set("depth", one.depth);
        entry.set("batch", one.batch);
        entry.set("tokens_per_second", one.median());
        entry.set("share_of_roof", one.share_of_roof >= 0 ? Json(one.share_of_roof) : Json());
        entry.set("runs", std::move(runs));
        if (!one.profile.empty()) entry.set("profile", profile_json(one.profile));
        results.push(std::move(entry));
    }
    Json all = Json::object();
    all.set("machine", std::move(machine));
    all.set("model", std::move(model));
    all.set("results", std::move(results));
    return all;
}

std::string results_text(const Engine& engine, const std::vector<Measurement>& measurements, const MachineRoof& roof,
                         const std::string& title) {
    std::string text = fmt::format("{}, {}\n", title, engine.device());
    if (roof.read_bytes_per_second > 0)
        text += fmt::format("this machine reads {:.1f} GB/s and multiplies {:.0f} Gop/s in int8\n",
                            roof.read_bytes_per_second / 1e9, roof.int8_ops_per_second / 1e9);
    text += fmt::format("{:<8} {:>7} {:>7} {:>6} {:>11} {:>19}\n", "test", "tokens", "depth", "batch", "tokens/s",
                        roof.read_bytes_per_second > 0 ? "share of the roof" : "");
    for (const Measurement& one : measurements)
        text +=
            fmt::format("{:<8} {:>7} {:>7} {:>6} {:>11.1f} {:>19}\n", one.test, one.tokens, one.depth, one.batch,
                        one.median(), one.share_of_roof >= 0 ? fmt::format("{:.0f} %", one.share_of_roof * 100) : "");
    for (const Measurement& one : measurements)
        if (!one.profile.empty()) text += profile_text(one);
    return text;
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

Result<> bench(const BenchOptions& options) {
    int64_t deepest = 0;
    for (const int64_t depth : options.depths) deepest = std::max(deepest, depth);
    EngineOptions choice = TRY(engine_options(options.model));
    const int64_t needed = deepest + std::max(options.prompt + 1, options.generate + 3);
    if (choice.context_tokens == 0) choice.context_tokens = needed;
    if (choice.context_tokens < needed)
        return fail(ErrorKind::bad_request,
                    fmt::format("--ctx {} is too small, these tests need {}", choice.context_tokens, needed),
                    "leave --ctx away");
    choice.sequences = options.batch;
    choice.profile = options.profile;

    bool is_random = false;
    std::string title;
    Checkpoint checkpoint = TRY(open_model(options, is_random, title));
    std::unique_ptr<Engine> engine;
    {
        Progress progress("loading " + options.model.model);
        choice.progress = [&](double share) { return progress.update(share), !was_interrupted(); };
        engine = TRY(Engine::open(std::move(checkpoint), choice));
    }
    MachineRoof roof;
    if (options.bandwidth) roof = TRY(measure_machine(engine->options().threads, choice.isa));
    const auto measurements = TRY(measure(*engine, options, roof));
    if (options.json) return write_out(results_json(*engine, options, measurements, roof, is_random).dump(1) + "\n");
    return write_out(results_text(*engine, measurements, roof, title));
}

}  // namespace

void add_bench(CLI::App& app, int& exit_code) {
    auto options = std::make_shared<BenchOptions>();
    CLI::App* command = app.add_subcommand("bench", "How fast a model runs on this machine, with or without its file");
    command
        ->add_option("MODEL", options->model.model,
                     "A GGUF file, a Hugging Face directory, or a name such as qwen3.5:2b: then random weights")
        ->required();
    command->add_option("--prompt", options->prompt, "Tokens to read; 0: do not measure")
        ->capture_default_str()
        ->check(CLI::Range(int64_t{0}, int64_t{1} << 24));
    command->add_option("--generate", options->generate, "Tokens to write; 0: do not measure")
        ->capture_default_str()
        ->check(CLI::Range(int64_t{0}, int64_t{1} << 24));
    command->add_option("--depth", options->depths, "Tokens already in the context, several with commas")
        ->delimiter(',')
        ->check(CLI::Range(int64_t{0}, int64_t{1} << 24));
    command->add_option("--batch", options->batch, "Sequences at the same time")
        ->capture_default_str()
        ->check(CLI::Range(1, 256));
    command->add_option("--runs", options->runs, "Measurements per line; the median counts")
        ->capture_default_str()
        ->check(CLI::Range(1, 1000));
    command->add_option("--type", options->type, "Type of random weights, such as q4_k_m or q8_0")
        ->capture_default_str();
    command->add_flag("--bandwidth", options->bandwidth, "Measure the machine too and print the share of its roof");
    command->add_flag("--profile", options->profile, "Say which operations took the time");
    command->add_flag("--json", options->json, "As JSON");
    add_model_options(*command, options->model);
    command->callback([options, &exit_code] {
        catch_interrupts();
        if (auto done = bench(*options); !done) exit_code = report(done.error());
    });
}

}  // namespace hearth::cli
