#include "grammar/front_ends.h"
namespace hearth::grammar {
Result<Rules> read_json_schema(const Json&, const JsonOptions&) {
    return fail(ErrorKind::unsupported, "todo");
}
}  // namespace hearth::grammar
