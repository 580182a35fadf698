#include "grammar/schema/check.h"

#include <algorithm>

#include "grammar/regex.h"
#include "grammar/schema_check.h"

namespace hearth::grammar {

std::vector<uint32_t> codes_of(std::string_view text) {
    std::vector<uint32_t> codes;
    read_codes(text, codes);
    return codes;
}

namespace {

constexpr size_t kMostSteps = 50'000'000;

size_t size_of_list(const Json& list) {
    return list.is_array() ? list.items().size() : list.is_object() ? list.members().size() : 0;
}

bool says_nothing(const Json& schema) {
    return (schema.is_bool() && schema.as_bool()) || (schema.is_object() && schema.members().empty());
}

// One value against one schema.
class Check {
public:
    Check(ValueChecker& checker, const Json& value, const Json& schema, int depth)
        : checker_(checker), document_(checker.document()), value_(value), schema_(schema), depth_(depth) {}

    Result<bool> holds() {
        TRY(checker_.charge(1 + schema_.members().size()));
        for (const auto& [key, wanted] : schema_.members())
            if (!TRY(keyword(key, wanted))) return false;
        return true;
    }

private:
    Result<bool> inner(const Json& value, const Json& schema) const {
        return checker_.satisfies(value, {&schema, true}, depth_ + 1);
    }
    Result<int64_t> how_many(const Json& list) const {
        int64_t count = 0;
        if (!list.is_array()) return count;
        for (const Json& schema : list.items()) count += TRY(inner(value_, schema));
        return count;
    }
    Result<bool> matches_pattern(const std::string& pattern, std::string_view text) const {
        const auto graph = checker_.pattern_graph(pattern);
        if (!graph) return document_.refuse(schema_, "", graph.error().what, graph.error().try_this);
        TRY(checker_.charge(text.size()));
        return matches(**graph, codes_of(text));
    }

    Result<bool> keyword(const std::string& key, const Json& wanted) {
        if (key == "type") {
            const Json* nullable = schema_.find("nullable");
            return (types_of(wanted) & type_of_value(value_)) ||
                   (value_.is_null() && nullable && nullable->is_bool() && nullable->as_bool());
        }
        if (key == "const" || key == "enum") {
            const size_t values = key == "enum" && wanted.is_array() ? wanted.items().size() : 1;
            TRY(checker_.charge(values * cost_of_value(value_)));
        }
        if (key == "const") return equal_values(value_, wanted);
        if (key == "enum")
            return wanted.is_array() &&
                   std::ranges::any_of(wanted.items(), [&](const Json& item) { return equal_values(value_, item); });
        if (key == "$ref")
            return inner(value_, *TRY(document_.follow(schema_, wanted.is_string() ? wanted.as_string() : "")));
        if (key == "allOf") return TRY(how_many(wanted)) == int64_t(wanted.is_array() ? wanted.items().size() : 0);
        if (key == "anyOf") return TRY(how_many(wanted)) > 0;
        if (key == "oneOf") return TRY(how_many(wanted)) == 1;
        if (key == "not") return !TRY(inner(value_, wanted));
        if (key == "if") {
            const Json* next = schema_.find(TRY(inner(value_, wanted)) ? "then" : "else");
            return next ? inner(value_, *next) : Result<bool>(true);
        }
        if (key == "$dynamicRef") return document_.refuse(schema_, key, "is not supported", "use $ref");
        if (value_.is_number()) return number_keyword(key, wanted);
        if (value_.is_string()) return string_keyword(key, wanted);
        if (value_.is_array()) return array_keyword(key, wanted);
        if (value_.is_object()) return object_keyword(key, wanted);
        return true;
    }

    Result<bool> number_keyword(const std::string& key, const Json& wanted) {
        if (!wanted.is_number()) return true;
        const auto value = Decimal::read(value_.number_text()), bound = Decimal::read(wanted.number_text());
        if (!value || !bound)
            return document_.refuse(schema_, key, "is compared with a number of more than 400 digits");
        const auto draft4 = [&](const char* name) {
            const Json* exclusive = schema_.find(name);
            return exclusive && exclusive->is_bool() && exclusive->as_bool();
        };
        if (key == "minimum") return draft4("exclusiveMinimum") ? *value > *bound : *value >= *bound;
        if (key == "maximum") return draft4("exclusiveMaximum") ? *value < *bound : *value <= *bound;
        if (key == "exclusiveMinimum") return *value > *bound;
        if (key == "exclusiveMaximum") return *value < *bound;
        if (key == "multipleOf") return bound->is_zero() || is_multiple(*value, *bound);
        return true;
    }

    Result<bool> string_keyword(const std::string& key, const Json& wanted) {
        const int64_t length = int64_t(codes_of(value_.as_string()).size());
        if (key == "minLength") return length >= wanted.as_int();
        if (key == "maxLength") return length <= wanted.as_int();
        if (key == "pattern" && wanted.is_string()) return matches_pattern(wanted.as_string(), value_.as_string());
        return true;
    }

    Result<bool> array_keyword(const std::string& key, const Json& wanted) {
        const auto& items = value_.items();
        if (key == "minItems") return int64_t(items.size()) >= wanted.as_int();
        if (key == "maxItems") return int64_t(items.size()) <= wanted.as_int();
        if (key == "unevaluatedItems" && !says_nothing(wanted))
            return document_.refuse(schema_, key, "is not supported", "use items");
        if (key == "contains") return contains(wanted);
        const Json *prefix = schema_.find("prefixItems"), *list = schema_.find("items");
        if (list && list->is_array()) prefix = list;
        const size_t fixed = prefix && prefix->is_array() ? prefix->items().size() : 0;
        const bool is_prefix = prefix == &wanted;
        const bool is_rest =
            (key == "items" && !wanted.is_array()) || (key == "additionalItems" && list && list->is_array());
        for (size_t i = 0; i < items.size(); ++i) {
            if (is_prefix && i < fixed && !TRY(inner(items[i], prefix->items()[i]))) return false;
            if (is_rest && i >= fixed && !TRY(inner(items[i], wanted))) return false;
        }
        if (key == "uniqueItems" && wanted.is_bool() && wanted.as_bool())
            for (size_t i = 0; i < items.size(); ++i)
                for (size_t j = i + 1; j < items.size(); ++j) {
                    TRY(checker_.charge(cost_of_value(items[i])));
                    if (equal_values(items[i], items[j])) return false;
                }
        return true;
    }

    Result<bool> contains(const Json& wanted) {
        const Json *least = schema_.find("minContains"), *most = schema_.find("maxContains");
        int64_t count = 0;
        for (const Json& item : value_.items()) count += TRY(inner(item, wanted));
        return count >= (least && least->is_number() ? least->as_int() : 1) &&
               (!most || !most->is_number() || count <= most->as_int());
    }

    Result<bool> object_keyword(const std::string& key, const Json& wanted) {
        const auto& members = value_.members();
        if (key == "unevaluatedProperties" && !says_nothing(wanted))
            return document_.refuse(schema_, key, "is not supported", "use additionalProperties");
        if (key == "minProperties") return int64_t(members.size()) >= wanted.as_int();
        if (key == "maxProperties") return int64_t(members.size()) <= wanted.as_int();
        const auto has_all = [&](const Json& names) {
            return !names.is_array() || std::ranges::all_of(names.items(), [&](const Json& name) {
                return !name.is_string() || value_.find(name.as_string());
            });
        };
        TRY(checker_.charge(members.size() * size_of_list(wanted)));
        if (key == "required") return has_all(wanted);
        if (key == "propertyNames") {
            for (const auto& [name, unused] : members)
                if (!TRY(inner(Json(name), wanted))) return false;
        }
        if (key == "dependentRequired" || key == "dependentSchemas" || key == "dependencies") {
            if (!wanted.is_object()) return true;
            for (const auto& [name, needed] : wanted.members()) {
                if (!value_.find(name)) continue;
                if (needed.is_array() ? !has_all(needed) : !TRY(inner(value_, needed))) return false;
            }
        }
        if (key == "properties" || key == "patternProperties" || key == "additionalProperties")
            return members_hold(key, wanted);
        return true;
    }

    Result<bool> members_hold(const std::string& key, const Json& wanted) {
        const Json *properties = schema_.find("properties"), *patterns = schema_.find("patternProperties");
        for (const auto& [name, value] : value_.members()) {
            const Json* declared = properties ? properties->find(name) : nullptr;
            bool is_named = declared;
            if (key == "properties" && declared && !TRY(inner(value, *declared))) return false;
            if (key == "properties") continue;
            if (patterns && patterns->is_object())
                for (const auto& [pattern, schema] : patterns->members()) {
                    if (!TRY(matches_pattern(pattern, name))) continue;
                    is_named = true;
                    if (key == "patternProperties" && !TRY(inner(value, schema))) return false;
                }
            if (key == "additionalProperties" && !is_named && !TRY(inner(value, wanted))) return false;
        }
        return true;
    }

    ValueChecker& checker_;
    const SchemaDocument& document_;
    const Json& value_;
    const Json& schema_;
    int depth_;
};

}  // namespace

Result<bool> ValueChecker::satisfies(const Json& value, const Demand& demand, int depth) {
    const Json& schema = *demand.schema;
    if (schema.is_bool()) return schema.as_bool() == demand.holds;
    if (!schema.is_object()) return document_.refuse(schema, "", "should be an object, true or false");
    if (depth > 100) return document_.refuse(schema, "", "refers to itself without a step into the value");
    return TRY(Check(*this, value, schema, depth).holds()) == demand.holds;
}

Result<const CharGraph*> ValueChecker::pattern_graph(const std::string& pattern) {
    const auto known = patterns_.find(pattern);
    if (known != patterns_.end()) return &known->second;
    auto graph = TRY(expression_graph(pattern, RegexDialect::ecma, false));
    return &patterns_.emplace(pattern, std::move(graph)).first->second;
}

Result<> ValueChecker::charge(size_t steps) {
    steps_ += steps;
    if (steps_ <= kMostSteps) return {};
    return document_.refuse(document_.root(), "", "takes too many steps to check its listed values",
                            "shorten enum, or the schemas beside it");
}

struct SchemaCheck::Parts {
    explicit Parts(SchemaDocument read) : document(std::move(read)), checker(document) {}
    SchemaDocument document;
    ValueChecker checker;
};

SchemaCheck::SchemaCheck(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
SchemaCheck::SchemaCheck(SchemaCheck&&) noexcept = default;
SchemaCheck::~SchemaCheck() = default;

Result<SchemaCheck> SchemaCheck::make(const Json& schema) {
    return SchemaCheck(std::make_unique<Parts>(TRY(SchemaDocument::make(schema))));
}

Result<bool> SchemaCheck::holds_for(const Json& value) {
    return parts_->checker.satisfies(value, {&parts_->document.root()});
}

}  // namespace hearth::grammar
