// hearth inspect grammar: which texts a schema or grammar lets a model write.
#include <iostream>
#include <memory>

#include "base/json.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/form_options.h"
#include "grammar/matcher.h"

namespace hearth::cli {

namespace {

struct GrammarOptions {
    FormOptions form;
    bool strings = false;
};

Result<std::string> verdict(const grammar::Matcher& matcher, std::string_view text) {
    const size_t fitting = matcher.fitting(text);
    if (fitting < text.size()) return fmt::format("reject AT BYTE {}\n", fitting);
    grammar::Matcher all(matcher);
    TRY(all.accept(text));
    return all.may_end() ? "accept\n" : fmt::format("reject AT BYTE {}\n", text.size());
}

Result<> inspect_grammar(const GrammarOptions& options) {
    const auto made = TRY(answer_grammar(options.form));
    const int given = !options.form.schema.empty() + !options.form.gbnf.empty() + !options.form.regex.empty();
    if (given != 1)
        return fail(ErrorKind::bad_request, "needs one of SCHEMA.json, --gbnf and --regex",
                    "see hearth inspect grammar --help");
    const auto constraint = TRY(grammar::Constraint::make(made, grammar::Vocabulary::make({})));
    const grammar::Matcher matcher(constraint);
    int64_t number = 0;
    for (std::string line; std::getline(std::cin, line);) {
        ++number;
        if (line.ends_with('\r')) line.pop_back();
        if (options.strings) {
            const auto parsed = Json::parse(line);
            if (!parsed || !parsed->is_string())
                return fail(ErrorKind::bad_request, fmt::format("line {} is no JSON string", number),
                            "with --strings write \"...\" a line");
            line = parsed->as_string();
        }
        TRY(write_out(TRY(verdict(matcher, line))));
    }
    return {};
}

}  // namespace

void add_inspect_grammar(Command& inspect) {
    auto options = std::make_shared<GrammarOptions>();
    Command command = inspect.add_command("grammar", "Which texts a JSON schema or grammar lets a model write");
    command.add_footer(
        "A text a line on standard input; a line out for each: accept, or reject AT BYTE N, the first byte that does "
        "not\n"
        "fit (the length where the text ends too early). Keys stand in the schema's order, numbers and white space as\n"
        "they are written: docs/structured-output.md. What the schema asks for and cannot be enforced is an error.");
    command.add("SCHEMA.json", options->form.schema,
                "A JSON schema (draft 2020-12, and what older ones wrote differently)");
    command.add("--gbnf", options->form.gbnf, "A grammar in llama.cpp's notation instead");
    command.add("--regex", options->form.regex, "A regular expression for the whole text instead");
    add_json_options(command, options->form);
    command.add_flag("--strings", options->strings, "Every line is a JSON string that holds the text");
    command.runs([options] { return inspect_grammar(*options); });
}

}  // namespace hearth::cli
