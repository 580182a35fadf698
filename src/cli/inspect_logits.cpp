// hearth inspect logits: what the model really says, as numbers. Runs through the same engine as everything else.
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"

namespace hearth::cli {

namespace {

struct LogitsOptions {
    ModelOptions model{.kv = "f32"};
    std::string tokens, out;
    int64_t greedy = 0, chunk = 512;
};

Result<std::vector<int32_t>> read_ids(const std::string& path) {
    std::istringstream text(path == "-" ? TRY(read_stdin()) : TRY(read_file(path)));
    std::vector<int32_t> ids;
    for (std::string word; text >> word;) {
        if (word.ends_with(',')) word.pop_back();
        char* end = nullptr;
        const long id = std::strtol(word.c_str(), &end, 10);
        if (word.empty() || *end || id != int32_t(id))
            return fail(ErrorKind::bad_request, fmt::format("{}: \"{}\" is no token id", path, word.substr(0, 40)),
                        "write one number a line");
        ids.push_back(int32_t(id));
    }
    return ids;
}

Result<> inspect_logits(const LogitsOptions& options) {
    EngineOptions engine_choice = TRY(engine_options(options.model));
    Request request;
    request.tokens = TRY(read_ids(options.tokens));
    if (engine_choice.context_tokens == 0)
        engine_choice.context_tokens = std::max<int64_t>(256, int64_t(request.tokens.size()) + options.greedy + 1);
    engine_choice.step_tokens = options.chunk;
    std::ofstream file;  // before the engine: a pass that was interrupted may write its rows until the engine is gone
    auto engine = TRY(open_engine(options.model, engine_choice, false));

    // Generate one token more than asked for: the last one asked for is then fed back and its logits are seen too.
    request.max_tokens = options.greedy + 1;
    request.ignore_end = true;
    request.detect_loops = false;
    request.sampling.temperature = 0;
    if (!options.out.empty()) {
        file.open(options.out, std::ios::binary);
        if (!file)
            return fail(ErrorKind::bad_file, fmt::format("cannot write {}: {}", options.out, std::strerror(errno)));
        request.logits = [&](int64_t, std::span<const float> row) {
            file.write(reinterpret_cast<const char*>(row.data()), std::streamsize(row.size_bytes()));
        };
    }
    std::string ids;
    int64_t generated = 0;
    const Event last = TRY(run_request(*engine, std::move(request), [&](const Event& event) -> Result<> {
        if (event.kind == Event::Kind::token && generated++ < options.greedy) ids += fmt::format("{}\n", event.token);
        return {};
    }));
    if (last.reason == FinishReason::cancelled) return fail(ErrorKind::cancelled, "stopped");
    file.close();
    if (file.is_open() || (!options.out.empty() && !file))
        return fail(ErrorKind::bad_file, fmt::format("cannot write {}", options.out), "is the disk full?");
    return write_out(ids);
}

}  // namespace

void add_inspect_logits(Command& inspect) {
    auto options = std::make_shared<LogitsOptions>();
    Command command = inspect.add_command("logits", "Logits of a prompt of token ids, and greedy continuation");
    add_model_argument(command, "MODEL", options->model.model, "A GGUF file or a Hugging Face directory").required();
    command.add("--tokens", options->tokens, "File of token ids, - for standard input").required();
    command.add("--out", options->out,
                "Where to write the rows as raw f32: one per prompt token, then one per greedy step");
    command.add("--greedy", options->greedy, "Continue greedily for N tokens; their ids go to standard output")
        .between(0, int64_t{1} << 30);
    command.add("--chunk", options->chunk, "Prompt tokens per pass").between(1, 1 << 16);
    add_model_options(command, options->model);
    command.runs([options] {
        catch_interrupts();
        return inspect_logits(*options);
    });
}

}  // namespace hearth::cli
