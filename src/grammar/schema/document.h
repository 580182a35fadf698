// A JSON schema as a document: where its references lead, and what a place in it is called.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/json.h"
#include "base/result.h"

namespace hearth::grammar {

class SchemaDocument {
public:
    // `root` must outlive the document.
    static Result<SchemaDocument> make(const Json& root);

    const Json& root() const { return *root_; }
    // What the "$ref" of `schema` means. References leave the document only in their text: nothing is fetched.
    Result<const Json*> follow(const Json& schema, const std::string& reference) const;
    // The JSON pointer of a place, "#/properties/a". Slow: for messages.
    std::string pointer(const Json& place) const;
    // "#/properties/a/pattern: ..."
    std::unexpected<Error> refuse(const Json& schema, std::string_view keyword, std::string what,
                                  std::string try_this = {}) const;

private:
    Result<> index(const Json& schema, const std::string* base);

    const Json* root_ = nullptr;
    std::unordered_map<const Json*, const std::string*> bases_;  // where it is not that of the root; a key of by_uri_
    std::map<std::string, const Json*, std::less<>> by_uri_, by_anchor_;
    std::string root_base_;
    mutable std::unordered_map<const Json*, const Json*> followed_;  // a schema has one $ref
};

}  // namespace hearth::grammar
