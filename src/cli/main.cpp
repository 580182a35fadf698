// hearth: parses the command line and hands over to one file per command.
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/options.h"

int main(int count, char** words) {
    using namespace hearth::cli;
    Program program("hearth", "hearth runs small open language models on the machine you already own.", version_text);
    for (const auto add : {add_run, add_serve, add_keys, add_top, add_bench, add_embed, add_rerank, add_perplexity,
                           add_imatrix, add_inspect, add_convert, add_quantize})
        add(program.commands());
    return program.run(count, words);
}
