#include "server/request_cases.h"

#include "support/shared_data.h"

namespace hearth::test {

namespace {

std::string unescaped(const std::string& text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            out += text[i];
            continue;
        }
        const char kind = text.at(++i);
        if (kind == 'x') {
            out += char(std::stoi(text.substr(i + 1, 2), nullptr, 16));
            i += 2;
        } else {
            out += kind == 'r' ? '\r' : kind == 'n' ? '\n' : kind == 't' ? '\t' : kind == '0' ? '\0' : kind;
        }
    }
    return out;
}

}  // namespace

std::vector<RequestCase> request_cases() {
    std::vector<RequestCase> cases;
    bool is_open = false;
    for (const std::string& line : read_lines(data_path("server/requests.txt"))) {
        if (line.empty()) is_open = false;
        if (line.empty() || line[0] == '#') continue;
        if (is_open) {
            cases.back().bytes += unescaped(line);
            continue;
        }
        const size_t first = line.find(" | "), second = line.find(" | ", first + 3);
        cases.push_back({line.substr(0, first), std::stoi(line.substr(first + 3)), line.substr(second + 3), ""});
        is_open = true;
    }
    EXPECT_GT(cases.size(), 40u);
    return cases;
}

}  // namespace hearth::test
