// A model file into one with smaller weights. First a plan (which tensor gets which type, what is odd about it), that
// a person may read before anything is written; then one pass over the file, tensor by tensor, several pieces at a
// time, in bounded memory. What comes out does not depend on the number of threads.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "files/checkpoint.h"
#include "library/imatrix.h"
#include "tensor/dtype.h"

namespace hearth {

struct KeepRule {
    std::string pattern;  // searched in tensor names (ECMAScript)
    std::string type;     // a weight type, or "keep": as it is stored
};

struct QuantiseOptions {
    std::string type = "q4_k_m";  // a mix, a type, "pure-" and a type, "hq4" or "hq5"
    std::vector<KeepRule> keep;   // the first that matches decides
    int64_t target_bytes = 0;     // of hq4 and hq5: the file is at most this large; 0: as large as q4_k_m, q5_k_m
    bool allow_requantise = false;
    int threads = 1;
    const Imatrix* imatrix = nullptr;
    std::string imatrix_path;  // noted in the file
    // Of the measuring that hq4 and hq5 begin with: false ends it.
    std::function<bool(double share)> progress;
};

struct QuantisedTensor {
    const StoredTensor* source;  // of the checkpoint the plan was made for
    DType type;
    const std::vector<float>* importance = nullptr;  // null: none, or of no use to the type
    int64_t bytes = 0;
};

struct QuantisePlan {
    std::string type;
    std::vector<QuantisedTensor> tensors;  // in file order
    Metadata metadata;
    std::vector<std::string> notes;  // what a person should know: stand-ins, tensors without importance
    int64_t bytes = 0;               // of the file, its header apart by a little
    int64_t weights = 0;             // elements of all tensors
    int64_t source_bytes = 0;
};

Result<QuantisePlan> plan_quantise(const Checkpoint& source, const QuantiseOptions& options);

// False cancels: the error's kind is `cancelled` then, and no file is left.
using QuantiseProgress = std::function<bool(double share)>;
Result<> write_quantised(const Checkpoint& source, const QuantisePlan& plan, const std::string& path, int threads,
                         const QuantiseProgress& progress = {});

// "1.2G", "800M", "900000000"; G and M count in powers of ten as disks do, GiB and MiB in powers of two.
Result<int64_t> parse_size(std::string_view text);

}  // namespace hearth
