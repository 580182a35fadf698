#include "chat/tools.h"

#include <algorithm>

namespace hearth::chat {

namespace {

// What a schema says on its face; references and conditions leave it unknown.
ParameterKind kind_of(const Json& schema) {
    bool any_string = false, any_null = false, any_other = false, any = false;
    const auto add = [&](const Json& type) {
        if (!type.is_string()) return;
        any = true;
        any_string |= type.as_string() == "string";
        any_null |= type.as_string() == "null";
        any_other |= type.as_string() != "string" && type.as_string() != "null";
    };
    if (const Json* type = schema.find("type")) {
        add(*type);
        if (type->is_array())
            for (const Json& one : type->items()) add(one);
    } else if (const Json* values = schema.find("enum"); values && values->is_array() && !values->items().empty()) {
        any = true;
        for (const Json& value : values->items())
            (value.is_string() ? any_string : value.is_null() ? any_null : any_other) = true;
    } else {
        for (const char* key : {"anyOf", "oneOf"})
            if (const Json* ways = schema.find(key); ways && ways->is_array())
                for (const Json& way : ways->items())
                    if (const Json* type = way.find("type")) add(*type);
    }
    if (!any) return ParameterKind::unknown;
    if (any_string && any_other) return ParameterKind::unknown;
    if (any_string) return any_null ? ParameterKind::nullable_string : ParameterKind::string;
    return ParameterKind::other;
}

}  // namespace

Result<Tools> Tools::read(const Json& list) {
    Tools tools;
    if (list.is_null()) return tools;
    const auto wrong = [](std::string what) {
        return fail(ErrorKind::bad_request, std::move(what),
                    R"(write [{"type": "function", "function": {"name": "...", "parameters": {...}}}])");
    };
    if (!list.is_array()) return wrong("the tools are no list");
    for (const Json& entry : list.items()) {
        const Json* function = entry.find("function");
        if (!function) function = &entry;
        const Json* name = function->find("name");
        if (!name || !name->is_string() || name->as_string().empty())
            return wrong(fmt::format("tool {} has no name", tools.tools_.size()));
        if (tools.contains(name->as_string()))
            return wrong(fmt::format("two tools have the name {}", name->as_string()));
        Tool tool{name->as_string(), {}};
        const Json* schema = function->find("parameters");
        if (const Json* properties = schema ? schema->find("properties") : nullptr;
            properties && properties->is_object())
            for (const auto& [key, value] : properties->members()) tool.parameters.push_back({key, kind_of(value)});
        tools.tools_.push_back(std::move(tool));
    }
    return tools;
}

const Tools::Tool* Tools::find(std::string_view name) const {
    const auto found = std::ranges::find(tools_, name, &Tool::name);
    return found == tools_.end() ? nullptr : &*found;
}

ParameterKind Tools::kind(std::string_view tool, std::string_view parameter) const {
    const Tool* found = find(tool);
    if (!found) return ParameterKind::unknown;
    const auto entry = std::ranges::find(found->parameters, parameter, &Parameter::name);
    return entry == found->parameters.end() ? ParameterKind::unknown : entry->kind;
}

std::string_view Tools::parameter(std::string_view tool, size_t place) const {
    const Tool* found = find(tool);
    return found && place < found->parameters.size() ? std::string_view(found->parameters[place].name) : "";
}

}  // namespace hearth::chat
