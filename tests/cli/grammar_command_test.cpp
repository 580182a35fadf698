// hearth inspect grammar as people and scripts meet it.
#include "cli/command.h"

namespace hearth::test {
namespace {

class GrammarCommand : public Command {};

TEST_F(GrammarCommand, JudgesEveryLine) {
    write(
        "s.json",
        R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a"]})");
    const std::string lines =
        "{\"a\":1}\n{\"a\": 1, \"b\": \"x\"}\n{\"b\":\"x\",\"a\":1}\n{\"a\":1\n{\"a\":1,\"c\":2}\r\n\n";
    const Ran closed = hearth("inspect grammar s.json", lines);
    EXPECT_EQ(closed.exit_code, 0) << closed.err;
    EXPECT_EQ(closed.out, "accept\naccept\nreject AT BYTE 2\nreject AT BYTE 6\nreject AT BYTE 8\nreject AT BYTE 0\n");
    const Ran open = hearth("inspect grammar s.json --open-objects", lines);
    EXPECT_EQ(open.out, "accept\naccept\nreject AT BYTE 2\nreject AT BYTE 6\naccept\nreject AT BYTE 0\n");
    const Ran compact = hearth("inspect grammar s.json --space compact", lines);
    EXPECT_EQ(compact.out,
              "accept\nreject AT BYTE 5\nreject AT BYTE 2\nreject AT BYTE 6\nreject AT BYTE 8\nreject AT BYTE 0\n");
}

TEST_F(GrammarCommand, TakesGbnfAndExpressions) {
    write("g.gbnf", "root ::= \"a\"+ \"\\n\"\n");
    EXPECT_EQ(hearth("inspect grammar --gbnf g.gbnf --strings", "\"aa\\n\"\n\"b\"\n").out,
              "accept\nreject AT BYTE 0\n");
    EXPECT_EQ(hearth("inspect grammar --regex '[0-9]{2}'", "12\n1\n").out, "accept\nreject AT BYTE 1\n");
}

TEST_F(GrammarCommand, RefusesInOneLine) {
    write("u.json", R"({"properties": {"a": {"type": "array", "uniqueItems": true}}})");
    refused("\"$H\" inspect grammar u.json", 1, {"#/properties/a/uniqueItems", "cannot be enforced"});
    write("n.json", R"({"allOf": [{"type": "string"}, {"type": "integer"}]})");
    refused("\"$H\" inspect grammar n.json", 1, {"no value satisfies"});
    write("b.json", "{");
    refused("\"$H\" inspect grammar b.json", 1, {"schema is"});
    refused("\"$H\" inspect grammar", 1, {"SCHEMA.json", "--gbnf"});
    refused("\"$H\" inspect grammar none.json", 1, {"none.json"});
    refused("\"$H\" inspect grammar --regex 'a' --strings", 1, {"line 1 is no JSON string"}, "a\n");
}

}  // namespace
}  // namespace hearth::test
