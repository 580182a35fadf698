// Whether the alternatives of a oneOf exclude each other: then none of the others has to be denied, which costs most.
#include <algorithm>
#include <span>

#include "grammar/schema/options.h"

namespace hearth::grammar {

namespace {

constexpr int kMostApartDepth = 8;
constexpr size_t kMostComparisons = 50'000'000;  // of keys, about
constexpr size_t kRememberedCost = 100, kValueCost = 16;

uint8_t written_types(const Json& schema) {
    const Json* type = schema.find("type");
    return type && !schema.find("nullable") ? types_of(*type) : uint8_t(kAnyType);
}

// The only values of a schema, if it lists them.
std::optional<std::vector<const Json*>> listed_values(const Json& schema) {
    if (const Json* one = schema.find("const")) return std::vector{one};
    const Json* list = schema.find("enum");
    if (!list || !list->is_array()) return std::nullopt;
    std::vector<const Json*> found;
    for (const Json& item : list->items()) found.push_back(&item);
    return found;
}

bool requires_key(const Json& schema, const std::string& key) {
    const Json* required = schema.find("required");
    return required && required->is_array() && std::ranges::any_of(required->items(), [&](const Json& name) {
               return name.is_string() && name.as_string() == key;
           });
}

size_t size_of_list(const Json* list) {
    return !list ? 0 : list->is_array() ? list->items().size() : list->is_object() ? list->members().size() : 0;
}

bool has_any(const Json& schema, std::span<const std::string_view> keys) {
    return std::ranges::any_of(keys, [&](std::string_view key) { return schema.find(key) != nullptr; });
}

}  // namespace

// Says nothing about keys of objects but by its oneOf or reference.
bool FactFinder::is_bare(const Json& schema) {
    static constexpr std::string_view kSpeaks[] = {
        "properties", "patternProperties", "additionalProperties", "required",    "allOf", "anyOf", "not",
        "if",         "dependentSchemas",  "dependentRequired",    "dependencies"};
    return !has_any(schema, kSpeaks);
}

const Json* FactFinder::target_of(const Json& schema) {
    const Json* reference = schema.find("$ref");
    if (!reference || !reference->is_string()) return nullptr;
    const auto [found, is_new] = targets_.try_emplace(&schema, nullptr);
    if (is_new)
        if (const auto target = document_.follow(schema, reference->as_string())) found->second = *target;
    return found->second;
}

bool FactFinder::may_compare(size_t cost) {
    comparisons_ += cost;
    return comparisons_ <= kMostComparisons;
}

// Whether what satisfies the one schema never satisfies the other. May say no where it does not see it.
bool FactFinder::keeps_apart(const Json& made, const Json& other, int depth) {
    if (depth > kMostApartDepth || !may_compare(1)) return false;
    if (depth == 0) return excludes(made, other, depth);
    const std::tuple asked{&made, &other, depth};  // pairs of references meet again and again
    if (const auto known = apart_.find(asked); known != apart_.end()) return known->second;
    if (!may_compare(kRememberedCost)) return false;
    return apart_[asked] = excludes(made, other, depth);
}

bool FactFinder::excludes(const Json& made, const Json& other, int depth) {
    // All that a schema refers to applies as well, so any pair that excludes each other is enough.
    if (const Json* inner = target_of(made); inner && keeps_apart(*inner, other, depth + 1)) return true;
    if (const Json* inner = target_of(other); inner && keeps_apart(made, *inner, depth + 1)) return true;
    if (!made.is_object() || !other.is_object())
        return made.is_bool() && !made.as_bool() ? true : other.is_bool() && !other.as_bool();
    if (!(written_types(made) & written_types(other))) return true;
    const auto a = listed_values(made), b = listed_values(other);
    if (a && b) {
        size_t cost = 0;
        for (const Json* value : *a) cost += cost_of_value(*value);
        if (!may_compare(kValueCost * cost * b->size())) return false;
        if (std::ranges::none_of(*a, [&](const Json* x) {
                return std::ranges::any_of(*b, [&](const Json* y) { return equal_values(*x, *y); });
            }))
            return true;
    }
    const auto fits = [&](const std::vector<const Json*>& list, uint8_t allowed) {
        return std::ranges::any_of(list, [&](const Json* value) { return type_of_value(*value) & allowed; });
    };
    if ((a && !fits(*a, written_types(other))) || (b && !fits(*b, written_types(made)))) return true;
    // Objects: a key that the one must have and the other excludes, or takes with other values only.
    if (written_types(made) != kObject) return false;
    const Json *properties = made.find("properties"), *others = other.find("properties");
    const Json *own_required = made.find("required"), *required = other.find("required");
    const Json* more = made.find("additionalProperties");
    if (required && required->is_array() && more && more->is_bool() && !more->as_bool() &&
        !made.find("patternProperties")) {
        if (!may_compare(size_of_list(required) * (1 + size_of_list(properties)))) return false;
        for (const Json& name : required->items())
            if (name.is_string() && !(properties && properties->find(name.as_string()))) return true;
    }
    // A key that one of them must have and that both take, but with no value in common.
    if (properties && properties->is_object() && others)
        for (const auto& [key, schema] : properties->members()) {
            if (!may_compare(1 + size_of_list(others))) return false;
            const Json* same = others->find(key);
            if (!same) continue;
            if (!may_compare(size_of_list(own_required) + size_of_list(required))) return false;
            if ((requires_key(made, key) || requires_key(other, key)) && keeps_apart(schema, *same, depth + 1))
                return true;
        }
    return false;
}

// A key without which `other` does not hold and which is not written for `made`, unless something around it asks for
// it: an object with "properties" takes no others. To forbid it is then the cheapest way to keep the two apart.
const std::string* FactFinder::undeclared_key(const Json& made, const Json& other, int depth) {
    if (depth > kMostApartDepth || options_.open_objects) return nullptr;
    if (const Json* inner = target_of(made); inner && is_bare(made))
        if (const std::string* key = undeclared_key(*inner, other, depth + 1)) return key;
    if (const Json* inner = target_of(other))
        if (const std::string* key = undeclared_key(made, *inner, depth + 1)) return key;
    static constexpr std::string_view kOpening[] = {"$ref",
                                                    "allOf",
                                                    "anyOf",
                                                    "oneOf",
                                                    "if",
                                                    "not",
                                                    "patternProperties",
                                                    "additionalProperties",
                                                    "dependencies",
                                                    "dependentSchemas",
                                                    "dependentRequired"};
    const Json *properties = made.find("properties"), *required = other.find("required");
    if (!properties || !required || !required->is_array() || written_types(made) != kObject || has_any(made, kOpening))
        return nullptr;
    if (!may_compare(size_of_list(required) * (1 + size_of_list(properties) + size_of_list(made.find("required")))))
        return nullptr;
    for (const Json& name : required->items())
        if (name.is_string() && !properties->find(name.as_string()) && !requires_key(made, name.as_string()))
            return &name.as_string();
    return nullptr;
}

}  // namespace hearth::grammar
