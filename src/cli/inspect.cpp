// hearth inspect: one sub-command per thing one may want to look into.
#include <CLI/CLI.hpp>

#include "cli/commands.h"

namespace hearth::cli {

void add_inspect(CLI::App& app, int& exit_code) {
    CLI::App* inspect = app.add_subcommand("inspect", "Look into files, tokens and numbers");
    inspect->require_subcommand(1);
    add_inspect_file(*inspect, exit_code);
    add_inspect_tokens(*inspect, exit_code);
    add_inspect_logits(*inspect, exit_code);
    add_inspect_synth(*inspect, exit_code);
}

}  // namespace hearth::cli
