// What a fuzzer gives is a letter for the dialect (kDialects in requests_check.cpp), then the body of a request.
#pragma once

#include <string_view>

namespace hearth {

// Reads the body as the server would, leniently and strictly; true: it was accepted. Aborts when a promise is broken.
bool check_request(std::string_view input);

}  // namespace hearth
