#include "engine/forward.h"

#include <algorithm>

namespace hearth {

// Rows per call of the output matrix: bounds the scratch memory for logits, and is enough to share one pass over the
// weights.
constexpr size_t kHeadRows = 32;

namespace {

int64_t layers_that_keep(const Model& model) {
    const auto needs = model.needs();
    int64_t layers = int64_t(needs.size());
    while (layers > 0 && !needs[size_t(layers - 1)].kv && needs[size_t(layers - 1)].state_floats.empty()) --layers;
    return layers;
}

// The wanted rows alone, which are the last of their sequences: what stands before them has become past.
Step only_wanted(const Step& all) {
    Step step;
    step.sequences = all.sequences;
    step.embeddings = all.embeddings;
    for (SequenceStep& sequence : step.sequences) {
        sequence.past += sequence.tokens;
        sequence.first_token = sequence.tokens = 0;
    }
    for (const int32_t wanted : all.wanted_rows) {
        const auto row = size_t(wanted);
        SequenceStep& sequence = step.sequences[size_t(all.sequence[row])];
        if (sequence.tokens++ == 0) sequence.first_token = step.tokens();
        --sequence.past;
        step.wanted_rows.push_back(int32_t(step.tokens()));
        step.sequence.push_back(all.sequence[row]);
        step.kv_index.push_back(all.kv_index[row]);
        step.positions.push_back(all.positions[row]);
        step.source.push_back(all.source[row]);
        step.span_end.push_back(all.span_end[row]);
    }
    return step;
}

}  // namespace

Forward::Forward(const Model& model, Cache& cache, Backend& backend, Ops* ops)
    : model_(model),
      cache_(cache),
      backend_(backend),
      ops_(ops ? *ops : backend.ops()),
      layers_that_keep_(layers_that_keep(model)) {}

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
    Step step = TRY(make_step(parts));
    Scratch scratch = ops_.scratch();
    Tensor x = model_.embed(ops_, step);
    Tensor side_input = model_.side_input(ops_, x, step);
    for (int64_t layer = 0; layer < model_.info().layers; ++layer) {
        if (stop && stop->load(std::memory_order_relaxed)) return false;
        // A plan always makes the copies, so that it covers any number of wanted rows.
        if (layer == layers_that_keep_ &&
            (backend_.is_planning() || int64_t(step.wanted_rows.size()) < step.tokens())) {
            if (step.wanted_rows.empty()) break;
            x = ops_.select_rows(x, step.wanted_rows);
            if (side_input) side_input = ops_.select_rows(side_input, step.wanted_rows);
            step = only_wanted(step);
            step.serial = ++serial_;
        }
        LayerState state = cache_.layer(layer);
        state.side_input = side_input;
        model_.layer(layer, ops_, x, state, step);
    }
    TRY(hand_out_rows(x, step, parts, sink));
    for (const ForwardPart& part : parts) cache_.commit(part.sequence, int64_t(part.tokens.size()));
    return true;
}

Result<Tensor> Forward::rows(Tensor x, RowKind kind) {
    const Tensor rows = kind == RowKind::logits   ? model_.head(ops_, x)
                        : kind == RowKind::hidden ? model_.hidden(ops_, x)
                                                  : model_.classify(ops_, x);
    if (rows) return rows;
    constexpr const char* kNames[] = {"logits", "embeddings", "scores"};
    return fail(ErrorKind::unsupported, fmt::format("models of the family {} give no {} in this build",
                                                    model_.info().architecture, kNames[size_t(kind)]));
}

Result<> Forward::hand_out_rows(Tensor x, const Step& step, std::span<const ForwardPart> parts, const RowSink& sink) {
    const std::span<const int32_t> wanted = step.wanted_rows;
    const auto kind_of = [&](int32_t row) { return parts[size_t(step.sequence[size_t(row)])].kind; };
    for (size_t begin = 0, end; begin < wanted.size(); begin = end) {
        const RowKind kind = kind_of(wanted[begin]);
        for (end = begin + 1; end < std::min(begin + kHeadRows, wanted.size()) && kind_of(wanted[end]) == kind;) ++end;
        Scratch scratch = ops_.scratch();
        const auto chosen = wanted.subspan(begin, end - begin);
        const Tensor values = TRY(rows(ops_.select_rows(x, chosen), kind));
        if (backend_.is_planning()) continue;
        const size_t width = size_t(values.columns());
        row_values_.resize(size_t(values.count()));
        backend_.read(values, row_values_.data());
        for (size_t i = 0; i < chosen.size(); ++i) {
            const int64_t part = step.sequence[size_t(chosen[i])];
            const SequenceStep& sequence = step.sequences[size_t(part)];
            const int64_t left_out = int64_t(parts[size_t(part)].tokens.size()) - sequence.tokens;
            const int64_t token = left_out + chosen[i] - sequence.first_token;
            sink(part, token, std::span(row_values_).subspan(i * width, width));
        }
    }
    return {};
}

}  // namespace hearth
