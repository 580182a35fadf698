// What must be true of a value, taken together from all the schemas that apply to it.
//
// Schemas are combined by alternatives: a list of Facts of which one must hold in full. anyOf, oneOf, if and not make
// several of one; everything else adds to those there are.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/schema/decimal.h"
#include "grammar/schema/document.h"

namespace hearth::grammar {

// A schema that must hold, or must not.
struct Demand {
    const Json* schema;
    bool holds = true;
    bool operator==(const Demand&) const = default;
    auto operator<=>(const Demand&) const = default;
};
using Demands = std::vector<Demand>;

enum Type : uint8_t {
    kNull = 1,
    kBoolean = 2,
    kInteger = 4,   // numbers without a fraction
    kFraction = 8,  // all other numbers
    kString = 16,
    kArray = 32,
    kObject = 64,
    kNumber = kInteger | kFraction,
    kAnyType = 127,
};

struct Bound {
    Decimal value;
    bool is_exclusive = false;
};

struct Facts {
    uint8_t types = kAnyType;
    bool is_listed = false;  // only listed values (enum, const); which of them is found by checking each
    std::vector<const Json*> listed, excluded;

    std::optional<Bound> least, most;
    std::vector<std::pair<Decimal, const Json*>> divisors;

    struct Pattern {
        const Json* schema;
        const std::string* text;
        bool holds;
    };
    int64_t least_length = 0, most_length = kUnbounded;
    std::vector<Pattern> patterns;
    std::vector<std::pair<std::string, const Json*>> formats;

    int64_t least_items = 0, most_items = kUnbounded;
    std::vector<const Json*> arrays;  // schemas with keywords for items
    std::vector<std::pair<int64_t, Demand>> items_at;

    int64_t least_properties = 0, most_properties = kUnbounded;
    std::vector<const Json*> objects;  // schemas with keywords for properties
    std::vector<std::string> required, forbidden;
    std::vector<std::pair<std::string, Demand>> properties;
    Demands names;

    std::vector<Demand> seen;  // that went into it

    static constexpr int64_t kUnbounded = std::numeric_limits<int64_t>::max();
    bool is_possible() const;
};

class FactFinder {
public:
    FactFinder(const SchemaDocument& document, const JsonOptions& options) : document_(document), options_(options) {}
    // The alternatives of a value for which all the demands hold.
    Result<std::vector<Facts>> alternatives(const Demands& demands);

private:
    struct Pending {
        Demand demand;
        std::vector<Demand> within;  // the demands it came from without a step into the value
    };
    struct Option;
    using Choice = std::vector<Option>;

    Result<> expand(Facts facts, std::vector<Pending> todo, std::vector<Choice> choices, int depth,
                    std::vector<Facts>& out);
    Result<> add(const Pending& pending, Facts& facts, std::vector<Pending>& todo, std::vector<Choice>& choices);
    Result<> add_local(const Json& schema, Facts& facts);
    Result<> add_combinators(const Pending& pending, std::vector<Pending>& todo, std::vector<Choice>& choices);
    Result<Choice> options_against(const Pending& pending);
    Result<> refuse_unsupported(const Json& schema) const;
    Result<> charge(size_t steps);
    Result<bool> is_possible(const Facts& facts);
    static size_t cost_of(const Pending& pending);
    static size_t cost_of(const Choice& choice);

    // apart.cpp
    bool keeps_apart(const Json& made, const Json& other, int depth);
    bool excludes(const Json& made, const Json& other, int depth);
    const std::string* undeclared_key(const Json& made, const Json& other, int depth);
    static bool is_bare(const Json& schema);
    const Json* target_of(const Json& schema);
    bool may_compare(size_t cost);

    const SchemaDocument& document_;
    const JsonOptions& options_;
    size_t steps_ = 0, num_demands_ = 0, comparisons_ = 0;
    std::map<std::tuple<const Json*, const Json*, int>, bool> apart_;
    std::unordered_map<const Json*, const Json*> targets_;
};

// The types of "type", 0 where it is wrong.
uint8_t types_of(const Json& type);
// Equal as JSON values: 1 and 1.0 are, the order of keys does not matter.
bool equal_values(const Json& a, const Json& b);
size_t cost_of_value(const Json& value);  // of a comparison with another, about
uint8_t type_of_value(const Json& value);

}  // namespace hearth::grammar
