// Importance matrices: how strongly a text drove every input column of every weight, as mean squares. A quantiser reads
// them, `hearth imatrix` writes them. Two forms exist on disk, a GGUF of type "imatrix" and the older .dat; both are
// read, the first is written.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hearth {

struct Imatrix {
    // Per weight (its name in the model, "blk.0.ffn_down.weight"): the mean square of every input column; of a stack of
    // experts one run of columns after the other. Where nothing was measured (an expert that no token chose) all are 1.
    std::map<std::string, std::vector<float>, std::less<>> importance;
    std::vector<std::string> datasets;          // what it was made from
    int64_t chunk_count = 0, chunk_tokens = 0;  // how many passes of how many tokens; 0: the file does not say
    const std::vector<float>* find(std::string_view weight) const {
        const auto found = importance.find(weight);
        return found == importance.end() ? nullptr : &found->second;
    }
};

// Refuses what is no matrix, and sums that no text can give (negative, not finite), all problems in one report.
Result<Imatrix> read_imatrix(const std::string& path);

// What was measured for one weight: sums of squares, and how many rows they were taken over. [experts][columns] and
// [experts].
struct InputSums {
    std::vector<double> squares;
    std::vector<int64_t> rows;
};

struct ImatrixSource {
    std::string dataset;
    int64_t chunk_count = 0, chunk_tokens = 0;
};
Result<> write_imatrix(const std::string& path, const std::map<std::string, InputSums, std::less<>>& sums,
                       const ImatrixSource& source);

}  // namespace hearth
