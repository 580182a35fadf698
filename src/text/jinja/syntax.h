// A template as a tree, and the parser that grows it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace hearth::jinja {

struct Expression;
using ExpressionPointer = std::unique_ptr<Expression>;

struct NamedExpression {
    std::string name;
    ExpressionPointer value;
};

struct Expression {
    enum class Kind : uint8_t {
        constant,
        name,
        attribute,    // parts[0] . text
        item,         // parts[0] [ parts[1] ]
        slice,        // parts[0] [ parts[1] : parts[2] : parts[3] ], absent ones null
        call,         // parts[0] ( the others, named )
        filter,       // parts[0] | text ( the others, named ); in the filter of a block parts[0] is null
        test,         // parts[0] is text ( the others, named )
        unary,        // text parts[0]
        binary,       // parts[0] text parts[1]
        comparison,   // parts[0] signs[0] parts[1] signs[1] ...
        both,         // and
        either,       // or
        conditional,  // parts[0] if parts[1] else parts[2], which may be null
        list,
        tuple,
        dictionary,  // keys and values in turns
    } kind = Kind::constant;
    size_t place = 0;
    int depth = 1;  // of the tree below
    std::string text;
    Value constant;
    std::vector<ExpressionPointer> parts;
    std::vector<NamedExpression> named;
    std::vector<std::string> signs;
};

struct Statement;
using Block = std::vector<Statement>;

// What a `set` or a loop writes to: names (one, or a tuple of them), or a member of a namespace.
struct Target {
    std::vector<std::string> names;
    bool is_tuple = false;
    std::string member;  // then `names` holds the namespace
};

struct Parameter {
    std::string name;
    ExpressionPointer otherwise;  // null: none
};

struct Statement {
    enum class Kind : uint8_t {
        text,
        output,       // value
        choice,       // if: value, body, otherwise
        loop,         // for target in value if condition: body, otherwise
        assign,       // set target = value
        assign_body,  // set target | filter (in value, perhaps null): body
        macro,        // text, parameters, body
        call,         // call(parameters) value: body
        filter,       // value: body
        with,         // targets and values in turns (assigns), body
        group,        // generation: body
        leave,        // break
        skip,         // continue
    } kind = Kind::text;
    size_t place = 0;
    std::string text;
    Target target;
    ExpressionPointer value, condition;
    std::vector<Parameter> parameters;
    Block body, otherwise;
    bool is_recursive = false;
};

Outcome<Block> parse(std::string_view source);

}  // namespace hearth::jinja
