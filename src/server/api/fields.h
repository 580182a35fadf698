// Reads the fields of a JSON object by type and range. The first wrong one becomes the error, with its full name;
// fields that nobody asked for are remembered, so that none is lost silently. A field that is null counts as absent.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "server/api/api_error.h"

namespace hearth::server {

class Fields {
public:
    // The body of a request: strict JSON, an object.
    static ApiResult<Fields> parse(const std::string& body, int max_depth);
    explicit Fields(Json object, std::string path = {});

    std::optional<double> number(std::string_view name, double least, double most);
    std::optional<float> real(std::string_view name, double least, double most);  // the same, as a float
    std::optional<int64_t> integer(std::string_view name, int64_t least, int64_t most);
    std::optional<bool> boolean(std::string_view name);
    std::optional<std::string> text(std::string_view name);
    std::optional<std::string> one_of(std::string_view name, std::initializer_list<std::string_view> words);
    // A text or a list of texts, at most `most` of them, none of them empty.
    std::vector<std::string> texts(std::string_view name, size_t most);
    const Json* list(std::string_view name, size_t most = size_t(-1));
    std::optional<Fields> object(std::string_view name);  // what is wrong or unknown in it is told here
    const Json* any(std::string_view name);               // of whatever kind
    // Is known and means nothing here, or needs no word.
    void ignore(std::initializer_list<std::string_view> names);
    bool has(std::string_view name) const;     // without asking for it
    void note_unknown(std::string full_name);  // of an object that is read in another way

    std::string full_name(std::string_view name) const;                          // "response_format.type"
    void refuse(std::string_view name, std::string why, std::string code = {});  // "NAME why"
    // Once all has been asked for: the first error, or the names of what nobody knew.
    ApiResult<std::vector<std::string>> finish() const;

private:
    struct Report;
    struct Node;
    Fields(std::shared_ptr<Node> node, std::shared_ptr<Report> report);
    const Json* find(std::string_view name);
    std::shared_ptr<Node> node_;
    std::shared_ptr<Report> report_;
};

}  // namespace hearth::server
