// Reads Prometheus' text format back, strictly, so that tests see what a server that scrapes would see.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace hearth::test {

struct Exposition {
    struct Family {
        std::string help, type;
        int samples = 0;
    };
    std::map<std::string, Family> families;
    std::map<std::string, double> samples;  // by name{labels as they stand}
    std::vector<std::string> problems;      // of form; empty in a good one

    // Of all series of a name whose labels contain each of these pieces (finished_reason="stop"); -1: there are none.
    double sum(const std::string& name, const std::vector<std::string>& pieces = {}) const;
};

Exposition read_exposition(const std::string& text);

}  // namespace hearth::test
