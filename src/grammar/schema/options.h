// One way among several: what it adds to the facts, and which schemas it asks for besides.
#pragma once

#include <algorithm>

#include "grammar/schema/facts.h"

namespace hearth::grammar {

struct FactFinder::Option {
    std::vector<Pending> demands = {};
    uint8_t types = kAnyType;
    std::vector<const Json*> excluded = {};
    std::optional<Bound> least = {}, most = {};
    int64_t least_length = 0, most_length = Facts::kUnbounded;
    std::vector<Facts::Pattern> patterns = {};
    int64_t least_items = 0, most_items = Facts::kUnbounded;
    std::vector<std::pair<int64_t, Demand>> items_at = {};
    int64_t least_properties = 0, most_properties = Facts::kUnbounded;
    std::vector<std::string> required = {}, forbidden = {};
    std::vector<std::pair<std::string, Demand>> properties = {};

    void add_to(Facts& facts) const {
        const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
        facts.types &= types;
        append(facts.excluded, excluded);
        if (least && (!facts.least || least->value > facts.least->value ||
                      (least->value == facts.least->value && least->is_exclusive)))
            facts.least = least;
        if (most && (!facts.most || most->value < facts.most->value ||
                     (most->value == facts.most->value && most->is_exclusive)))
            facts.most = most;
        facts.least_length = std::max(facts.least_length, least_length);
        facts.most_length = std::min(facts.most_length, most_length);
        append(facts.patterns, patterns);
        facts.least_items = std::max(facts.least_items, least_items);
        facts.most_items = std::min(facts.most_items, most_items);
        append(facts.items_at, items_at);
        facts.least_properties = std::max(facts.least_properties, least_properties);
        facts.most_properties = std::min(facts.most_properties, most_properties);
        for (const std::string& key : required)
            if (!std::ranges::count(facts.required, key)) facts.required.push_back(key);
        append(facts.forbidden, forbidden);
        append(facts.properties, properties);
    }
};

}  // namespace hearth::grammar
