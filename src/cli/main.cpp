// hearth: parses the command line and hands over to one file per command.
#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"

int main(int count, char** words) {
    using namespace hearth::cli;
    CLI::App app("hearth runs small open language models on the machine you already own.", "hearth");
    app.set_version_flag("--version", version_text);
    app.require_subcommand(1);
    app.failure_message(CLI::FailureMessage::simple);
    int exit_code = kDone;
    add_run(app, exit_code);
    add_bench(app, exit_code);
    add_embed(app, exit_code);
    add_rerank(app, exit_code);
    add_perplexity(app, exit_code);
    add_imatrix(app, exit_code);
    add_inspect(app, exit_code);
    add_convert(app, exit_code);
    add_quantize(app, exit_code);
    try {
        app.parse(count, words);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == int(CLI::ExitCodes::Success)) return app.exit(error);  // --help, --version
        const std::string command = count > 1 && words[1][0] != '-' ? words[1] : "";
        const auto named = app.get_subcommands([&](const CLI::App* one) { return one->get_name() == command; });
        if (!command.empty() && named.empty())
            return wrong_usage("there is no command \"" + command + "\"; `hearth --help` lists them");
        return wrong_usage(std::string(error.what()) + "; `hearth" + (command.empty() ? "" : " " + command) +
                           " --help` tells how it is used");
    } catch (const std::bad_alloc&) {
        return report({hearth::ErrorKind::out_of_memory, "out of memory", "use a smaller --ctx or a smaller model"});
    }
    return exit_code;
}
