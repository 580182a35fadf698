// Flags that say in which form an answer must come.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "cli/command_line.h"
#include "grammar/grammar.h"

namespace hearth::cli {

struct FormOptions {
    bool json = false, open_objects = false;
    std::string schema, gbnf, regex;  // the first two are files
    std::string space = "one";        // of JSON
};

void add_json_options(Command& command, FormOptions& options);  // how JSON is written
void add_form_options(Command& command, FormOptions& options);
// Null where no form was asked for.
Result<std::shared_ptr<const grammar::Grammar>> answer_grammar(const FormOptions& options);

}  // namespace hearth::cli
