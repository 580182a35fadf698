#include "engine/forward.h"

#include <algorithm>

namespace hearth {

// Rows per call of the output matrix: bounds the scratch memory for logits, and is enough to share one pass over the
// weights.
constexpr int64_t kHeadRows = 32;

Result<Step> Forward::make_step(std::span<const ForwardPart> parts) {
    Step step;
    step.serial = ++serial_;
    for (const ForwardPart& part : parts) {
        SequenceStep sequence;
        TRY(cache_.prepare(part.sequence, int64_t(part.tokens.size()), sequence));
        sequence.first_token = step.tokens();
        const int32_t index = int32_t(step.sequences.size());
        for (size_t i = 0; i < part.tokens.size(); ++i) {
            const int64_t place = sequence.past + int64_t(i);
            step.sequence.push_back(index);
            step.kv_index.push_back(place);
            step.positions.push_back({place, place, place, 0});
            step.source.push_back(part.tokens[i]);
            step.span_end.push_back(0);
            if (int64_t(part.tokens.size() - i) <= part.wanted)
                step.wanted_rows.push_back(int32_t(sequence.first_token + int64_t(i)));
        }
        step.sequences.push_back(std::move(sequence));
    }
    return step;
}

Result<bool> Forward::run(std::span<const ForwardPart> parts, const RowSink& sink, const std::atomic<bool>* stop) {
    const Step step = TRY(make_step(parts));
    Scratch scratch = ops_.scratch();
    Tensor x = model_.embed(ops_, step);
    for (int64_t layer = 0; layer < model_.info().layers; ++layer) {
        if (stop && stop->load(std::memory_order_relaxed)) return false;
        model_.layer(layer, ops_, x, cache_.layer(layer), step);
    }
    hand_out_rows(x, step, sink);
    for (const ForwardPart& part : parts) cache_.commit(part.sequence, int64_t(part.tokens.size()));
    return true;
}

void Forward::hand_out_rows(Tensor hidden, const Step& step, const RowSink& sink) {
    const std::span<const int32_t> wanted = step.wanted_rows;
    for (size_t begin = 0; begin < wanted.size(); begin += kHeadRows) {
        Scratch scratch = ops_.scratch();
        const auto rows = wanted.subspan(begin, std::min<size_t>(kHeadRows, wanted.size() - begin));
        const Tensor logits = model_.head(ops_, ops_.select_rows(hidden, rows));
        if (backend_.is_planning()) continue;
        logits_.resize(size_t(logits.count()));
        backend_.read(logits, logits_.data());
        for (size_t i = 0; i < rows.size(); ++i) {
            const int64_t part = step.sequence[size_t(rows[i])];
            const int64_t token = rows[i] - step.sequences[size_t(part)].first_token;
            sink(part, token, std::span(logits_).subspan(i * size_t(logits.columns()), size_t(logits.columns())));
        }
    }
}

}  // namespace hearth
