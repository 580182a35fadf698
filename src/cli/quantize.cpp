// hearth quantize: a model file into one with smaller weights.
#include <map>
#include <memory>

#include "base/os.h"
#include "base/text_format.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "engine/loaded_model.h"
#include "library/imatrix.h"
#include "library/mixes.h"
#include "library/quantise_file.h"

namespace hearth::cli {

namespace {

struct QuantizeChoice {
    std::string in, out, imatrix, size;
    std::vector<std::string> keep;
    QuantiseOptions options;
    bool dry_run = false;
};

Result<KeepRule> parse_keep(const std::string& text) {
    const size_t equals = text.rfind('=');  // patterns may hold one, types do not
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
        return fail(ErrorKind::bad_request, fmt::format("--keep {} is not REGEX=TYPE", text),
                    "write for example 'attn_v=q6_k'");
    return KeepRule{text.substr(0, equals), text.substr(equals + 1)};
}

// "q4_k 120, q6_k 24, f32 97"
std::string type_counts(const QuantisePlan& plan) {
    std::map<std::string_view, int> counts;
    for (const QuantisedTensor& tensor : plan.tensors) ++counts[name_of(tensor.type)];
    std::string text;
    for (const auto& [type, count] : counts) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", type, count);
    return text;
}

Result<> quantize(QuantizeChoice& choice) {
    for (const std::string& text : choice.keep) choice.options.keep.push_back(TRY(parse_keep(text)));
    if (!choice.size.empty()) choice.options.target_bytes = TRY(parse_size(choice.size));
    if (choice.options.threads == 0) choice.options.threads = physical_cores_allowed();
    Imatrix imatrix;
    if (!choice.imatrix.empty()) {
        imatrix = TRY(read_imatrix(choice.imatrix));
        choice.options.imatrix = &imatrix;
        choice.options.imatrix_path = choice.imatrix;
    }
    const Checkpoint source = TRY(open_checkpoint(choice.in));
    QuantisePlan plan;
    {
        Progress progress("measuring " + choice.in);
        choice.options.progress = [&](double share) { return progress.update(share), !was_interrupted(); };
        plan = TRY(plan_quantise(source, choice.options));
    }
    for (const std::string& note : plan.notes) notice("note: " + note);
    const double bits = double(plan.bytes) * 8 / double(std::max<int64_t>(plan.weights, 1));
    const std::string summary =
        fmt::format("{}: {}, {:.2f} bits a weight, was {} ({})", plan.type, bytes_text(uint64_t(plan.bytes)), bits,
                    bytes_text(uint64_t(plan.source_bytes)), type_counts(plan));
    if (choice.dry_run) {
        std::string text;
        for (const QuantisedTensor& tensor : plan.tensors)
            text += fmt::format("{}\t{}\t{}\t{}\n", tensor.source->name, name_of(tensor.source->type),
                                name_of(tensor.type), tensor.bytes);
        notice(summary);
        return write_out(is_terminal(1) ? harmless_text(text) : text);
    }
    const double started = monotonic_seconds();
    {
        Progress progress("writing " + choice.out);
        TRY(write_quantised(source, plan, choice.out, choice.options.threads,
                            [&](double share) { return progress.update(share), !was_interrupted(); }));
    }
    notice(fmt::format("{}: {}, {}", choice.out, summary, duration_text(monotonic_seconds() - started)));
    return {};
}

std::string type_help() {
    std::string mixes_list;
    for (const Mix& mix : mixes()) mixes_list += (mixes_list.empty() ? "" : " ") + std::string(mix.name);
    return "hq4, hq5 (measured, see docs/quantising.md), one of: " + mixes_list +
           ", or pure-TYPE for one type in every matrix";
}

}  // namespace

void add_quantize(Command& program) {
    auto choice = std::make_shared<QuantizeChoice>();
    Command command = program.add_command("quantize", "Write a model with smaller weights");
    add_model_argument(command, "IN", choice->in, "The model, best in bf16, f16 or f32").required();
    command.add("OUT", choice->out, "The GGUF file to write; it appears when it is whole").required();
    command.add("--type", choice->options.type, type_help()).show_default();
    command.add("--imatrix", choice->imatrix, "Which columns matter, from `hearth imatrix`");
    command.add("--keep", choice->keep,
                "REGEX=TYPE: tensors whose name matches get this type (\"keep\": the one they have)");
    command.add("--size", choice->size, "With hq4 and hq5: at most so large, such as 1.2G");
    command.add_flag("--allow-requantize", choice->options.allow_requantise,
                     "Accept weights that are quantised already; their errors add up");
    command.add("--threads", choice->options.threads, "Threads; all physical cores without it").between(1, 1024);
    command.add_flag("--dry-run", choice->dry_run, "Only list which tensor would get which type, and its bytes");
    command.runs([choice] {
        catch_interrupts();
        return quantize(*choice);
    });
}

}  // namespace hearth::cli
