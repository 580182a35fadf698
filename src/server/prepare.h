// From a request to what the engine takes.
#pragma once

#include <memory>
#include <vector>

#include "server/models.h"
#include "server/request.h"

namespace hearth::server {

struct Prepared {
    std::vector<Request> requests;  // one per choice
    PromptInfo info;
    bool is_chat = false;
    bool begins_in_thought = false;
};

// Takes what it needs out of the request.
ApiResult<Prepared> prepare(const ServedModel& model, ModelRequest& request);

}  // namespace hearth::server
