// Whether values satisfy a JSON schema.
#pragma once

#include <memory>

#include "base/json.h"
#include "base/result.h"

namespace hearth::grammar {

// For many values of one schema: what its patterns match is found out once. For one thread at a time. All that may be
// asked of one check together is bounded.
class SchemaCheck {
public:
    // `schema` must outlive it and stay where it is.
    static Result<SchemaCheck> make(const Json& schema);
    SchemaCheck(SchemaCheck&&) noexcept;
    ~SchemaCheck();

    // By the standard, where an object may have keys that its schema does not name; "format" is a note. Fails where the
    // schema itself cannot be understood.
    Result<bool> holds_for(const Json& value);

private:
    struct Parts;
    explicit SchemaCheck(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace hearth::grammar
