// Flags that several commands share, and how they become typed values. The environment is read
// here and in config.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "chat/family.h"
#include "cli/command_line.h"
#include "engine/engine.h"

namespace hearth::cli {

struct ModelOptions {
    std::string model, kv = "f16", device = "cpu";
    std::string quant;  // a mix that the weights are brought to while loading; empty: as they are
    int64_t context = 0;
    int threads = 0;
    bool check = false, mmap = false;
};

struct SamplingOptions {
    Command command;  // tells which flags were really given
    SamplerOptions values;
    int64_t seed = -1;
    std::vector<std::string> stop, logit_bias, dry_breakers;
    int64_t max_tokens = -1;
};

// The word that says which model: a path, or the name of the one that comes with the program.
Argument add_model_argument(Command& command, const char* name, std::string& model, const std::string& text);
void add_model_options(Command& command, ModelOptions& options, bool with_context = true);
void add_sampling_options(Command& command, SamplingOptions& options);

Result<EngineOptions> engine_options(const ModelOptions& options);  // reads HEARTH_CPU
// What was not given comes from the file's recommendation (general.sampling.*), then from the makers of the family,
// then from our defaults.
Result<SamplerOptions> sampler_options(const SamplingOptions& options, const Metadata& file,
                                       const chat::Sampling& family = {});
bool wants_colour();                         // of standard error: a terminal that can, and NO_COLOR is not set
std::string data_directory();                // HEARTH_HOME, or where XDG wants it; empty: there is no home
std::string kept_texts_directory();          // of what models have read, below the cache directory; empty likewise
std::vector<std::string> own_directories();  // for data, cache and state; those without a home are empty
std::string version_text();

// The model at a path, with the weights that --quant asks for.
Result<Checkpoint> open_weights(const ModelOptions& options);
// Loads with a progress line. Says on stderr what was chosen when `announce`.
Result<std::unique_ptr<Engine>> open_engine(const ModelOptions& model, EngineOptions options, bool announce);
Result<std::unique_ptr<Engine>> open_engine(const ModelOptions& model, Checkpoint checkpoint, EngineOptions options,
                                            bool announce);

// Runs one request and hands its events to `on_event` on the calling thread. Ctrl-C cancels it, and so does an error of
// `on_event`.
Result<Event> run_request(Engine& engine, Request request, const std::function<Result<>(const Event&)>& on_event);

}  // namespace hearth::cli
