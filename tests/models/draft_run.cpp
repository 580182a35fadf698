#include "models/draft_run.h"

#include "engine/loaded_model.h"

namespace hearth::test {

DraftRun::DraftRun(const std::string& path, const RunOptions& options) {
    const auto made = make(path, options);
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().line());
    is_ready_ = made.has_value();
}

DraftedRows DraftRun::trunk(std::span<const int32_t> tokens) {
    const int32_t sequence = *cache_->open();
    DraftedRows rows = walk(*model_, model_->info().layers, *cache_, sequence, tokens,
                            [&](Ops& ops, const Step& step) { return model_->embed(ops, step); });
    cache_->close(sequence);
    return rows;
}

DraftedRows DraftRun::draft(SequenceId sequence, std::span<const int32_t> tokens, std::span<const float> before) {
    return walk(*drafter_, int64_t(drafter_->needs().size()), *draft_cache_, sequence, tokens,
                [&](Ops& ops, const Step& step) {
                    const Tensor rows = *backend_->upload(before, int64_t(tokens.size()), hidden_size());
                    return drafter_->embed(ops, rows, step);
                });
}

Result<> DraftRun::make(const std::string& path, const RunOptions& options) {
    const EngineOptions engine{.device = options.device, .isa = options.isa, .threads = options.threads};
    checkpoint_ = TRY(open_checkpoint(path));
    backend_ = TRY(make_backend(engine, ledger_, false));
    model_ = TRY(load_model(checkpoint_, *backend_));
    drafter_ = TRY(load_drafter(checkpoint_, *backend_, *model_));
    TRY(backend_->reserve_scratch(int64_t{64} << 20));
    const CacheOptions cache{.kv_type = options.kv, .context_tokens = 512, .sequences = 3};
    cache_ = TRY(Cache::make(*backend_, model_->needs(), cache));
    draft_cache_ = TRY(Cache::make(*backend_, drafter_->needs(), cache));
    return {};
}

template <class Walked, class Embed>
DraftedRows DraftRun::walk(const Walked& walked, int64_t layers, Cache& cache, SequenceId id,
                           std::span<const int32_t> tokens, Embed embed) {
    Step step;
    step.serial = ++serial_;
    SequenceStep sequence;
    EXPECT_TRUE(cache.prepare(id, int64_t(tokens.size()), sequence));
    for (size_t i = 0; i < tokens.size(); ++i) {
        const int64_t place = sequence.past + int64_t(i);
        step.sequence.push_back(0);
        step.kv_index.push_back(place);
        step.positions.push_back({place, place, place, 0});
        step.source.push_back(tokens[i]);
        step.span_end.push_back(0);
    }
    step.sequences.push_back(std::move(sequence));
    Ops& ops = backend_->ops();
    const Scratch scratch = ops.scratch();
    Tensor x = embed(ops, step);
    for (int64_t layer = 0; layer < layers; ++layer) walked.layer(layer, ops, x, cache.layer(layer), step);
    cache.commit(id, int64_t(tokens.size()));
    return {read(walked.hidden(ops, x)), read(walked.head(ops, x))};
}

std::vector<float> DraftRun::read(Tensor rows) {
    std::vector<float> values(size_t(rows.count()));
    backend_->read(rows, values.data());
    return values;
}

std::vector<float> one_later(std::span<const float> rows, int64_t width) {
    std::vector<float> later(size_t(width), 0.0f);
    later.insert(later.end(), rows.begin(), rows.end() - width);
    return later;
}

}  // namespace hearth::test
