// One function per command: adds its words to the command line and returns nothing; the callback leaves its exit code
// behind.
#pragma once

#include <CLI/App.hpp>

namespace hearth::cli {

void add_run(CLI::App& app, int& exit_code);
void add_bench(CLI::App& app, int& exit_code);
void add_convert(CLI::App& app, int& exit_code);
void add_embed(CLI::App& app, int& exit_code);
void add_imatrix(CLI::App& app, int& exit_code);
void add_perplexity(CLI::App& app, int& exit_code);
void add_rerank(CLI::App& app, int& exit_code);
void add_inspect(CLI::App& app, int& exit_code);
void add_quantize(CLI::App& app, int& exit_code);

void add_inspect_file(CLI::App& inspect, int& exit_code);  // metadata, tensors
void add_inspect_tokens(CLI::App& inspect, int& exit_code);
void add_inspect_logits(CLI::App& inspect, int& exit_code);
void add_inspect_synth(CLI::App& inspect, int& exit_code);

}  // namespace hearth::cli
