#include "library/quantise_budget.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <limits>
#include <mutex>
#include <queue>
#include <thread>

#include "base/text_format.h"
#include "tensor/decode.h"
#include "tensor/quantise.h"

namespace hearth {

namespace {

using enum DType;

// From small to large; what does not divide the rows of a tensor falls out.
constexpr DType kLadder[] = {q2_k, q3_k, iq4_xs, iq4_nl, q4_k, q5_0, q5_k, q5_1, q6_k, q8_0};
constexpr int64_t kSampleValues = 96 * 1024;

int64_t padded(int64_t bytes) {
    return (bytes + 31) / 32 * 32;
}
int64_t bytes_as(const StoredTensor& tensor, DType type) {
    return padded(row_bytes(type, tensor.elements()));
}

struct Candidate {
    DType type;
    int64_t bytes;
    double cost;  // weighed error
};

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != text.npos;
}

bool is_output(std::string_view name, const BudgetFacts& facts) {
    return name == "output.weight" || (facts.is_tied && contains(name, "token_embd"));
}

// "blk.17.ffn_up.weight" -> 17; -1 where the name has no layer.
int64_t layer_of(std::string_view name) {
    int64_t layer = -1;
    if (name.starts_with("blk.")) std::from_chars(name.data() + 4, name.data() + name.size(), layer);
    return layer;
}

// Matrices that never go below this many bits, whatever the sums say; dropped when the target leaves no room for it.
double least_bits(std::string_view name, const BudgetFacts& facts) {
    const double more = facts.level - 4;
    if (is_output(name, facts)) return 5.5 + more;
    if (contains(name, "ssm_out") || name.ends_with("attn_v.weight") || contains(name, "attn_kv")) return 5.5 + more;
    if (contains(name, "attn") || contains(name, "ssm_") || contains(name, "token_embd") || contains(name, "shexp"))
        return 4.25 + more;
    return 0;
}

// Relative squared error of each type on rows spread over the tensor.
Result<std::vector<double>> measured(const Checkpoint& file, const BudgetTensor& tensor, std::span<const DType> types) {
    const StoredTensor& source = *tensor.source;
    const int64_t columns = source.shape.back(), rows = source.elements() / std::max<int64_t>(columns, 1);
    const int64_t taken = std::clamp<int64_t>(kSampleValues / columns, 1, rows);
    const int64_t plane_rows = source.shape.size() > 2 ? source.shape[source.shape.size() - 2] : rows;
    std::vector<double> errors(types.size(), 0.0);
    std::vector<float> values(static_cast<size_t>(columns)), back(values.size());
    std::vector<std::byte> raw(size_t(row_bytes(source.type, columns))), blocks;
    double size = 0;
    for (int64_t i = 0; i < taken; ++i) {
        const int64_t row = i * rows / taken + (rows / taken) / 2;
        TRY(file.read(source, uint64_t(row) * raw.size(), raw));
        decode(source.type, raw.data(), columns, values.data());
        if (const int64_t bad = first_not_finite(values); bad >= 0)
            return fail(ErrorKind::bad_file,
                        fmt::format("{} holds {} in row {}", source.name, values[size_t(bad)], row),
                        "the model is damaged: fetch it again");
        std::vector<float> importance;
        if (tensor.importance) {
            const bool is_per_plane = int64_t(tensor.importance->size()) > columns;
            const size_t first = is_per_plane ? size_t(row / plane_rows * columns) : 0;
            importance = TRY(prepared_importance(std::span(*tensor.importance).subspan(first, size_t(columns))));
        }
        const auto weight = [&](size_t k) { return importance.empty() ? 1.0 : double(importance[k]); };
        for (size_t k = 0; k < values.size(); ++k) size += weight(k) * values[k] * values[k];
        for (size_t t = 0; t < types.size(); ++t) {
            blocks.resize(size_t(row_bytes(types[t], columns)));
            quantise(types[t], {values, columns, importance}, blocks.data());
            decode(types[t], blocks.data(), columns, back.data());
            for (size_t k = 0; k < values.size(); ++k) {
                const double off = double(values[k]) - back[k];
                errors[t] += weight(k) * off * off;
            }
        }
    }
    for (double& error : errors) error = size > 0 ? error / size : 0;
    return errors;
}

// Only steps that gain more a byte than any larger step: the rest is never worth taking.
std::vector<Candidate> hull(std::vector<Candidate> all) {
    std::ranges::stable_sort(all, {}, &Candidate::bytes);
    std::vector<Candidate> kept;
    const auto slope = [](const Candidate& a, const Candidate& b) {
        return (a.cost - b.cost) / double(std::max<int64_t>(b.bytes - a.bytes, 1));
    };
    for (const Candidate& next : all) {
        if (!kept.empty() && next.cost >= kept.back().cost) continue;
        if (!kept.empty() && next.bytes == kept.back().bytes) kept.pop_back();
        while (kept.size() >= 2 && slope(kept.back(), next) >= slope(kept[kept.size() - 2], kept.back()))
            kept.pop_back();
        kept.push_back(next);
    }
    return kept;
}

}  // namespace

double sensitivity_of(std::string_view name, const BudgetFacts& facts) {
    if (contains(name, "ssm_alpha") || contains(name, "ssm_beta") || contains(name, "ssm_ba") ||
        contains(name, "ssm_dt") || contains(name, "gate_inp"))
        return 0;
    const double layers = double(std::max<int64_t>(facts.layers, 1));
    if (is_output(name, facts)) return facts.is_tied ? 4 * layers : layers;
    if (contains(name, "token_embd")) return 2 * layers;
    // Every later layer builds on what the first ones said.
    const double depth = layer_of(name) >= 0 && layer_of(name) < facts.layers / 8 ? 2 : 1;
    if (contains(name, "attn_qkv") || contains(name, "ssm_in") || contains(name, "shortconv.in")) return 4 * depth;
    if (contains(name, "attn_gate") || contains(name, "ssm_out") || contains(name, "attn_output") ||
        contains(name, "attn_v") || contains(name, "attn_kv") || contains(name, "shortconv"))
        return 3 * depth;
    if (contains(name, "attn_") || contains(name, "ssm_") || contains(name, "shexp")) return 2 * depth;
    return (contains(name, "ffn_down") ? 1.5 : 1) * depth;
}

Result<BudgetChoice> choose_for_budget(const Checkpoint& file, std::span<const BudgetTensor> tensors,
                                       const BudgetFacts& facts, const std::function<bool(double share)>& progress) {
    std::vector<std::vector<Candidate>> all(tensors.size());
    std::atomic<size_t> next = 0, done = 0;
    std::atomic<bool> is_stopped = false;
    std::mutex mutex;
    Error error;
    const auto measure = [&](size_t i) -> Result<> {
        const BudgetTensor& tensor = tensors[i];
        const StoredTensor& source = *tensor.source;
        if (!tensor.has_choice) {
            all[i] = {{tensor.fixed, bytes_as(source, tensor.fixed), 0}};
            return {};
        }
        const double sensitivity = sensitivity_of(source.name, facts);
        std::vector<DType> types;
        for (const DType type : kLadder)
            if (source.shape.back() % info(type).block_elements == 0 && (sensitivity > 0 || type == q8_0))
                types.push_back(type);
        if (types.empty()) types.push_back(f16);
        const std::vector<double> errors = TRY(measured(file, tensor, types));
        for (size_t t = 0; t < types.size(); ++t)
            all[i].push_back({types[t], bytes_as(source, types[t]), sensitivity * errors[t]});
        return {};
    };
    const auto work = [&] {
        for (size_t i; !is_stopped && (i = next++) < tensors.size(); ++done)
            if (auto result = measure(i); !result) {
                std::lock_guard lock(mutex);
                if (!is_stopped.exchange(true)) error = result.error();
            }
    };
    {
        std::vector<std::jthread> workers;
        for (int t = 0; t < std::max(facts.threads, 1); ++t) workers.emplace_back(work);
        while (!is_stopped && done < tensors.size()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            if (progress && !progress(double(done) / double(tensors.size())) && !is_stopped.exchange(true))
                error = {ErrorKind::cancelled, "cancelled", ""};
        }
    }
    if (is_stopped) return std::unexpected(error);

    const auto total_of = [&](const std::vector<size_t>& at, const std::vector<std::vector<Candidate>>& of) {
        int64_t bytes = 0;
        for (size_t i = 0; i < of.size(); ++i) bytes += of[i][at[i]].bytes;
        return bytes;
    };
    BudgetChoice choice;
    std::vector<std::vector<Candidate>> steps(tensors.size());
    std::vector<size_t> at(tensors.size(), 0);
    int64_t total = 0;
    for (const bool has_floors : {true, false}) {
        for (size_t i = 0; i < tensors.size(); ++i) {
            std::vector<Candidate> allowed = all[i];
            const double least = has_floors ? least_bits(tensors[i].source->name, facts) : 0;
            const auto is_below = [&](const Candidate& candidate) {
                return double(candidate.bytes) * 8 / double(tensors[i].source->elements()) < least - 0.01;
            };
            if (std::ranges::any_of(allowed, [&](const Candidate& c) { return !is_below(c); }))
                std::erase_if(allowed, is_below);
            steps[i] = hull(std::move(allowed));
        }
        total = total_of(at, steps);
        if (total <= facts.target_bytes) break;
        if (has_floors)
            choice.notes.push_back(
                "the size leaves no room for the least precision of fragile matrices: it was dropped");
    }
    if (total > facts.target_bytes)
        return fail(
            ErrorKind::bad_request,
            fmt::format("no choice of types makes this model smaller than {}, {} are asked for",
                        bytes_text(uint64_t(total)), bytes_text(uint64_t(std::max<int64_t>(facts.target_bytes, 0)))),
            "ask for a larger --size, or choose a mix such as iq2_xs with an importance matrix");
    // Best gain a byte first; equal gains in file order, so that the choice is one.
    const auto gain = [&](size_t i) {
        const Candidate &now = steps[i][at[i]], &then = steps[i][at[i] + 1];
        return (now.cost - then.cost) / double(then.bytes - now.bytes);
    };
    using Step = std::pair<double, int64_t>;
    std::priority_queue<Step> queue;
    const auto offer = [&](size_t i) {
        if (at[i] + 1 < steps[i].size()) queue.push({gain(i), -int64_t(i)});
    };
    for (size_t i = 0; i < tensors.size(); ++i) offer(i);
    while (!queue.empty()) {
        const size_t i = size_t(-queue.top().second);
        queue.pop();
        const int64_t more = steps[i][at[i] + 1].bytes - steps[i][at[i]].bytes;
        if (total + more > facts.target_bytes) continue;  // smaller ones may still fit
        total += more;
        ++at[i];
        offer(i);
    }
    for (size_t i = 0; i < tensors.size(); ++i) choice.types.push_back(steps[i][at[i]].type);
    return choice;
}

}  // namespace hearth
