// The body of POST /v1/responses, together with what of earlier responses it goes on from.
#pragma once

#include <string>
#include <vector>

#include "server/api/api.h"
#include "server/api/responses_keeper.h"
#include "server/request.h"

namespace hearth::server {

struct ResponsesRequest {
    ModelRequest model;
    std::string id, previous_id;
    Json input_items = Json::array();  // of this request alone
    Json echoed = Json::object();      // the fields by which a response says how it was asked for
    bool streams = false, is_kept = false;
    bool thoughts_are_summary = false;
    std::vector<std::string> warnings;
};

ApiResult<ResponsesRequest> read_responses(const Call& call, const ApiContext& api, const ResponseKeeper& keeper);

}  // namespace hearth::server
