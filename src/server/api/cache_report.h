// The field cache_report, in requests of every dialect and in their answers.
#pragma once

#include "base/json.h"
#include "server/api/fields.h"
#include "server/request.h"

namespace hearth::server {

void read_cache_report(Fields& fields, ModelRequest& request);
// Null where there is none.
Json cache_report_json(const AnswerEnd& end);
// As the object's field, where there is one.
void add_cache_report(const AnswerEnd& end, Json& object);

}  // namespace hearth::server
