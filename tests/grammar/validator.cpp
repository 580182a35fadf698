#include "validator.h"

#include <algorithm>
#include <cmath>
#include <regex>

namespace hearth::test {

namespace {

size_t characters(const std::string& text) {
    return size_t(std::ranges::count_if(text, [](char c) { return (uint8_t(c) & 0xC0) != 0x80; }));
}

bool same(const Json& a, const Json& b) {
    if (a.is_number() && b.is_number()) return a.as_double() == b.as_double();
    return a.dump() == b.dump();
}

bool is_type(const Json& value, const std::string& type) {
    if (type == "null") return value.is_null();
    if (type == "boolean") return value.is_bool();
    if (type == "string") return value.is_string();
    if (type == "array") return value.is_array();
    if (type == "object") return value.is_object();
    if (type == "number") return value.is_number();
    return value.is_number() && value.as_double() == std::floor(value.as_double());
}

}  // namespace

bool validates(const Json& value, const Json& schema, const Json& root, std::string& why) {
    if (schema.is_bool()) return schema.as_bool();
    std::string unused;
    const auto holds = [&](const Json& inner) { return validates(value, inner, root, unused); };
    const auto fails = [&](const std::string& key) {
        why = key + " of " + schema.dump() + " by " + value.dump();
        return false;
    };
    for (const auto& [key, wanted] : schema.members()) {
        if (key == "type") {
            const bool fits = wanted.is_string() ? is_type(value, wanted.as_string())
                                                 : std::ranges::any_of(wanted.items(), [&](const Json& type) {
                                                       return is_type(value, type.as_string());
                                                   });
            if (!fits) return fails(key);
        } else if (key == "enum") {
            if (std::ranges::none_of(wanted.items(), [&](const Json& item) { return same(item, value); }))
                return fails(key);
        } else if (key == "const") {
            if (!same(wanted, value)) return fails(key);
        } else if (key == "$ref") {
            const Json* target = &root;
            if (wanted.as_string() != "#") target = root.find("$defs")->find(wanted.as_string().substr(8));
            if (!validates(value, *target, root, why)) return false;
        } else if (key == "allOf") {
            for (const Json& inner : wanted.items())
                if (!validates(value, inner, root, why)) return false;
        } else if (key == "anyOf") {
            if (std::ranges::none_of(wanted.items(), holds)) return fails(key);
        } else if (key == "oneOf") {
            if (std::ranges::count_if(wanted.items(), holds) != 1) return fails(key);
        } else if (key == "not") {
            if (holds(wanted)) return fails(key);
        } else if (key == "if") {
            const Json* next = schema.find(holds(wanted) ? "then" : "else");
            if (next && !holds(*next)) return fails("then or else");
        }
        if (value.is_number()) {
            const double number = value.as_double();
            if (key == "minimum" && number < wanted.as_double()) return fails(key);
            if (key == "maximum" && number > wanted.as_double()) return fails(key);
            if (key == "exclusiveMinimum" && number <= wanted.as_double()) return fails(key);
            if (key == "exclusiveMaximum" && number >= wanted.as_double()) return fails(key);
            if (key == "multipleOf") {
                const long double times = (long double)number / wanted.as_double();
                if (std::abs(times - std::round(times)) > 1e-6L * std::max<long double>(1, std::abs(times)))
                    return fails(key);
            }
        }
        if (value.is_string()) {
            if (key == "minLength" && int64_t(characters(value.as_string())) < wanted.as_int()) return fails(key);
            if (key == "maxLength" && int64_t(characters(value.as_string())) > wanted.as_int()) return fails(key);
            // std::regex works on bytes: the random patterns are about ASCII, all else counts as itself.
            if (key == "pattern" && !std::regex_search(value.as_string(), std::regex(wanted.as_string())))
                return fails(key);
        }
        if (value.is_array()) {
            const auto& items = value.items();
            if (key == "minItems" && int64_t(items.size()) < wanted.as_int()) return fails(key);
            if (key == "maxItems" && int64_t(items.size()) > wanted.as_int()) return fails(key);
            const Json* prefix = schema.find("prefixItems");
            for (size_t i = 0; i < items.size(); ++i) {
                const bool is_fixed = prefix && i < prefix->items().size();
                if (key == "prefixItems" && is_fixed && !validates(items[i], prefix->items()[i], root, why))
                    return false;
                if (key == "items" && !is_fixed && !validates(items[i], wanted, root, why)) return false;
            }
        }
        if (value.is_object()) {
            const auto& members = value.members();
            if (key == "minProperties" && int64_t(members.size()) < wanted.as_int()) return fails(key);
            if (key == "maxProperties" && int64_t(members.size()) > wanted.as_int()) return fails(key);
            if (key == "required")
                for (const Json& name : wanted.items())
                    if (!value.find(name.as_string())) return fails(key);
            if (key == "dependentRequired")
                for (const auto& [name, needed] : wanted.members())
                    for (const Json& other : needed.items())
                        if (value.find(name) && !value.find(other.as_string())) return fails(key);
            const Json *properties = schema.find("properties"), *patterns = schema.find("patternProperties");
            for (const auto& [name, member] : members) {
                const Json* declared = properties ? properties->find(name) : nullptr;
                bool is_named = declared;
                if (key == "properties" && declared && !validates(member, *declared, root, why)) return false;
                if (patterns)
                    for (const auto& [pattern, inner] : patterns->members()) {
                        if (!std::regex_search(name, std::regex(pattern))) continue;
                        is_named = true;
                        if (key == "patternProperties" && !validates(member, inner, root, why)) return false;
                    }
                if (key == "additionalProperties" && !is_named && !validates(member, wanted, root, why)) return false;
                if (key == "propertyNames" && !validates(Json(name), wanted, root, why)) return false;
            }
        }
    }
    return true;
}

}  // namespace hearth::test
