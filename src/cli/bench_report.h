// What `hearth bench` measured, and how it is told.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/engine.h"
#include "engine/machine.h"

namespace hearth::cli {

struct Measurement {
    std::string test;  // prefill, decode; embed, score
    int64_t tokens = 0, depth = 0, batch = 1;
    std::vector<double> speeds;  // tokens per second, one per run
    double share_of_roof = -1;   // -1: not measured
    std::vector<OpTime> profile;

    double median() const;
};

struct BenchReport {
    std::string name, title;  // as it was asked for, and in words
    bool is_random = false;   // weights
    MachineRoof roof;
    std::vector<Measurement> measurements;

    Json json(const Engine& engine) const;
    std::string text(const Engine& engine) const;
};

}  // namespace hearth::cli
