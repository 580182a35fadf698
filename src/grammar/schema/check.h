// Whether a value that a schema lists itself (enum, const) satisfies everything else that applies to it.
#pragma once

#include <map>
#include <string>

#include "grammar/rules.h"
#include "grammar/schema/facts.h"

namespace hearth::grammar {

class ValueChecker {
public:
    explicit ValueChecker(const SchemaDocument& document) : document_(document) {}
    // Formats are not looked at: a listed value is meant.
    Result<bool> satisfies(const Json& value, const Demand& demand, int depth = 0);
    // What the pattern matches, made once. Stays where it is.
    Result<const CharGraph*> pattern_graph(const std::string& pattern);
    const SchemaDocument& document() const { return document_; }
    Result<> charge(size_t steps);

private:
    const SchemaDocument& document_;
    std::map<std::string, CharGraph> patterns_;
    size_t steps_ = 0;
};

// Code points of a text of the schema; JSON was checked to be UTF-8 when it was read.
std::vector<uint32_t> codes_of(std::string_view text);

}  // namespace hearth::grammar
