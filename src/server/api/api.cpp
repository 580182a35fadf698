#include "server/api/api.h"

#include <fmt/format.h>

namespace hearth::server {

ApiResult<std::vector<std::string>> ApiContext::warnings_of(const HttpRequest& request,
                                                            const std::vector<std::string>& unknown) const {
    const std::string* header = request.header("X-Hearth-Strict");
    const bool refuses = header ? *header != "0" && !is_same_word(*header, "false") : is_strict;
    std::vector<std::string> warnings;
    for (const std::string& name : unknown) {
        if (refuses)
            return std::unexpected(ApiError{400, fmt::format("{} is not known here, and this request is strict", name),
                                            "unknown_field", name});
        warnings.push_back(fmt::format("{} is not known here and was ignored", name));
    }
    return warnings;
}

void add_warnings(Json& answer, const std::vector<std::string>& warnings) {
    if (warnings.empty()) return;
    Json list = Json::array();
    for (const std::string& one : warnings) list.push(one);
    answer.set("warnings", std::move(list));
}

}  // namespace hearth::server
