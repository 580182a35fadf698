#include "cli/form_options.h"

#include "chat/form_request.h"
#include "cli/console.h"

namespace hearth::cli {

void add_json_options(Command& command, FormOptions& options) {
    command.add_flag("--open-objects", options.open_objects,
                     "Objects without \"additionalProperties\" take any further key, as the standard says");
    command.add("--space", options.space, "White space: one (a blank behind colons and commas), compact, pretty, free")
        .one_of({"one", "compact", "pretty", "free"});
}

void add_form_options(Command& command, FormOptions& options) {
    const Argument json = command.add_flag("--json", options.json, "The answer is a JSON object, whatever it holds");
    Argument schema =
        command.add("--schema", options.schema, "The answer is JSON that satisfies this JSON schema (a file)");
    Argument gbnf =
        command.add("--gbnf", options.gbnf, "The answer matches this grammar in llama.cpp's notation (a file)");
    Argument regex = command.add("--regex", options.regex, "The answer matches this regular expression");
    schema.excludes(json);
    gbnf.excludes(json);
    gbnf.excludes(schema);
    regex.excludes(json);
    regex.excludes(schema);
    regex.excludes(gbnf);
    add_json_options(command, options);
}

Result<std::shared_ptr<const grammar::Grammar>> answer_grammar(const FormOptions& options) {
    using grammar::JsonSpace;
    using Kind = chat::FormRequest::Kind;
    chat::FormRequest form{.json = {.open_objects = options.open_objects}};
    form.json.space = options.space == "compact"  ? JsonSpace::compact
                      : options.space == "pretty" ? JsonSpace::pretty
                      : options.space == "free"   ? JsonSpace::free
                                                  : JsonSpace::one;
    if (options.json) form.kind = Kind::json_object;
    if (!options.schema.empty()) form.kind = Kind::schema, form.text = TRY(read_file(options.schema));
    if (!options.gbnf.empty()) form.kind = Kind::gbnf, form.text = TRY(read_file(options.gbnf));
    if (!options.regex.empty()) form.kind = Kind::regex, form.text = options.regex;
    return chat::grammar_of(form);
}

}  // namespace hearth::cli
