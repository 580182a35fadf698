#include "cli/options.h"

#include <unistd.h>

#include <charconv>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

#include "base/os.h"
#include "base/text_format.h"
#include "chat/recommended.h"
#include "cli/console.h"
#include "engine/loaded_model.h"
#include "engine/machine.h"
#include "library/check_numbers.h"
#include "library/convert.h"
#include "library/installed.h"

namespace hearth::cli {

Argument add_model_argument(Command& command, const char* name, std::string& model, const std::string& text) {
    return command.add(name, model, text).changed_by(installed_model);
}

void add_model_options(Command& command, ModelOptions& options, bool with_context) {
    command
        .add("--threads", options.threads, "Processor cores to use (default: the physical ones this process may use)")
        .between(1, 1024);
    command.add("--device", options.device, "cpu, or reference: plain float loops, slow, the measure of everything")
        .one_of({"cpu", "reference"});
    const Argument quant =
        command.add("--quant", options.quant,
                    "Quantise the weights while loading: q4_k_m, q8_0 or any other that `hearth quantize` knows");
    command
        .add_flag(
            "--mmap", options.mmap,
            "Use the weights where the file is mapped: starts at once and shares memory with other processes, but "
            "answers more slowly")
        .excludes(quant);
    command.add_flag("--check", options.check, "Look through all weights first for values that are no numbers");
    if (!with_context) return;
    command.add("--ctx", options.context, "Context in tokens (default: the largest that fits half of the free memory)")
        .between(1, int64_t{1} << 40);
    command.add("--kv", options.kv, "Type of the cached keys and values: f16, f32, q8_0, q4_0")
        .one_of({"f16", "f32", "q8_0", "q4_0"});
}

void add_sampling_options(Command& command, SamplingOptions& options) {
    options.command = command;
    SamplerOptions& s = options.values;
    s = chat::usual_sampling();
    const std::string group = "Sampling, where neither the model's file nor its makers recommend something else";
    const auto add = [&](const char* name, auto& value, const char* text) {
        return command.add(name, value, text).in_group(group).show_default();
    };
    add("--temp", s.temperature, "Temperature; 0 always takes the likeliest token");
    add("--top-k", s.top_k, "Only the k likeliest tokens; 0: off");
    add("--top-p", s.top_p, "Only the likeliest tokens up to this mass; 1: off");
    add("--min-p", s.min_p, "Only tokens this many times as likely as the best; 0: off");
    add("--typical-p", s.typical_p, "Only the most typical tokens up to this mass; 1: off");
    add("--repeat-penalty", s.repetition_penalty, "Weakens tokens that stand in the recent text; 1: off");
    add("--presence-penalty", s.presence_penalty, "Taken once from tokens that occur; 0: off");
    add("--frequency-penalty", s.frequency_penalty, "Taken as often as a token occurs; 0: off");
    add("--repeat-last-n", s.penalty_last_n, "Tokens the penalties look back at; -1: all");
    add("--dry-multiplier", s.dry_multiplier, "Strength against repeated passages; 0: off");
    add("--dry-base", s.dry_base, "Growth per repeated token");
    add("--dry-allowed-length", s.dry_allowed_length, "Passages up to this length are free");
    add("--dry-last-n", s.dry_last_n, "Tokens searched for passages; -1: all");
    command
        .add("--dry-breaker", options.dry_breakers,
             "Text that no repeated passage reaches across, repeatable; \\n is a new line, none: no such text "
             "(default: \\n : \" *)")
        .in_group(group);
    add("--xtc-probability", s.xtc_probability, "Chance of dropping the likeliest tokens; 0: off");
    add("--xtc-threshold", s.xtc_threshold, "Tokens above this probability may be dropped");
    command.add("--logit-bias", options.logit_bias, "ID=BIAS, repeatable; -inf forbids the token").in_group(group);
    command.add("--seed", options.seed, "Same seed, same answer (default: another one each time)")
        .in_group(group)
        .between(0, INT64_MAX - 1);  // larger numbers arrive as INT64_MAX
    command.add("--stop", options.stop, "Text that ends the answer, repeatable").in_group(group);
    command.add("-n,--max-tokens", options.max_tokens, "Most tokens to generate")
        .in_group(group)
        .between(1, int64_t{1} << 40);
}

Result<EngineOptions> engine_options(const ModelOptions& options) {
    static const std::map<std::string, KvType> kTypes{
        {"f32", KvType::f32}, {"f16", KvType::f16}, {"q8_0", KvType::q8_0}, {"q4_0", KvType::q4_0}};
    EngineOptions engine;
    engine.device = options.device;
    engine.threads = options.threads;
    engine.context_tokens = options.context;
    engine.kv_type = kTypes.at(options.kv);
    engine.mmap = options.mmap;
    engine.isa = environment("HEARTH_CPU");
    if (!engine.isa.empty()) TRY(check_kernel_row(engine.isa));
    return engine;
}

bool wants_colour() {
    return is_terminal(STDERR_FILENO) && environment("NO_COLOR").empty() && environment("TERM") != "dumb";
}

namespace {
std::string own_directory(const char* variable, const char* below_home) {
    if (const std::string home = environment("HEARTH_HOME"); !home.empty()) return home;
    if (const std::string chosen = environment(variable); chosen.starts_with('/')) return chosen + "/hearth";
    const std::string home = environment("HOME");
    return home.empty() ? "" : home + below_home;
}
}  // namespace

std::string data_directory() {
    return own_directory("XDG_DATA_HOME", "/.local/share/hearth");
}

namespace {
std::string cache_directory() {
    return own_directory("XDG_CACHE_HOME", "/.cache/hearth");
}
}  // namespace

std::string kept_texts_directory() {
    const std::string folder = cache_directory();
    return folder.empty() ? "" : folder + "/prefixes";
}

std::vector<std::string> own_directories() {
    return {data_directory(), cache_directory(), own_directory("XDG_STATE_HOME", "/.local/state/hearth")};
}

Result<SamplerOptions> sampler_options(const SamplingOptions& options, const Metadata& file,
                                       const chat::Sampling& family) {
    SamplerOptions values = chat::recommended_sampling(options.values, file, family);
    const auto insist = [&](const char* flag, auto member) {
        if (options.command.was_given(flag)) values.*member = options.values.*member;
    };
    insist("--temp", &SamplerOptions::temperature);
    insist("--top-k", &SamplerOptions::top_k);
    insist("--top-p", &SamplerOptions::top_p);
    insist("--min-p", &SamplerOptions::min_p);
    insist("--repeat-penalty", &SamplerOptions::repetition_penalty);
    insist("--presence-penalty", &SamplerOptions::presence_penalty);
    insist("--repeat-last-n", &SamplerOptions::penalty_last_n);
    insist("--xtc-probability", &SamplerOptions::xtc_probability);
    insist("--xtc-threshold", &SamplerOptions::xtc_threshold);
    if (options.seed >= 0) values.seed = uint64_t(options.seed);
    if (!options.dry_breakers.empty()) values.dry_breakers.clear();
    for (std::string text : options.dry_breakers) {
        if (text == "none") continue;
        for (size_t at = 0; (at = text.find("\\n", at)) != std::string::npos; ++at) text.replace(at, 2, "\n");
        values.dry_breakers.push_back(std::move(text));
    }
    for (const std::string& text : options.logit_bias) {
        const size_t equals = text.find('=');
        int32_t id = 0;
        char* end = nullptr;
        const auto read = std::from_chars(text.data(), text.data() + std::min(equals, text.size()), id);
        const float bias = equals == std::string::npos ? 0 : std::strtof(text.c_str() + equals + 1, &end);
        if (equals == std::string::npos || read.ec != std::errc() || read.ptr != text.data() + equals ||
            end == text.c_str() + equals + 1 || *end)
            return fail(ErrorKind::bad_request, fmt::format("--logit-bias {} is not ID=BIAS", text),
                        "write for example 42=-inf");
        values.logit_bias.emplace_back(id, bias);
    }
    return values;
}

std::string version_text() {
    const std::string forced = environment("HEARTH_CPU");
    return fmt::format("hearth {}, kernels {}", HEARTH_VERSION,
                       forced.empty()             ? kernel_row()
                       : check_kernel_row(forced) ? forced + " (HEARTH_CPU)"
                                                  : "none: HEARTH_CPU=" + forced + " is not one of this machine");
}

Result<Checkpoint> open_weights(const ModelOptions& options) {
    Checkpoint checkpoint = TRY(open_checkpoint(options.model));
    if (options.check) {
        Progress progress("checking " + options.model);
        TRY(check_numbers(checkpoint, [&](double share) { return progress.update(share), !was_interrupted(); }));
    }
    if (options.quant.empty()) return checkpoint;
    return quantised_view(std::move(checkpoint), options.quant,
                          options.threads > 0 ? options.threads : physical_cores_allowed());
}

Result<std::unique_ptr<Engine>> open_engine(const ModelOptions& model, EngineOptions options, bool announce) {
    return open_engine(model, TRY(open_weights(model)), std::move(options), announce);
}

Result<std::unique_ptr<Engine>> open_engine(const ModelOptions& model, Checkpoint checkpoint, EngineOptions options,
                                            bool announce) {
    const std::string& path = model.model;
    Progress progress("loading " + path);
    options.progress = [&progress, others = options.progress](double share) {
        progress.update(share);
        return (!others || others(share)) && !was_interrupted();
    };
    auto engine = TRY(Engine::open(std::move(checkpoint), options));
    const MemoryPlan& plan = engine->plan();
    if (plan.context_tokens > engine->model().context_tokens)
        notice(fmt::format("hearth: this model was made for {} tokens of context; beyond that answers get worse",
                           engine->model().context_tokens));
    if (plan.weights_as_stored)
        notice("hearth: memory is short, so weights stay as they are in the file; answers are the same, but slower");
    if (plan.mapped > int64_t(memory_available_bytes()))
        notice("hearth: the file is larger than the memory that is free, so it is read from disk again and again");
    if (announce)
        notice(fmt::format(
            "{}: {}, context {} tokens, memory {} (weights {}, cache {}, working space {}){}",
            engine->model().name.empty() ? path : engine->model().name, engine->device(), plan.context_tokens,
            bytes_text(uint64_t(plan.total())), bytes_text(uint64_t(plan.weights)),
            bytes_text(uint64_t(plan.kv + plan.state)), bytes_text(uint64_t(plan.scratch)),
            plan.mapped > 0 ? fmt::format("; {} of weights stay in the file", bytes_text(uint64_t(plan.mapped))) : ""));
    return engine;
}

Result<Event> run_request(Engine& engine, Request request, const std::function<Result<>(const Event&)>& on_event) {
    std::mutex mutex;
    std::condition_variable arrived;
    std::deque<Event> events;
    const RequestId id = TRY(engine.submit(std::move(request), [&](const Event& event) {
        std::lock_guard lock(mutex);
        events.push_back(event);
        arrived.notify_one();
    }));
    bool is_cancelled = false;
    while (true) {
        std::unique_lock lock(mutex);
        arrived.wait_for(lock, std::chrono::milliseconds(30), [&] { return !events.empty(); });
        if (events.empty()) {
            lock.unlock();
            if (was_interrupted() && !is_cancelled) {
                is_cancelled = true;
                engine.cancel(id);
            }
            continue;
        }
        Event event = std::move(events.front());
        events.pop_front();
        lock.unlock();
        if (was_interrupted() && !is_cancelled) {
            is_cancelled = true;
            engine.cancel(id);
        }
        if (auto handled = on_event(event); !handled) {
            engine.cancel(id);  // no event follows the one that this sends
            return std::unexpected(std::move(handled).error());
        }
        if (event.kind == Event::Kind::failed) return std::unexpected(event.error);
        if (event.kind == Event::Kind::finish) return event;
    }
}

}  // namespace hearth::cli
