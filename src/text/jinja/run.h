// One rendering: scopes, output, and what bounds it.
#pragma once

#include <ctime>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/syntax.h"
#include "text/jinja/value.h"

namespace hearth::jinja {

// Names and their values; what is not here is looked for in the scope around it.
struct Scope {
    std::shared_ptr<Scope> around;
    std::vector<std::pair<std::string_view, Value>> names;  // of the template's own text, or of constants

    const Value* find(std::string_view name) const;
    void set(std::string_view name, Value value);
};

class Run {
public:
    Run(const std::tm& now, size_t most_work) : now_(now), most_work_(most_work) {}
    ~Run();  // what refers to itself would never go away otherwise

    Outcome<Text> render(const Block& block, std::shared_ptr<Scope> globals);
    Outcome<Value> call(const Value& callee, const Arguments& arguments);
    // Every step costs one; looking through a value costs by its size, and so does what is written.
    Outcome<> spend(size_t work);
    Outcome<> spend_on(const Value& value);
    const std::tm& now() const { return now_; }
    std::shared_ptr<Namespace> make_namespace();

private:
    enum class Flow : uint8_t { next, leave, skip };

    Outcome<Flow> execute(const Block& block, Text& out);
    Outcome<Flow> execute(const Statement& statement, Text& out);
    Outcome<> loop(const Statement& statement, const List& items, Text& out, int64_t depth);
    Outcome<Text> printed(const Value& value);
    Outcome<Text> captured(const Block& block);
    Outcome<> assign(const Target& target, Value value);
    size_t keep(std::shared_ptr<Scope> scope);
    Value make_macro(const std::string& name, const std::vector<Parameter>& parameters, const Block& body);

    Outcome<Value> evaluate(const Expression& expression);
    Outcome<Value> compute(const Expression& expression);
    Outcome<Value> compute_binary(const Expression& expression);
    Outcome<Value> compute_comparison(const Expression& expression);
    Outcome<Value> apply_filter(const Expression& expression, const Value& value);
    Outcome<Arguments> arguments_of(const Expression& expression);

    const std::tm& now_;
    const size_t most_work_;
    size_t work_ = 0;
    int depth_ = 0;
    std::shared_ptr<Scope> scope_;
    std::vector<std::shared_ptr<Scope>> closures_;  // scopes that macros and loops were made in
    std::vector<std::shared_ptr<Namespace>> namespaces_;
};

}  // namespace hearth::jinja
