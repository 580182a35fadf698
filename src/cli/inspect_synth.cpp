// hearth inspect synth: a model file with random weights in a real shape, for measuring where no real file is at hand.
#include <memory>

#include "base/text_format.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "library/synth.h"

namespace hearth::cli {

namespace {

struct SynthChoice {
    std::string name, type = "q4_k_m", out;
    SynthOptions options;
};

Result<> write_model(const SynthChoice& choice) {
    const CatalogueMatch match = TRY(find_in_catalogue(choice.name));
    const SynthPlan plan = TRY(plan_synth(*match.entry, match.type.empty() ? choice.type : match.type, choice.options));
    {
        Progress progress("writing " + choice.out);
        TRY(write_synth(plan, choice.out, [&](int64_t done, int64_t total) {
            progress.update(double(done) / double(total));
            return !was_interrupted();
        }));
    }
    notice(fmt::format("{}: {} {}, {} layers, {:.2f} billion random weights, {}", choice.out, plan.name, plan.type,
                       plan.layers, double(plan.parameters) / 1e9, bytes_text(uint64_t(plan.bytes))));
    return {};
}

std::string names() {
    std::string list;
    for (const CatalogueEntry& entry : catalogue()) list += (list.empty() ? "" : ", ") + entry.name;
    return list;
}

}  // namespace

void add_inspect_synth(Command& inspect) {
    auto choice = std::make_shared<SynthChoice>();
    Command command = inspect.add_command("synth", "Write a model of a real shape with random weights");
    command.add("NAME", choice->name, "One of: " + names()).required();
    command.add("OUT", choice->out, "The GGUF file to write").required();
    command.add("--type", choice->type, "Quantisation, such as q4_k_m, q8_0, bf16").show_default();
    command.add("--layers", choice->options.layers, "Keep only so many layers").between(1, 100000);
    command.add("--seed", choice->options.seed, "Other weights").show_default();
    command.add_flag("--mtp", choice->options.has_drafting_layer, "Add the layer that predicts one token further");
    command.runs([choice] {
        catch_interrupts();
        return write_model(*choice);
    });
}

}  // namespace hearth::cli
