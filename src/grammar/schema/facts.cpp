#include "grammar/schema/facts.h"

#include <algorithm>
#include <unordered_set>

#include "grammar/schema/options.h"

namespace hearth::grammar {

namespace {

constexpr size_t kMostAlternatives = 1000;
constexpr size_t kMostSteps = 4'000'000;  // things copied; those that are only looked at count kLookedAt to one
constexpr size_t kLookedAt = 16;
constexpr size_t kDemandCost = 8;  // of an own list of where it came from
constexpr int kMostChoices = 500;  // one inside the other

}  // namespace

uint8_t types_of(const Json& type) {
    static constexpr std::pair<std::string_view, uint8_t> kNames[] = {
        {"null", kNull},     {"boolean", kBoolean}, {"integer", kInteger}, {"number", kNumber},
        {"string", kString}, {"array", kArray},     {"object", kObject}};
    if (type.is_string()) {
        for (const auto& [name, types] : kNames)
            if (name == type.as_string()) return types;
        return 0;
    }
    if (!type.is_array()) return 0;
    uint8_t all = 0;
    for (const Json& item : type.items()) {
        const uint8_t types = item.is_string() ? types_of(item) : uint8_t(0);
        if (types == 0) return 0;
        all |= types;
    }
    return all;
}

uint8_t type_of_value(const Json& value) {
    if (value.is_null()) return kNull;
    if (value.is_bool()) return kBoolean;
    if (value.is_string()) return kString;
    if (value.is_array()) return kArray;
    if (value.is_object()) return kObject;
    const auto decimal = Decimal::read(value.number_text());
    return decimal && !decimal->is_integer() ? kFraction : kInteger;
}

bool equal_values(const Json& a, const Json& b) {
    if (&a == &b) return true;
    if (a.is_number() && b.is_number()) {
        const auto x = Decimal::read(a.number_text()), y = Decimal::read(b.number_text());
        return x && y ? *x == *y : a.number_text() == b.number_text();
    }
    if (a.is_array() && b.is_array()) return std::ranges::equal(a.items(), b.items(), equal_values);
    if (a.is_object() && b.is_object())
        return a.members().size() == b.members().size() &&
               std::ranges::all_of(a.members(), [&](const Json::Member& member) {
                   const Json* other = b.find(member.first);
                   return other && equal_values(member.second, *other);
               });
    if (type_of_value(a) != type_of_value(b)) return false;
    if (a.is_string()) return a.as_string() == b.as_string();
    if (a.is_bool()) return a.as_bool() == b.as_bool();
    return a.is_null();
}

bool Facts::is_possible() const {
    if (types == 0) return false;
    for (const std::string& key : required)
        if (std::ranges::count(forbidden, key)) return !(types == kObject);
    return true;
}

size_t cost_of_value(const Json& value) {
    size_t cost = 1;
    if (value.is_array())
        for (const Json& item : value.items()) cost += cost_of_value(item);
    if (value.is_object()) {
        cost += value.members().size() * value.members().size() / kLookedAt;  // keys may stand in any order
        for (const auto& [key, item] : value.members()) cost += cost_of_value(item);
    }
    return cost;
}

Result<> FactFinder::charge(size_t steps) {
    steps_ += steps;
    if (steps_ <= kMostSteps) return {};
    return document_.refuse(document_.root(), "", "takes too many steps to combine",
                            "use fewer nested anyOf, oneOf, not and if");
}

size_t FactFinder::cost_of(const Pending& pending) {
    return kDemandCost + pending.within.size() / kLookedAt;
}

size_t FactFinder::cost_of(const Choice& choice) {
    size_t cost = 1;
    for (const Option& option : choice) {
        cost += 1 + option.required.size() + option.forbidden.size() + option.excluded.size();
        for (const Pending& demand : option.demands) cost += cost_of(demand);
    }
    return cost;
}

Result<bool> FactFinder::is_possible(const Facts& facts) {
    TRY(charge(1 + facts.required.size() * facts.forbidden.size() / kLookedAt));
    return facts.is_possible();
}

Result<std::vector<Facts>> FactFinder::alternatives(const Demands& demands) {
    std::vector<Facts> out;
    std::vector<Pending> todo;
    num_demands_ = demands.size();
    // Last in, first out: the first demand's keys come first.
    for (auto demand = demands.rbegin(); demand != demands.rend(); ++demand) todo.push_back({*demand, {}});
    TRY(expand({}, std::move(todo), {}, 0, out));
    return out;
}

Result<> FactFinder::expand(Facts facts, std::vector<Pending> todo, std::vector<Choice> choices, int depth,
                            std::vector<Facts>& out) {
    Choice choice;
    for (;;) {
        while (!todo.empty()) {
            const Pending pending = std::move(todo.back());
            todo.pop_back();
            TRY(add(pending, facts, todo, choices));
            if (!TRY(is_possible(facts))) return {};
        }
        if (choices.empty()) {
            if (out.size() >= kMostAlternatives)
                return document_.refuse(document_.root(), "",
                                        fmt::format("combines to more than {} alternatives", kMostAlternatives),
                                        "use fewer nested anyOf, oneOf, not and if");
            out.push_back(std::move(facts));
            return {};
        }
        // The choice with the fewest options first: what they rule out is never tried.
        TRY(charge(1 + choices.size() / kLookedAt));
        const auto smallest = std::ranges::min_element(choices, {}, [](const Choice& c) { return c.size(); });
        choice = std::move(*smallest);
        choices.erase(smallest);
        if (choice.size() != 1) break;
        choice[0].add_to(facts);
        if (!TRY(is_possible(facts))) return {};
        todo = std::move(choice[0].demands);
    }
    if (depth > kMostChoices)
        return document_.refuse(document_.root(), "", fmt::format("combines more than {} choices", kMostChoices),
                                "use fewer nested anyOf, oneOf, not and if");
    size_t cost = facts.seen.size() + facts.required.size() + facts.forbidden.size() + facts.excluded.size() +
                  facts.listed.size() + facts.objects.size();
    for (const Choice& later : choices) cost += cost_of(later);
    for (const Option& option : choice) {
        TRY(charge(1 + option.required.size() * facts.required.size() / kLookedAt));
        Facts with = facts;
        option.add_to(with);
        if (!TRY(is_possible(with))) continue;
        TRY(charge(cost));
        TRY(expand(std::move(with), option.demands, choices, depth + 1, out));
    }
    return {};
}

Result<> FactFinder::add(const Pending& pending, Facts& facts, std::vector<Pending>& todo,
                         std::vector<Choice>& choices) {
    const auto& [demand, within] = pending;
    const Json& schema = *demand.schema;
    TRY(charge(cost_of(pending) + facts.seen.size() / kLookedAt));
    if (schema.is_bool()) {
        if (schema.as_bool() != demand.holds) facts.types = 0;
        return {};
    }
    if (!schema.is_object()) return document_.refuse(schema, "", "should be an object, true or false");
    if (std::ranges::count(within, demand))
        return document_.refuse(schema, "", "refers to itself without a step into the value");
    if (std::ranges::count(facts.seen, demand)) return {};
    if (std::ranges::count(facts.seen, Demand{&schema, !demand.holds})) {
        facts.types = 0;
        return {};
    }
    facts.seen.push_back(demand);
    TRY(refuse_unsupported(schema));
    if (!demand.holds) {
        choices.push_back(TRY(options_against(pending)));
        TRY(charge(cost_of(choices.back())));
        if (choices.back().empty()) facts.types = 0;
        return {};
    }
    TRY(add_local(schema, facts));
    return add_combinators(pending, todo, choices);
}

Result<> FactFinder::refuse_unsupported(const Json& schema) const {
    for (const auto& [key, value] : schema.members()) {
        const bool is_harmless = value.is_bool() && value.as_bool();
        if (key == "$dynamicRef" || key == "$recursiveRef")
            return document_.refuse(schema, key, "is a dynamic reference, which cannot be enforced", "use $ref");
        if ((key == "unevaluatedItems" || key == "unevaluatedProperties") && !is_harmless)
            return document_.refuse(schema, key, "cannot be enforced", "use additionalProperties or items");
        if (key == "contains" && !is_harmless)
            return document_.refuse(schema, key, "cannot be enforced", "use prefixItems or items");
        if (key == "contains" && (schema.find("minContains") || schema.find("maxContains")))
            return document_.refuse(schema, key, "cannot be enforced with counts", "use minItems and maxItems");
        if (key == "contains") return document_.refuse(schema, key, "cannot be enforced", "use minItems: 1");
        if (key == "uniqueItems" && is_harmless) {
            const Json* most = schema.find("maxItems");
            if (!most || most->as_int(2) > 1)
                return document_.refuse(schema, key, "cannot be enforced", "leave it away and check the answer");
        }
    }
    return {};
}

namespace {

Result<int64_t> count_of(const SchemaDocument& document, const Json& schema, const std::string& key,
                         const Json& value) {
    if (!value.is_number() || value.as_int(-1) < 0)
        return document.refuse(schema, key, "should be a whole number from 0");
    return value.as_int();
}

void tighten_least(std::optional<Bound>& bound, Bound next) {
    if (!bound || next.value > bound->value || (next.value == bound->value && next.is_exclusive))
        bound = std::move(next);
}
void tighten_most(std::optional<Bound>& bound, Bound next) {
    if (!bound || next.value < bound->value || (next.value == bound->value && next.is_exclusive))
        bound = std::move(next);
}

Result<Decimal> decimal_of(const SchemaDocument& document, const Json& schema, const std::string& key,
                           const Json& value) {
    if (!value.is_number()) return document.refuse(schema, key, "should be a number");
    const auto decimal = Decimal::read(value.number_text());
    if (!decimal) return document.refuse(schema, key, "is a number of more than 400 digits");
    return *decimal;
}

// With "nullable" beside it.
uint8_t types_of_schema(const Json& schema, const Json& type) {
    const uint8_t types = types_of(type);
    const Json* nullable = schema.find("nullable");
    return types && nullable && nullable->is_bool() && nullable->as_bool() ? uint8_t(types | kNull) : types;
}

}  // namespace

Result<> FactFinder::add_local(const Json& schema, Facts& facts) {
    bool is_array = false, is_object = false;
    const auto list = [&](std::vector<const Json*> values) {
        facts.is_listed = true;
        facts.listed.insert(facts.listed.end(), values.begin(), values.end());
        uint8_t types = 0;
        for (const Json* value : values) types |= type_of_value(*value);
        facts.types &= types;
    };
    for (const auto& [key, value] : schema.members()) {
        const auto count = [&] { return count_of(document_, schema, key, value); };
        if (key == "type") {
            const uint8_t types = types_of_schema(schema, value);
            if (types == 0) return document_.refuse(schema, key, "names no type, or one that does not exist");
            facts.types &= types;
        } else if (key == "enum") {
            if (!value.is_array()) return document_.refuse(schema, key, "should be a list of values");
            std::vector<const Json*> values;
            for (const Json& item : value.items()) values.push_back(&item);
            list(std::move(values));
        } else if (key == "const") {
            list({&value});
        } else if (key == "minimum" || key == "maximum") {
            // Draft 4: {"minimum": 3, "exclusiveMinimum": true}
            const Json* exclusive = schema.find(key == "minimum" ? "exclusiveMinimum" : "exclusiveMaximum");
            Bound bound{TRY(decimal_of(document_, schema, key, value)),
                        exclusive && exclusive->is_bool() && exclusive->as_bool()};
            key == "minimum" ? tighten_least(facts.least, bound) : tighten_most(facts.most, bound);
        } else if (key == "exclusiveMinimum" || key == "exclusiveMaximum") {
            if (value.is_bool()) continue;
            Bound bound{TRY(decimal_of(document_, schema, key, value)), true};
            key == "exclusiveMinimum" ? tighten_least(facts.least, bound) : tighten_most(facts.most, bound);
        } else if (key == "multipleOf") {
            const Decimal divisor = TRY(decimal_of(document_, schema, key, value));
            if (divisor.is_negative || divisor.is_zero()) return document_.refuse(schema, key, "should be above 0");
            facts.divisors.push_back({divisor, &schema});
        } else if (key == "minLength") {
            facts.least_length = std::max(facts.least_length, TRY(count()));
        } else if (key == "maxLength") {
            facts.most_length = std::min(facts.most_length, TRY(count()));
        } else if (key == "pattern") {
            if (!value.is_string()) return document_.refuse(schema, key, "should be a text");
            facts.patterns.push_back({&schema, &value.as_string(), true});
        } else if (key == "format") {
            if (value.is_string()) facts.formats.push_back({value.as_string(), &schema});
        } else if (key == "minItems") {
            facts.least_items = std::max(facts.least_items, TRY(count()));
        } else if (key == "maxItems") {
            facts.most_items = std::min(facts.most_items, TRY(count()));
        } else if (key == "minProperties") {
            facts.least_properties = std::max(facts.least_properties, TRY(count()));
        } else if (key == "maxProperties") {
            facts.most_properties = std::min(facts.most_properties, TRY(count()));
        } else if (key == "required") {
            if (value.is_bool()) continue;  // draft 3
            if (!value.is_array()) return document_.refuse(schema, key, "should be a list of names");
            facts.required.reserve(facts.required.size() + value.items().size());  // `known` looks into it
            std::unordered_set<std::string_view> known(facts.required.begin(), facts.required.end());
            for (const Json& name : value.items()) {
                if (!name.is_string()) return document_.refuse(schema, key, "should be a list of names");
                if (known.insert(name.as_string()).second) facts.required.push_back(name.as_string());
            }
        } else if (key == "prefixItems" || key == "items" || key == "additionalItems") {
            is_array = true;
        } else if (key == "properties" || key == "patternProperties" || key == "additionalProperties") {
            if (key != "additionalProperties" && !value.is_object())
                return document_.refuse(schema, key, "should be an object of schemas");
            is_object = true;
        } else if (key == "propertyNames") {
            facts.names.push_back({&value});
        }
    }
    if (is_array) facts.arrays.push_back(&schema);
    if (is_object) facts.objects.push_back(&schema);
    return {};
}

Result<> FactFinder::add_combinators(const Pending& pending, std::vector<Pending>& todo, std::vector<Choice>& choices) {
    const Json& schema = *pending.demand.schema;
    std::vector<Demand> within = pending.within;
    within.push_back(pending.demand);
    const auto demand = [&](const Json& inner, bool holds) { return Pending{{&inner, holds}, within}; };
    const auto list_of = [&](const std::string& key, const Json& value) -> Result<> {
        if (!value.is_array() || value.items().empty())
            return document_.refuse(schema, key, "should be a list of schemas");
        return {};
    };
    for (const auto& [key, value] : schema.members()) {
        if (key == "$ref") {
            if (!value.is_string()) return document_.refuse(schema, key, "should be a text");
            todo.push_back(demand(*TRY(document_.follow(schema, value.as_string())), true));
        } else if (key == "allOf") {
            TRY(list_of(key, value));
            // Last in, first out: the first schema is read first, so that its keys come first.
            for (auto item = value.items().rbegin(); item != value.items().rend(); ++item)
                todo.push_back(demand(*item, true));
        } else if (key == "not") {
            todo.push_back(demand(value, false));
        } else if (key == "anyOf") {
            TRY(list_of(key, value));
            Choice choice;
            for (const Json& item : value.items()) choice.push_back({.demands = {demand(item, true)}});
            TRY(charge(cost_of(choice)));
            choices.push_back(std::move(choice));
        } else if (key == "oneOf") {
            TRY(list_of(key, value));
            // Nothing else says which keys are written: then it costs little to forbid those that an alternative does
            // not declare.
            const bool is_alone =
                num_demands_ == 1 && std::ranges::all_of(within, [](const Demand& d) { return is_bare(*d.schema); });
            Choice choice;
            for (const Json& item : value.items()) {
                Option option{.demands = {demand(item, true)}};
                for (const Json& other : value.items()) {
                    TRY(charge(1));
                    if (&other == &item || keeps_apart(item, other, 0)) continue;
                    if (const std::string* name = is_alone ? undeclared_key(item, other, 0) : nullptr) {
                        if (!std::ranges::count(option.forbidden, *name)) option.forbidden.push_back(*name);
                        continue;
                    }
                    option.demands.push_back(demand(other, false));
                    TRY(charge(cost_of(option.demands.back())));
                }
                TRY(charge(1 + option.forbidden.size()));
                choice.push_back(std::move(option));
            }
            choices.push_back(std::move(choice));
        } else if (key == "if") {
            const Json *then = schema.find("then"), *otherwise = schema.find("else");
            if (!then && !otherwise) continue;
            Option yes{.demands = {demand(value, true)}}, no{.demands = {demand(value, false)}};
            if (then) yes.demands.push_back(demand(*then, true));
            if (otherwise) no.demands.push_back(demand(*otherwise, true));
            choices.push_back({std::move(yes), std::move(no)});
        } else if (key == "dependentRequired" || key == "dependentSchemas" || key == "dependencies") {
            if (!value.is_object()) return document_.refuse(schema, key, "should be an object");
            for (const auto& [name, needed] : value.members()) {
                Option without, with{.required = {name}}, other{.types = uint8_t(kAnyType & ~kObject)};
                without.types = kObject;
                without.forbidden = {name};
                with.types = kObject;
                if (needed.is_array()) {
                    for (const Json& item : needed.items())
                        if (item.is_string()) with.required.push_back(item.as_string());
                } else {
                    with.demands.push_back(demand(needed, true));
                }
                choices.push_back({std::move(other), std::move(without), std::move(with)});
            }
        }
    }
    return {};
}

// Every way in which the schema can fail to hold.
Result<FactFinder::Choice> FactFinder::options_against(const Pending& pending) {
    const Json& schema = *pending.demand.schema;
    std::vector<Demand> within = pending.within;
    within.push_back(pending.demand);
    const auto demand = [&](const Json& inner, bool holds) { return Pending{{&inner, holds}, within}; };
    Choice choice;
    for (const auto& [key, value] : schema.members()) {
        const auto cannot = [&] {
            return document_.refuse(schema, key,
                                    "stands where it must not hold (not, oneOf, if), which cannot be enforced",
                                    "use anyOf with alternatives that exclude each other");
        };
        const auto count = [&] { return count_of(document_, schema, key, value); };
        if (key == "type") {
            const uint8_t types = types_of_schema(schema, value);
            if (types == 0) return document_.refuse(schema, key, "names no type, or one that does not exist");
            choice.push_back({.types = uint8_t(kAnyType & ~types)});
        } else if (key == "enum" || key == "const") {
            Option option;
            if (key == "const")
                option.excluded = {&value};
            else if (value.is_array())
                for (const Json& item : value.items()) option.excluded.push_back(&item);
            choice.push_back(std::move(option));
        } else if (key == "minimum" || key == "maximum" || key == "exclusiveMinimum" || key == "exclusiveMaximum") {
            if (value.is_bool() || schema.find("exclusiveMinimum") != nullptr ||
                schema.find("exclusiveMaximum") != nullptr) {
                const Json* draft4 = schema.find(key.ends_with("inimum") ? "exclusiveMinimum" : "exclusiveMaximum");
                if (draft4 && draft4->is_bool()) return cannot();
            }
            const Decimal value_of_bound = TRY(decimal_of(document_, schema, key, value));
            Option option{.types = kNumber};
            const bool becomes_exclusive = !key.starts_with("exclusive");
            (key.ends_with("inimum") ? option.most : option.least) = Bound{value_of_bound, becomes_exclusive};
            choice.push_back(std::move(option));
        } else if (key == "minLength") {
            if (TRY(count()) > 0) choice.push_back({.types = kString, .most_length = TRY(count()) - 1});
        } else if (key == "maxLength") {
            choice.push_back({.types = kString, .least_length = TRY(count()) + 1});
        } else if (key == "minItems") {
            if (TRY(count()) > 0) choice.push_back({.types = kArray, .most_items = TRY(count()) - 1});
        } else if (key == "maxItems") {
            choice.push_back({.types = kArray, .least_items = TRY(count()) + 1});
        } else if (key == "minProperties") {
            if (TRY(count()) > 0) choice.push_back({.types = kObject, .most_properties = TRY(count()) - 1});
        } else if (key == "maxProperties") {
            choice.push_back({.types = kObject, .least_properties = TRY(count()) + 1});
        } else if (key == "pattern") {
            if (!value.is_string()) return cannot();
            choice.push_back({.types = kString, .patterns = {{&schema, &value.as_string(), false}}});
        } else if (key == "required") {
            if (!value.is_array()) continue;
            for (const Json& name : value.items())
                if (name.is_string()) choice.push_back({.types = kObject, .forbidden = {name.as_string()}});
        } else if (key == "properties") {
            if (!value.is_object()) return cannot();
            for (const auto& [name, inner] : value.members())
                choice.push_back({.types = kObject, .required = {name}, .properties = {{name, Demand{&inner, false}}}});
        } else if (key == "prefixItems") {
            if (!value.is_array()) return cannot();
            for (size_t i = 0; i < value.items().size(); ++i)
                choice.push_back({.types = kArray,
                                  .least_items = int64_t(i) + 1,
                                  .items_at = {{int64_t(i), {&value.items()[i], false}}}});
        } else if (key == "dependentRequired") {
            if (!value.is_object()) continue;
            for (const auto& [name, needed] : value.members()) {
                if (!needed.is_array()) continue;
                for (const Json& item : needed.items())
                    if (item.is_string())
                        choice.push_back({.types = kObject, .required = {name}, .forbidden = {item.as_string()}});
            }
        } else if (key == "dependentSchemas") {
            if (!value.is_object()) return cannot();
            for (const auto& [name, inner] : value.members())
                choice.push_back({.demands = {demand(inner, false)}, .types = kObject, .required = {name}});
        } else if (key == "$ref") {
            if (!value.is_string()) return cannot();
            choice.push_back({.demands = {demand(*TRY(document_.follow(schema, value.as_string())), false)}});
        } else if (key == "not") {
            choice.push_back({.demands = {demand(value, true)}});
        } else if (key == "allOf" || key == "anyOf" || key == "oneOf") {
            if (!value.is_array()) return cannot();
            if (key == "allOf") {
                for (const Json& item : value.items()) choice.push_back({.demands = {demand(item, false)}});
                continue;
            }
            Option none;
            for (const Json& item : value.items()) none.demands.push_back(demand(item, false));
            choice.push_back(std::move(none));
            if (key == "oneOf") TRY(charge(value.items().size() * value.items().size() * cost_of(pending)));
            if (key == "oneOf")
                for (size_t i = 0; i < value.items().size(); ++i)
                    for (size_t j = i + 1; j < value.items().size(); ++j)
                        choice.push_back({.demands = {demand(value.items()[i], true), demand(value.items()[j], true)}});
        } else if (key == "if") {
            if (const Json* then = schema.find("then"))
                choice.push_back({.demands = {demand(value, true), demand(*then, false)}});
            if (const Json* otherwise = schema.find("else"))
                choice.push_back({.demands = {demand(value, false), demand(*otherwise, false)}});
        } else if (key == "items" || key == "additionalProperties" || key == "patternProperties" ||
                   key == "propertyNames" || key == "multipleOf" || key == "format" || key == "dependencies" ||
                   key == "additionalItems") {
            if (!(value.is_bool() && value.as_bool())) return cannot();
        }
    }
    return choice;
}

}  // namespace hearth::grammar
