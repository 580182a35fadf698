// What every template can call: filters, tests, methods of values, global functions.
#pragma once

#include <string_view>

#include "text/jinja/run.h"
#include "text/jinja/value.h"

namespace hearth::jinja {

using Filter = Outcome<Value> (*)(Run& run, const Value& value, const Arguments& arguments);
using Test = Outcome<bool> (*)(Run& run, const Value& value, const Arguments& arguments);

template <class Function>
struct Named {
    std::string_view name;
    Function function;
};
template <class Function, size_t count>
Function find_named(const Named<Function> (&table)[count], std::string_view name) {
    for (const auto& entry : table)
        if (entry.name == name) return entry.function;
    return nullptr;
}

Filter find_filter(std::string_view name);  // null: there is none
Test find_test(std::string_view name);

// A method of a text, a list or a dictionary; undefined: there is none of that name.
Outcome<Value> method_of(const Value& value, std::string_view name);
void add_globals(Scope& scope);

// '%s is %.1f' % values, and '{} is {x}'.format(values).
Outcome<Text> percent_format(const Text& form, const List& values);
Outcome<Text> brace_format(const Text& form, const Arguments& values);
// The whole result counts as input if any of the source does.
Text made_from(const Text& source, std::string result);
std::string upper_case(std::string_view text);
std::string lower_case(std::string_view text);
std::string capitalised(std::string_view text);
std::string title_case(std::string_view text);
Text stripped(const Text& text, std::string_view characters, bool left, bool right);  // "": all blanks
Text replaced(const Text& text, std::string_view from, const Text& to, int64_t most);

}  // namespace hearth::jinja
