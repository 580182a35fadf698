// hearth convert: a Hugging Face directory as one GGUF file.
#include "library/convert.h"

#include <memory>

#include "base/os.h"
#include "base/text_format.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/console.h"

namespace hearth::cli {

namespace {

struct ConvertChoice {
    std::string in, out, type;
    int threads = 0;
};

Result<> convert(const ConvertChoice& choice) {
    const Conversion conversion = TRY(plan_conversion(choice.in, choice.type));
    for (const std::string& note : conversion.notes) notice("note: " + note);
    for (const std::string& note : conversion.plan.notes) notice("note: " + note);
    const double started = monotonic_seconds();
    {
        Progress progress("writing " + choice.out);
        TRY(write_quantised(conversion.source, conversion.plan, choice.out,
                            choice.threads > 0 ? choice.threads : physical_cores_allowed(),
                            [&](double share) { return progress.update(share), !was_interrupted(); }));
    }
    notice(fmt::format("{}: {} tensors, {}, {} ({})", choice.out, conversion.plan.tensors.size(),
                       bytes_text(uint64_t(conversion.plan.bytes)), conversion.plan.type,
                       duration_text(monotonic_seconds() - started)));
    return {};
}

}  // namespace

void add_convert(Command& program) {
    auto choice = std::make_shared<ConvertChoice>();
    Command command = program.add_command("convert", "Write a Hugging Face directory as one GGUF file");
    command.add("HF_DIR", choice->in, "The directory with config.json (or params.json) and the safetensors files")
        .required();
    command.add("OUT", choice->out, "The GGUF file to write; it appears when it is whole").required();
    command.add("--type", choice->type,
                "bf16, f16, f32, q8_0, q4_k_m or any other that `hearth quantize` knows; without it the types "
                "of the directory");
    command.add("--threads", choice->threads, "Threads; all physical cores without it").between(1, 1024);
    command.runs([choice] {
        catch_interrupts();
        return convert(*choice);
    });
}

}  // namespace hearth::cli
