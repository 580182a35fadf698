#include "engine/plan.h"

#include <algorithm>

#include "backends/cpu/cpu_backend.h"
#include "backends/kv_page.h"
#include "backends/reference/reference_ops.h"
#include "base/os.h"
#include "engine/forward.h"

namespace hearth {

Result<std::unique_ptr<Backend>> make_backend(const EngineOptions& options, MemoryLedger& ledger, bool planning) {
    if (options.device == "reference") {
        if (options.mmap)
            return fail(ErrorKind::unsupported, "the reference device keeps a copy of all weights, --mmap none",
                        "leave one of them away");
        return make_reference_backend(ledger, planning);
    }
    if (options.device != "cpu")
        return fail(ErrorKind::bad_request, "unknown device " + options.device, "use cpu or reference");
    CpuOptions choice;
    choice.threads = options.threads > 0 ? options.threads : physical_cores_allowed();
    choice.isa = options.isa.empty() ? cpu::chosen_isa() : TRY(cpu::parse_isa(options.isa));
    choice.weights_as_stored = options.weights_as_stored;
    choice.mmap = options.mmap;
    return make_cpu_backend(choice, ledger, planning);
}

Result<std::unique_ptr<Planner>> Planner::make(const Checkpoint& checkpoint, const EngineOptions& options) {
    std::unique_ptr<Planner> planner(new Planner(options));
    planner->backend_ = TRY(make_backend(options, planner->ledger_, true));
    planner->model_ = TRY(load_model(checkpoint, *planner->backend_));
    planner->weight_bytes_ = planner->ledger_.bytes(MemoryUse::weights);
    return planner;
}

Result<bool> Planner::fits(int64_t bytes) {
    int64_t context = options_.context_tokens > 0 ? options_.context_tokens : kSmallestContext;
    if (!info().is_causal) context = std::min(context, info().context_tokens);
    return least_bytes(context) <= double(bytes) && TRY(plan(context)).total() <= bytes;
}

Result<> Planner::dry_run(Backend& backend, Cache& cache, std::span<const int64_t> tokens_per_sequence) {
    TRY(dry_run(backend, cache, tokens_per_sequence, info().generates ? RowKind::logits : RowKind::hidden));
    if (info().scores > 0) TRY(dry_run(backend, cache, tokens_per_sequence, RowKind::scores));
    return {};
}

Result<> Planner::dry_run(Backend& backend, Cache& cache, std::span<const int64_t> tokens_per_sequence, RowKind kind) {
    std::vector<ForwardPart> parts;
    std::vector<std::vector<int32_t>> tokens;
    tokens.reserve(tokens_per_sequence.size());
    for (const int64_t count : tokens_per_sequence) {
        const SequenceId id = TRY(cache.open());
        // As deep in the context as this many tokens can start.
        const int64_t past = info().is_causal ? cache.options().context_tokens - count : 0;
        TRY(cache.skip(id, past));
        tokens.emplace_back(size_t(count), 0);
        parts.push_back({id, tokens.back(), count, kind});
    }
    Forward forward(*model_, cache, backend);
    TRY(forward.run(parts, [](int64_t, int64_t, std::span<const float>) {}));
    for (const ForwardPart& part : parts) cache.close(part.sequence);
    return {};
}

CacheOptions Planner::cache_options(int64_t context_tokens) const {
    const CacheOptions options{
        .kv_type = options_.kv_type,
        .context_tokens = context_tokens,
        // A text that is read both ways must fit into one pass.
        .step_tokens = info().is_causal ? std::min(options_.step_tokens, context_tokens) : context_tokens,
        .sequences = options_.sequences,
        .snapshots = options_.snapshots,
        .one_step = !info().is_causal};
    if (options.one_step) return options;  // nothing of it can be continued
    return with_kept_bytes(*backend_, model_->needs(), options, options_.cache_bytes);
}

double Planner::least_bytes(int64_t context_tokens) const {
    return double(weight_bytes_ + tokenizer_bytes_) +
           Cache::kv_bytes(*backend_, model_->needs(), cache_options(context_tokens));
}

Result<MemoryPlan> Planner::plan(int64_t context_tokens) {
    // A fresh device per plan, since the scratch peak of one only grows. The planned weights hold nothing, so it can
    // use them.
    MemoryLedger ledger;
    const auto backend = TRY(make_backend(options_, ledger, true));
    for (const LayerNeeds& needs : model_->needs())
        if (needs.kv) TRY(check_kv(*needs.kv, options_.kv_type));
    auto cache = TRY(Cache::make(*backend, model_->needs(), cache_options(context_tokens)));
    // Scratch depends on how many tokens a pass holds and how deep they are: every shape of pass the scheduler may
    // build is bounded by one of these.
    const int64_t most = cache->options().step_tokens;
    for (int64_t tokens = 1;; tokens = std::min(tokens * 2, most)) {
        const int64_t one[] = {tokens};
        TRY(dry_run(*backend, *cache, one));
        if (tokens == most) break;
    }
    if (options_.sequences > 1) {
        std::vector<int64_t> decoding(size_t(options_.sequences), 1);
        TRY(dry_run(*backend, *cache, decoding));
        decoding.back() = std::max<int64_t>(1, most - (options_.sequences - 1));
        TRY(dry_run(*backend, *cache, decoding));
        const std::vector<int64_t> prompts(size_t(options_.sequences), std::max<int64_t>(1, most / options_.sequences));
        TRY(dry_run(*backend, *cache, prompts));
    }
    return MemoryPlan{.weights = weight_bytes_,
                      .kv = ledger.bytes(MemoryUse::kv),
                      .state = ledger.bytes(MemoryUse::state),
                      .scratch = backend->scratch_peak_bytes(),
                      .tokenizer = tokenizer_bytes_,
                      .mapped = mapped_bytes(),
                      .context_tokens = context_tokens};
}

Result<int64_t> Planner::largest_context(int64_t bytes) {
    constexpr int64_t kStep = 256;
    int64_t fits = 0, too_much = info().context_tokens / kStep + 2;
    while (too_much - fits > 1) {
        const int64_t middle = fits + (too_much - fits) / 2;
        const int64_t context = std::min(middle * kStep, info().context_tokens);
        bool is_enough = least_bytes(context) <= double(bytes);
        if (is_enough) is_enough = TRY(plan(context)).total() <= bytes;
        (is_enough ? fits : too_much) = middle;
    }
    return std::min(fits * kStep, info().context_tokens);
}

}  // namespace hearth
