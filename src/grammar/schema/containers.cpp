// Lists and objects.
#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "grammar/schema/check.h"
#include "grammar/schema/writer.h"

namespace hearth::grammar {

namespace {

constexpr int64_t kMostPlaces = 20'000;     // of one list or object
constexpr size_t kMostLookups = 4'000'000;  // of its keys in the schemas that apply

// The schemas of the first items, and the one of all others, in either way to write them.
struct ItemSchemas {
    const Json* prefix = nullptr;
    const Json* rest = nullptr;
    size_t prefix_size() const { return prefix ? prefix->items().size() : 0; }
};
ItemSchemas item_schemas(const Json& schema) {
    ItemSchemas found;
    const Json *prefix = schema.find("prefixItems"), *items = schema.find("items");
    if (prefix && prefix->is_array()) found.prefix = prefix;
    if (items && items->is_array()) {  // up to draft 2019-09
        found.prefix = items;
        found.rest = schema.find("additionalItems");
    } else {
        found.rest = items;
    }
    return found;
}

}  // namespace

Result<ExprId> SchemaWriter::array(const Facts& facts, int depth) {
    const int64_t least = facts.least_items, most = facts.most_items;
    if (least > most) return Rules::kNothing;
    int64_t fixed = 0;
    for (const Json* schema : facts.arrays) fixed = std::max(fixed, int64_t(item_schemas(*schema).prefix_size()));
    for (const auto& [index, demand] : facts.items_at) fixed = std::max(fixed, index + 1);
    fixed = std::min(fixed, most);
    if (fixed > kMostPlaces || least > INT32_MAX)
        return document_.refuse(facts.arrays.empty() ? document_.root() : *facts.arrays[0], "",
                                "asks for too many items");
    const auto item = [&](int64_t index) -> Result<ExprId> {  // index == fixed: any behind
        Demands demands;
        for (const Json* schema : facts.arrays) {
            const ItemSchemas schemas = item_schemas(*schema);
            if (index < int64_t(schemas.prefix_size()))
                demands.push_back({&schemas.prefix->items()[size_t(index)]});
            else if (schemas.rest)
                demands.push_back({schemas.rest});
        }
        for (const auto& [at, demand] : facts.items_at)
            if (at == index) demands.push_back(demand);
        return value(std::move(demands), depth + 1);
    };
    const auto sequence = [&](std::vector<ExprId> parts) { return rules_.sequence(std::move(parts)); };
    const ExprId comma = sequence({before_comma(), rules_.bytes(","), after_comma(depth)});
    const ExprId open = rules_.bytes("["), close = sequence({before_close(depth), rules_.bytes("]")});
    // Places: after so many items; behind them the closed list.
    Diagram diagram;
    const uint32_t end = uint32_t(fixed) + 3, rest_place = uint32_t(fixed) + 2;
    diagram.places = end + 1;
    const auto place_of = [](int64_t items) { return uint32_t(items) + 1; };
    diagram.edges.push_back({0, open, place_of(0)});
    if (least == 0)
        diagram.edges.push_back(
            {place_of(0),
             sequence({options_.space == JsonSpace::free ? before_comma() : Rules::kEmpty, rules_.bytes("]")}), end});
    for (int64_t i = 0; i < fixed; ++i) {
        const ExprId text = TRY(item(i));
        diagram.edges.push_back({place_of(i), sequence({i == 0 ? after_open(depth) : comma, text}), place_of(i + 1)});
        if (i + 1 >= least) diagram.edges.push_back({place_of(i + 1), close, end});
    }
    if (most > fixed) {
        const ExprId text = TRY(item(fixed));
        const int64_t first = fixed == 0 ? 1 : 0;
        if (first) diagram.edges.push_back({place_of(0), sequence({after_open(depth), text}), rest_place});
        const ExprId more =
            rules_.repeat(sequence({comma, text}), int32_t(std::max<int64_t>(least - fixed - first, 0)),
                          most - fixed - first > INT32_MAX ? Expr::kUnbounded : int32_t(most - fixed - first));
        diagram.edges.push_back({first ? rest_place : place_of(fixed), sequence({more, close}), end});
    }
    return rules_.diagram(std::move(diagram));
}

Result<bool> SchemaWriter::is_name_allowed(const Facts& facts, const std::string& key) {
    for (const Demand& demand : facts.names)
        if (!TRY(checker_.satisfies(Json(key), demand))) return false;
    return true;
}

// Keys that are named somewhere, in the order in which they are written.
Result<std::vector<SchemaWriter::Key>> SchemaWriter::declared_keys(const Facts& facts) {
    std::vector<Key> keys;
    std::map<std::string, size_t> places;
    const auto add = [&](const std::string& name) {
        if (places.try_emplace(name, keys.size()).second) keys.push_back({name, {}, false});
    };
    for (const Json* schema : facts.objects)
        if (const Json* properties = schema->find("properties"))
            for (const auto& [name, unused] : properties->members()) add(name);
    for (const std::string& name : facts.required) add(name);
    for (const auto& [name, unused] : facts.properties) add(name);
    for (const std::string& name : facts.required) keys[places[name]].is_required = true;
    if (int64_t(keys.size()) > kMostPlaces || keys.size() * facts.objects.size() > kMostLookups)
        return document_.refuse(facts.objects.empty() ? document_.root() : *facts.objects[0], "",
                                "counts too many keys");
    for (const Json* schema : facts.objects) {
        const Json *properties = schema->find("properties"), *patterns = schema->find("patternProperties");
        std::unordered_map<std::string_view, const Json*> declared;
        if (properties)
            for (const auto& [name, inner] : properties->members()) declared.try_emplace(name, &inner);
        for (Key& key : keys) {
            const auto own = declared.find(key.name);
            bool is_named = own != declared.end();
            if (is_named) key.demands.push_back({own->second});
            if (patterns)
                for (const auto& [pattern, inner] : patterns->members())
                    if (matches(*TRY(pattern_graph(*schema, "patternProperties", pattern)), codes_of(key.name))) {
                        key.demands.push_back({&inner});
                        is_named = true;
                    }
            if (const Json* others = schema->find("additionalProperties"); others && !is_named)
                key.demands.push_back({others});
        }
    }
    for (const auto& [name, demand] : facts.properties) keys[places[name]].demands.push_back(demand);
    return keys;
}

// All other keys, in classes that take the same values.
Result<std::vector<SchemaWriter::OtherKeys>> SchemaWriter::other_keys(const Facts& facts,
                                                                      const std::vector<Key>& declared) {
    struct Class {
        CharGraph keys;
        Demands demands;
        std::vector<const Json*> matched;  // schemas with a pattern that fits
    };
    bool is_simple = declared.empty() && facts.forbidden.empty() && facts.names.empty();
    std::vector<Class> classes{{length_graph(0, std::nullopt), {}, {}}};
    const Json& place = facts.objects.empty() ? document_.root() : *facts.objects[0];
    const auto cut = [&](CharGraph& graph, const CharGraph& other, Combination how, const char* keyword) -> Result<> {
        auto made = combined(graph, other, how);
        if (!made) return refuse_graph(place, keyword, made.error());
        graph = std::move(*made);
        return {};
    };
    std::vector<std::vector<uint32_t>> names;
    for (const Key& key : declared) names.push_back(codes_of(key.name));
    for (const std::string& name : facts.forbidden) names.push_back(codes_of(name));
    // A closed object needs no graph of what is left over.
    const auto is_closed = [&](const Class& c) {
        return std::ranges::any_of(facts.objects, [&](const Json* schema) {
            if (std::ranges::count(c.matched, schema)) return false;
            const Json* others = schema->find("additionalProperties");
            return others ? others->is_bool() && !others->as_bool()
                          : !options_.open_objects && schema->find("properties");
        });
    };
    const bool has_patterns = std::ranges::any_of(facts.objects, [](const Json* schema) {
        const Json* patterns = schema->find("patternProperties");
        return patterns && !patterns->members().empty();
    });
    if (!has_patterns && is_closed(classes[0])) return std::vector<OtherKeys>{};
    if (!names.empty()) TRY(cut(classes[0].keys, texts_graph(names), Combination::first_only, "properties"));
    Facts length;  // of all of them
    if (!facts.names.empty()) {
        std::optional<CharGraph> all;
        std::vector<Facts> alternatives = TRY(finder_.alternatives(facts.names));
        std::erase_if(alternatives, [](const Facts& name) { return !(name.types & kString); });
        for (const Facts& name : alternatives) {
            std::vector<std::vector<uint32_t>> listed;
            CharGraph graph;
            if (name.is_listed) {
                for (const Json* value : name.listed) {
                    bool holds = value->is_string();
                    for (const Demand& demand : facts.names) holds = holds && TRY(checker_.satisfies(*value, demand));
                    if (holds) listed.push_back(codes_of(value->as_string()));
                }
                graph = texts_graph(listed);
            } else {
                graph = TRY(string_graph(name));
                // Other alternatives may have other lengths: then each has a state for every count.
                if (alternatives.size() == 1)
                    length.least_length = name.least_length, length.most_length = name.most_length;
                else
                    TRY(cut_to_length(graph, name, place));
            }
            if (!all) {
                all = std::move(graph);
                continue;
            }
            // Either: not (not a and not b).
            auto neither = combined(TRY(complement(*all)), graph, Combination::first_only);
            auto either = neither ? complement(*neither) : std::move(neither);
            if (!either) return refuse_graph(place, "propertyNames", either.error());
            all = std::move(*either);
        }
        TRY(cut(classes[0].keys, all ? *all : texts_graph({}), Combination::both, "propertyNames"));
    }
    for (const Json* schema : facts.objects) {
        const Json* patterns = schema->find("patternProperties");
        if (!patterns) continue;
        for (const auto& [pattern, inner] : patterns->members()) {
            is_simple = false;
            const CharGraph& graph = *TRY(pattern_graph(*schema, "patternProperties", pattern));
            std::vector<Class> split;
            for (Class& c : classes) {
                Class fits = c;
                TRY(cut(fits.keys, graph, Combination::both, "patternProperties"));
                TRY(cut(c.keys, graph, Combination::first_only, "patternProperties"));
                fits.demands.push_back({&inner});
                fits.matched.push_back(schema);
                for (Class* each : {&fits, &c})
                    if (!is_empty(each->keys)) split.push_back(std::move(*each));
            }
            if (split.size() > 64) return document_.refuse(*schema, "patternProperties", "overlap in too many ways");
            classes = std::move(split);
        }
    }
    std::vector<OtherKeys> found;
    for (Class& c : classes) {
        if (is_closed(c) || is_empty(c.keys)) continue;
        for (const Json* schema : facts.objects)
            if (const Json* others = schema->find("additionalProperties");
                others && !std::ranges::count(c.matched, schema))
                c.demands.push_back({others});
        if (is_simple) {
            found.push_back({any_string(), std::move(c.demands)});
            continue;
        }
        const ExprId quote = rules_.bytes("\"");
        const ExprId text = TRY(measured(std::move(c.keys), length, place));
        if (text != Rules::kNothing) found.push_back({rules_.sequence({quote, text, quote}), std::move(c.demands)});
    }
    return found;
}

Result<ExprId> SchemaWriter::object(const Facts& facts, int depth) {
    std::vector<Key> keys = TRY(declared_keys(facts));
    int64_t num_required = 0;
    const std::vector<OtherKeys> others = TRY(other_keys(facts, keys));
    std::vector<Key> written;
    const std::unordered_set<std::string_view> forbidden(facts.forbidden.begin(), facts.forbidden.end());
    for (Key& key : keys) {
        const bool is_allowed = !forbidden.contains(key.name) && TRY(is_name_allowed(facts, key.name));
        if (!is_allowed && key.is_required) return Rules::kNothing;
        num_required += key.is_required;
        if (is_allowed) written.push_back(std::move(key));
    }
    // How many there may be is counted only where it can go wrong.
    const int64_t count = int64_t(written.size());
    int64_t least = facts.least_properties, most = facts.most_properties;
    if (least <= num_required) least = 0;
    if (others.empty() && most >= count) most = Facts::kUnbounded;
    if (most < num_required || least > most || (others.empty() && least > count)) return Rules::kNothing;
    const Json& place = facts.objects.empty() ? document_.root() : *facts.objects[0];
    if (least > 1 && !others.empty())
        return document_.refuse(place, "minProperties",
                                "cannot be enforced where keys are free: one might be written twice",
                                "declare the keys and require them");
    const int64_t counted = most != Facts::kUnbounded ? most : least;
    if ((count + 2) * (counted + 1) > kMostPlaces) return document_.refuse(place, "", "counts too many keys");

    const auto sequence = [&](std::vector<ExprId> parts) { return rules_.sequence(std::move(parts)); };
    const ExprId comma = sequence({before_comma(), rules_.bytes(","), after_comma(depth)});
    std::vector<ExprId> members;
    for (const Key& key : written)
        members.push_back(sequence({quoted(key.name), colon(), TRY(value(key.demands, depth + 1))}));
    std::vector<ExprId> more;
    for (const OtherKeys& other : others)
        more.push_back(sequence({other.text, colon(), TRY(value(other.demands, depth + 1))}));
    const ExprId any_other = rules_.choice(std::move(more));

    // Places: how far down the list, whether something was written, and how many where that counts.
    const uint32_t num_counts = uint32_t(counted) + 1;
    const auto place_of = [&](int64_t key, bool is_begun, int64_t written_keys) {
        const uint32_t number = uint32_t(std::min(written_keys, counted));
        return 1 + (uint32_t(key) * 2 + (is_begun ? 1 : 0)) * num_counts + number;
    };
    Diagram diagram;
    diagram.places = place_of(count, true, counted) + 2;
    const uint32_t end = diagram.places - 1;
    diagram.edges.push_back({0, rules_.bytes("{"), place_of(0, false, 0)});
    for (int64_t key = 0; key <= count; ++key)
        for (const bool is_begun : {false, true})
            for (int64_t number = 0; number <= counted; ++number) {
                if (!is_begun && number > 0) break;
                const uint32_t from = place_of(key, is_begun, number);
                const ExprId before = is_begun ? comma : after_open(depth);
                const bool is_full = most != Facts::kUnbounded && number >= most;
                if (key < count) {
                    if (!is_full)
                        diagram.edges.push_back(
                            {from, sequence({before, members[size_t(key)]}), place_of(key + 1, true, number + 1)});
                    if (!written[size_t(key)].is_required)
                        diagram.edges.push_back({from, Rules::kEmpty, place_of(key + 1, is_begun, number)});
                    continue;
                }
                if (!is_full && any_other != Rules::kNothing)
                    diagram.edges.push_back({from, sequence({before, any_other}), place_of(count, true, number + 1)});
                if (number < least) continue;
                const ExprId close = is_begun                            ? before_close(depth)
                                     : options_.space == JsonSpace::free ? before_comma()
                                                                         : Rules::kEmpty;
                diagram.edges.push_back({from, sequence({close, rules_.bytes("}")}), end});
            }
    return rules_.diagram(std::move(diagram));
}

}  // namespace hearth::grammar
