#include "grammar/schema/writer.h"

#include <algorithm>

#include "grammar/front_ends.h"
#include "grammar/schema/check.h"

namespace hearth::grammar {

namespace {

constexpr size_t kMostRules = 30'000, kMostExpressions = 2'000'000;
constexpr int kMostPrettyLevels = 24;  // every level has its own rules there

}  // namespace

Result<ExprId> read_json_schema(const Json& schema, const JsonOptions& options, Rules& rules) {
    const auto document = TRY(SchemaDocument::make(schema));
    return SchemaWriter(document, options, rules).write();
}

Result<ExprId> SchemaWriter::write() {
    rules_.has_unicode_escapes = options_.unicode_escapes;
    rules_.most_levels = options_.most_levels;
    ExprId body = TRY(value({{&document_.root()}}, 0));
    if (options_.space == JsonSpace::free) body = rules_.sequence({before_comma(), body, before_comma()});
    // Rules are written one after the other, not one inside the other: schemas nest deeper than the stack.
    while (!planned_.empty()) {
        const Planned planned = std::move(planned_.back());
        planned_.pop_back();
        TRY(write_rule(planned.demands, planned.depth, planned.rule));
    }
    return body;
}

ExprId SchemaWriter::shared(const char* name, ExprId body) {
    const auto [found, is_new] = shared_.try_emplace(name, 0);
    if (is_new) {
        const RuleId rule = rules_.add_rule(name);
        rules_.at(rule).body = body;
        rules_.at(rule).is_shared = true;
        found->second = rules_.rule(rule);
    }
    return found->second;
}

Result<ExprId> SchemaWriter::value(Demands demands, int depth) {
    std::erase_if(demands, [](const Demand& demand) {
        return demand.schema->is_bool()
                   ? demand.schema->as_bool() == demand.holds
                   : demand.holds && demand.schema->is_object() && demand.schema->members().empty();
    });
    for (const Demand& demand : demands)
        if (demand.schema->is_bool()) return Rules::kNothing;
    // Order decides the order of keys: the first mention counts.
    Demands unique;
    std::set<Demand> known_demands;
    for (const Demand& demand : demands)
        if (known_demands.insert(demand).second) unique.push_back(demand);
    if (options_.space != JsonSpace::pretty) depth = 0;
    if (depth > std::min(options_.most_levels, kMostPrettyLevels)) return Rules::kNothing;
    const auto [found, is_new] = known_.try_emplace({unique, depth}, 0);
    if (is_new) {
        found->second = rules_.add_rule("value");
        planned_.push_back({unique, depth, found->second});
        if (rules_.rules().size() > kMostRules || rules_.size() > kMostExpressions)
            return document_.refuse(document_.root(), "", "grows beyond what can be compiled",
                                    "make it smaller, or use fewer combinations");
    }
    return rules_.rule(found->second);
}

Result<> SchemaWriter::write_rule(const Demands& demands, int depth, RuleId rule) {
    const auto alternatives = TRY(finder_.alternatives(demands));
    const ExprId body = TRY(any_of(alternatives, demands, depth));
    rules_.at(rule).body = body;
    return {};
}

namespace {

// Says nothing of its values but that they are on its list, from which they come if there is no other.
bool is_mere_list(const Demand& demand) {
    static constexpr std::string_view kNotes[] = {"enum",    "title",    "description", "default",
                                                  "$schema", "$comment", "examples"};
    return demand.holds && demand.schema->is_object() && demand.schema->find("enum") &&
           std::ranges::all_of(demand.schema->members(),
                               [](const Json::Member& member) { return std::ranges::count(kNotes, member.first) > 0; });
}

}  // namespace

Result<ExprId> SchemaWriter::any_of(const std::vector<Facts>& alternatives, const Demands& demands, int depth) {
    std::vector<ExprId> parts, containers;
    std::set<std::string> listed;
    for (const Facts& facts : alternatives) {
        if (facts.is_listed) {
            for (const Json* value : facts.listed) {
                if (!listed.insert(value->dump()).second) continue;
                bool holds = true;
                for (const Demand& demand : demands)
                    holds = holds &&
                            ((demands.size() == 1 && is_mere_list(demand)) || TRY(checker_.satisfies(*value, demand)));
                if (!holds) continue;
                parts.push_back(literal(*value, depth));
            }
            continue;
        }
        uint8_t types = facts.types;
        if (std::ranges::any_of(facts.excluded, &Json::is_null)) types &= uint8_t(~kNull);
        const auto excludes_bool = [&](bool which) {
            return std::ranges::any_of(facts.excluded,
                                       [&](const Json* v) { return v->is_bool() && v->as_bool() == which; });
        };
        if (types & kNull) parts.push_back(rules_.bytes("null"));
        if (types & kBoolean) {
            if (!excludes_bool(true)) parts.push_back(rules_.bytes("true"));
            if (!excludes_bool(false)) parts.push_back(rules_.bytes("false"));
        }
        if (types & kNumber) parts.push_back(TRY(number(facts)));
        if (types & kString) parts.push_back(TRY(string(facts)));
        for (const Json* value : facts.excluded)
            if (type_of_value(*value) & types & (kArray | kObject))
                return document_.refuse(*value, "",
                                        "is a list or object that must not be written, which cannot be enforced",
                                        "exclude it by its type or by one of its keys");
        if (types & kArray) containers.push_back(TRY(array(facts, depth)));
        if (types & kObject) containers.push_back(TRY(object(facts, depth)));
    }
    if (const ExprId inside = rules_.choice(containers); inside != Rules::kNothing) {
        const RuleId level = rules_.add_rule("list or object");
        rules_.at(level).body = inside;
        rules_.at(level).is_level = true;
        parts.push_back(rules_.rule(level));
    }
    return rules_.choice(std::move(parts));
}

}  // namespace hearth::grammar
