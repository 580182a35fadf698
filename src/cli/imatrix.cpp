// hearth imatrix: how strongly a text drives each input of each weight, for `hearth quantize`.
#include "library/imatrix.h"

#include <filesystem>
#include <memory>

#include "cli/chunks.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "engine/loaded_model.h"

namespace hearth::cli {

namespace {

struct ImatrixOptions {
    ModelOptions model{.kv = "f32"};
    std::string text, out;
    int64_t chunks = 0;
};

Result<> make_imatrix(const ImatrixOptions& options) {
    const std::string text = options.text == "-" ? TRY(read_stdin()) : TRY(read_file(options.text));
    const TextReader reader = TRY(TextReader::make(TRY(open_checkpoint(options.model.model))));
    Chunks chunks = TRY(cut_text(reader, text, options.model.context, options.chunks));
    EngineOptions engine_choice = TRY(engine_options(options.model));
    engine_choice.context_tokens = chunks.chunk_tokens;
    engine_choice.measure_inputs = true;
    const auto engine = TRY(open_engine(options.model, engine_choice, false));
    const size_t count = chunks.tokens.size();
    // One piece after the other: the order of the sums is that of the text, so the file is the same each time. The rows
    // of all tokens are asked for, since layers that keep nothing see no others; hidden ones need no output matrix.
    std::vector<EmbedRequest> requests;
    for (auto& tokens : chunks.tokens)
        requests.push_back({.tokens = std::move(tokens), .each_row = [](int64_t, std::span<const float>) {}});
    Progress progress("reading " + options.text);
    TRY(read_all(*engine, std::move(requests), [&](size_t i, const Event&) -> Result<> {
        progress.update(double(i + 1) / double(count));
        return {};
    }));
    std::map<std::string, InputSums, std::less<>> sums;
    for (auto& [name, found] : engine->take_input_squares())
        sums[name] = {std::move(found.squares), std::move(found.rows)};
    TRY(write_imatrix(options.out, sums,
                      {.dataset = std::filesystem::path(options.text).filename().string(),
                       .chunk_count = int64_t(count),
                       .chunk_tokens = chunks.chunk_tokens}));
    std::string line =
        fmt::format("hearth: {} weights over {} tokens", sums.size(), int64_t(count) * chunks.chunk_tokens);
    if (chunks.unused > 0) line += fmt::format("; the last {} tokens of the text were not read", chunks.unused);
    notice(line);
    return {};
}

}  // namespace

void add_imatrix(Command& program) {
    auto options = std::make_shared<ImatrixOptions>();
    Command command = program.add_command("imatrix", "Measure which inputs of the weights matter, for quantize");
    add_model_argument(command, "MODEL", options->model.model, "A GGUF file, as little quantised as there is")
        .required();
    command.add("TEXT", options->text, "File with the text to read, - for standard input").required();
    command.add("OUT", options->out, "Where to write the matrix (GGUF)").required();
    command.add("--chunks", options->chunks, "Read at most N pieces of the text").between(1, int64_t{1} << 24);
    add_model_options(command, options->model);
    command.runs([options] {
        catch_interrupts();
        return make_imatrix(*options);
    });
}

}  // namespace hearth::cli
