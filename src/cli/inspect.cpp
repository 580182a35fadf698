// hearth inspect: looks into files, tokens and numbers; one file per subject.
#include "cli/command_line.h"
#include "cli/commands.h"

namespace hearth::cli {

void add_inspect(Command& program) {
    Command inspect = program.add_command("inspect", "Look into files, tokens and numbers");
    inspect.needs_command();
    add_inspect_file(inspect);
    add_inspect_tokens(inspect);
    add_inspect_prompt(inspect);
    add_inspect_grammar(inspect);
    add_inspect_logits(inspect);
    add_inspect_synth(inspect);
}

}  // namespace hearth::cli
