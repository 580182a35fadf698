// Source: a checkpoint as a family's load function sees it. It hands out hyperparameters and tensors by name, checks
// every shape, and collects all problems, so that a wrong file is reported once and whole.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "files/checkpoint.h"
#include "ops/backend.h"

namespace hearth {

class Source {
public:
    Source(const Checkpoint& checkpoint, Backend& backend, std::string architecture,
           std::function<bool(double)> progress = {}, int64_t context_tokens = 0)
        : checkpoint_(checkpoint),
          backend_(backend),
          architecture_(std::move(architecture)),
          progress_(std::move(progress)),
          context_tokens_(context_tokens) {}

    const std::string& architecture() const { return architecture_; }
    const Metadata& metadata() const { return checkpoint_.metadata(); }
    const Checkpoint& checkpoint() const { return checkpoint_; }
    // Of one sequence, as this run is configured; 0: not decided, as when planning.
    int64_t context_tokens() const { return context_tokens_; }

    // Hyperparameters; names are without the architecture prefix. A missing required one is a problem and reads as
    // `low`.
    int64_t integer(std::string_view key, int64_t low, int64_t high);
    int64_t integer_or(std::string_view key, int64_t otherwise, int64_t low, int64_t high);
    double number(std::string_view key);
    double number_or(std::string_view key, double otherwise);
    bool flag_or(std::string_view key, bool otherwise);
    std::string text_or(std::string_view key, std::string otherwise);
    std::optional<std::vector<int64_t>> integers(std::string_view key);
    void problem(std::string text);
    bool has_problems() const { return !problems_.empty(); }

    // Tensors by full name; shapes outermost first. What is missing or misshapen becomes a problem and an empty handle.
    bool has(std::string_view name) const { return checkpoint_.find(name) != nullptr; }
    Weight weight(const std::string& name, int64_t out, int64_t in, WeightUse use = WeightUse::multiply);
    // The same for families in whose files `.scale` beside this weight means something else.
    Weight bare_weight(const std::string& name, int64_t out, int64_t in, WeightUse use = WeightUse::multiply);
    Weight experts(const std::string& name, int64_t count, int64_t out, int64_t in, int64_t used_per_token);
    // A stack whose matrices lie in the file one by one.
    Weight experts(std::span<const std::string> names, int64_t out, int64_t in, int64_t used_per_token);
    Tensor floats(const std::string& name, int64_t rows, int64_t width);
    Tensor floats(const std::string& name, int64_t width) { return floats(name, 1, width); }
    void add_to_floats(float offset) { float_offset_ = offset; }  // for files that store norms centred on zero
    std::vector<float> host_floats(const std::string& name, int64_t count);

    int64_t parameters() const { return parameters_; }
    double bytes_per_token() const { return bytes_per_token_; }            // stored bytes that one decoded token reads
    double operations_per_token() const { return operations_per_token_; }  // of all products but the output matrix's
    Result<> report() const;                                               // all problems in one error

private:
    const StoredTensor* find(const std::string& name, std::initializer_list<int64_t> shape);
    std::vector<float> side_scales(const std::string& name, int64_t count);
    Tensor load_floats(std::span<const float> values, int64_t rows, int64_t width);
    std::vector<float> decoded(const StoredTensor& stored);
    Weight load(const StoredTensor& stored, int64_t experts, int64_t out, int64_t in, WeightUse use);
    std::string key(std::string_view name) const { return architecture_ + "." + std::string(name); }

    const Checkpoint& checkpoint_;
    Backend& backend_;
    std::string architecture_;
    std::function<bool(double)> progress_;
    int64_t context_tokens_;
    double loaded_bytes_ = 0;
    std::vector<std::string> problems_;
    std::optional<Error> failure_;  // of the backend: memory, device
    float float_offset_ = 0;
    int64_t parameters_ = 0, next_id_ = 0;
    double bytes_per_token_ = 0, operations_per_token_ = 0;
};

}  // namespace hearth
