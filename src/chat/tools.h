// The tools of a request, as far as reading a call needs them: which names exist, and of which kind a parameter is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hearth::chat {

enum class ParameterKind : uint8_t {
    string,           // text as it stands
    nullable_string,  // the same, or null
    other,            // JSON
    unknown,          // JSON where it is, else text
};

class Tools {
public:
    Tools() = default;
    // A list in OpenAI's form: {"type": "function", "function": {"name", "description", "parameters"}}; the bare inner
    // object is taken too. Null: no tools.
    static Result<Tools> read(const Json& list);

    bool empty() const { return tools_.empty(); }
    bool contains(std::string_view name) const { return find(name); }
    ParameterKind kind(std::string_view tool, std::string_view parameter) const;
    // The name of the parameter at a place, for calls that give values without names; "" when there are fewer.
    std::string_view parameter(std::string_view tool, size_t place) const;

private:
    struct Parameter {
        std::string name;
        ParameterKind kind;
    };
    struct Tool {
        std::string name;
        std::vector<Parameter> parameters;
    };
    const Tool* find(std::string_view name) const;
    std::vector<Tool> tools_;
};

}  // namespace hearth::chat
