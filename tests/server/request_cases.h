// tests/data/server/requests.txt.
#pragma once

#include <string>
#include <vector>

namespace hearth::test {

struct RequestCase {
    std::string name;
    int status = 0;
    std::string message, bytes;
};

std::vector<RequestCase> request_cases();

}  // namespace hearth::test
