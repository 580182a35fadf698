// One function per command: adds its words to the command line and says what it does.
#pragma once

namespace hearth::cli {

class Command;

void add_run(Command& program);
void add_bench(Command& program);
void add_convert(Command& program);
void add_embed(Command& program);
void add_imatrix(Command& program);
void add_keys(Command& program);
void add_perplexity(Command& program);
void add_rerank(Command& program);
void add_serve(Command& program);
void add_top(Command& program);
void add_inspect(Command& program);
void add_quantize(Command& program);

void add_inspect_file(Command& inspect);  // metadata, tensors
void add_inspect_grammar(Command& inspect);
void add_inspect_tokens(Command& inspect);
void add_inspect_logits(Command& inspect);
void add_inspect_prompt(Command& inspect);
void add_inspect_synth(Command& inspect);

}  // namespace hearth::cli
