// The arguments of calls as grammars: a tool's schema in the notation in which a model writes its calls. What a
// notation cannot bind is refused with a reason; the caller then lets any arguments pass and says so.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "chat/channels.h"
#include "chat/tools.h"
#include "grammar/front_ends.h"
#include "grammar/grammar.h"
#include "grammar/rules.h"

namespace hearth::chat {

enum class Notation : uint8_t { json, xml, key_value, python, gemma };

class ArgumentWriter {
public:
    using ExprId = grammar::ExprId;
    ArgumentWriter(const Lexicon& lexicon, grammar::Rules& rules) : lexicon_(lexicon), rules_(rules) {}

    // `kinds`: how the reader will understand the parameters of `tool`. What stands between the name and whatever ends
    // a call, the brackets of objects included.
    Result<ExprId> arguments(Notation notation, const Tools& kinds, std::string_view tool, const Json& parameters);
    // Whatever they are.
    Result<ExprId> any_arguments(Notation notation);
    ExprId mark(Mark mark);

private:
    struct Member {
        ExprId text;
        bool is_required;
    };
    struct Parameter {
        std::string name;
        const Json* schema;
        bool is_required;
    };

    Result<std::vector<Parameter>> parameters_of(const Json& object) const;
    Result<ExprId> json(const Json& schema);
    Result<ExprId> json_within(const Json& schema);
    Result<ExprId> python_value(const Json& schema, ParameterKind kind);
    Result<ExprId> bare_value(const Json& schema, ParameterKind kind, Mark end);
    // Text of a string that stands as it is, up to a mark.
    Result<ExprId> bare_text(const Json& schema, Mark end);
    Result<ExprId> new_bare_text(const Json& schema, Mark end);
    ExprId any_text(Mark end);
    grammar::CharGraph text_before(Mark end) const;
    Result<ExprId> parameter(Notation notation, ExprId key, ExprId value);
    ExprId list(const std::vector<Member>& members, ExprId separator);
    ExprId word();

    // gemma_values.cpp
    Result<ExprId> gemma_value(const Json& schema, int depth);
    Result<ExprId> gemma_of_type(const Json& schema, std::string_view type, int depth);
    Result<ExprId> gemma_object(const Json& schema, int depth);
    Result<ExprId> gemma_array(const Json& schema, int depth);
    Result<ExprId> gemma_literal(const Json& value);
    Result<ExprId> gemma_any();
    ExprId gemma_key(const std::string& name);
    ExprId gemma_any_object();

    const Lexicon& lexicon_;
    grammar::Rules& rules_;
    const Json* root_ = nullptr;                                 // of the schema at hand
    size_t graph_nodes_ = 0, measured_steps_ = 0;                // of patterns and their lengths so far
    std::map<std::pair<Mark, std::string>, ExprId> bare_texts_;  // by what ends them and their schema
    grammar::RuleId gemma_any_ = UINT32_MAX;
};

// Keywords that say more of a value than its own type's keywords do.
const char* combining_keyword(const Json& schema);
// A schema of a tool's parameters that only objects satisfy; a tool without one takes none.
Result<Json> object_schema(const Json* parameters);

}  // namespace hearth::chat
