// Random JSON schemas of all that can be enforced.
#pragma once

#include <initializer_list>

#include "base/json.h"
#include "base/rng.h"

namespace hearth::test {

class SchemaMaker {
public:
    explicit SchemaMaker(uint64_t seed) : random_(seed) {}

    Json make() { return with_definitions(value(3)); }
    // Of objects, as the parameters of tools are.
    Json make_object() { return with_definitions(object(3)); }

private:
    Json with_definitions(Json schema) {
        if (!schema.is_object()) schema = Json::object();
        Json definitions = Json::object();
        for (const char* name : {"a", "b"}) definitions.set(name, value(2));
        schema.set("$defs", std::move(definitions));
        return schema;
    }
    bool chance(uint64_t one_in) { return random_.below(one_in) == 0; }
    template <class T>
    T pick(std::initializer_list<T> from) {
        return from.begin()[random_.below(from.size())];
    }
    Json listed_value() {
        switch (random_.below(7)) {
            case 0:
                return Json(nullptr);
            case 1:
                return Json(chance(2));
            case 2:
                return Json(int64_t(random_.below(20)) - 5);
            case 3:
                return Json(Json::Number{"1.5"});
            case 4:
                return Json(Json::Array{Json(1), Json("x")});
            case 5:
                return Json(Json::Object{{"k", Json("v")}, {"n", Json(nullptr)}});
            default:
                return Json(pick({"red", "green", "é\"\\\n", ""}));
        }
    }
    Json object(int depth) {
        Json schema = Json::object();
        if (!chance(8)) schema.set("type", "object");
        Json properties = Json::object();
        Json::Array required;
        for (const char* name : {"id", "name", "x\"y", "ü", "tags"})
            if (chance(2)) {
                properties.set(name, value(depth - 1));
                if (chance(2)) required.push_back(name);
            }
        if (!properties.members().empty()) schema.set("properties", std::move(properties));
        if (chance(5)) required.push_back("extra");
        if (!required.empty()) schema.set("required", std::move(required));
        if (chance(3)) schema.set("additionalProperties", chance(3) ? Json(false) : value(depth - 1));
        if (chance(5)) {
            Json patterns = Json::object();
            patterns.set(pick({"^x", "a$", "[0-9]"}), value(depth - 1));
            if (chance(2)) patterns.set("n", value(depth - 1));
            schema.set("patternProperties", std::move(patterns));
        }
        if (chance(6)) schema.set("maxProperties", int64_t(1 + random_.below(5)));
        if (chance(6)) schema.set("minProperties", int64_t(random_.below(3)));
        if (chance(8)) schema.set("propertyNames", *Json::parse(R"({"pattern": "^[a-zü]", "maxLength": 6})"));
        if (chance(8)) schema.set("dependentRequired", *Json::parse(R"({"id": ["name"]})"));
        return schema;
    }
    Json value(int depth) {
        Json schema = Json::object();
        if (depth <= 0) {
            const uint64_t kind = random_.below(4);
            if (kind == 0) return Json(Json::Object{{"type", Json(pick({"null", "boolean", "integer", "string"}))}});
        }
        switch (random_.below(depth > 0 ? 13 : 6)) {
            case 0:
                schema.set("type", "string");
                if (chance(2)) schema.set("minLength", int64_t(random_.below(4)));
                if (chance(2)) schema.set("maxLength", int64_t(3 + random_.below(30)));
                if (chance(3)) schema.set("pattern", pick({"^[a-c]+$", "b", "^a|z$", "^(ab?){2,}", "[^x]$"}));
                return schema;
            case 1:
                schema.set("type", pick({"integer", "number"}));
                if (chance(2)) schema.set("minimum", pick({Json(0), Json(-17), Json(Json::Number{"2.5"}), Json(100)}));
                if (chance(2))
                    schema.set("exclusiveMaximum", pick({Json(250), Json(Json::Number{"107.25"}), Json(1000)}));
                if (chance(4))
                    schema.set("multipleOf", pick({Json(3), Json(Json::Number{"0.25"}), Json(Json::Number{"0.01"})}));
                return schema;
            case 2: {
                Json::Array values;
                for (uint64_t n = 1 + random_.below(4); n > 0; --n) values.push_back(listed_value());
                schema.set("enum", std::move(values));
                return schema;
            }
            case 3:
                schema.set("const", listed_value());
                return schema;
            case 4:
                return Json(Json::Object{{"type", Json(Json::Array{Json("string"), Json("null"), Json("number")})}});
            case 5:
                return chance(3) ? Json(true) : Json(Json::Object{{"type", Json("boolean")}});
            case 6:
            case 7:
                schema.set("type", "array");
                if (chance(2)) schema.set("items", value(depth - 1));
                if (chance(3)) schema.set("prefixItems", Json::Array{value(depth - 1), value(depth - 1)});
                if (chance(2)) schema.set("maxItems", int64_t(1 + random_.below(5)));
                if (chance(4)) schema.set("minItems", int64_t(random_.below(4)));
                return schema;
            case 8: {
                Json::Array ways{value(depth - 1), value(depth - 1)};
                schema.set(pick({"anyOf", "anyOf", "oneOf", "allOf"}), std::move(ways));
                return schema;
            }
            case 9:
                schema.set("$ref", pick({"#/$defs/a", "#/$defs/b", "#"}));
                return schema;
            case 10:
                schema = object(depth);
                schema.set("if", *Json::parse(R"({"properties": {"name": {"const": "red"}}, "required": ["name"]})"));
                schema.set("then", Json(Json::Object{{"required", Json(Json::Array{Json("tags")})}}));
                if (chance(2)) schema.set("not", *Json::parse(R"({"required": ["id", "tags"]})"));
                return schema;
            default:
                return object(depth);
        }
    }

    Rng random_;
};

}  // namespace hearth::test
