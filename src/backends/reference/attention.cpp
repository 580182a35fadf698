// Attention over the paged cache. K and V are read only as the cache stores them, those of the current step too, so
// that a token sees the same bits whatever chunk it came in. Softmax in two passes, in double.
#include <cmath>

#include "backends/kv_page.h"
#include "backends/reference/reference_ops.h"
#include "backends/tensor_access.h"

namespace hearth {

namespace {
struct Range {
    int64_t begin, end;
};

// The keys a query sees: all rules leave one range of cache indices.
Range visible(const AttentionRule& rule, const SequenceStep& sequence, int64_t query, int64_t span_end) {
    Range keys{0, sequence.past + sequence.tokens};
    if (rule.causal) keys.end = std::min(keys.end, std::max(query + 1, span_end));
    if (rule.window > 0 && rule.symmetric_window) {
        keys.begin = std::max(keys.begin, query - rule.window);
        keys.end = std::min(keys.end, query + rule.window + 1);
    } else if (rule.window > 0) {
        keys.begin = std::max(keys.begin, query - rule.window + 1);
    }
    if (rule.chunk > 0) {
        keys.begin = std::max(keys.begin, query / rule.chunk * rule.chunk);
        keys.end = std::min(keys.end, (query / rule.chunk + 1) * rule.chunk);
    }
    return keys;
}

void append(Tensor k, Tensor v, const KvLayer& kv, const Step& step) {
    for (int64_t token = 0; token < k.rows; ++token) {
        const SequenceStep& sequence = step.sequences[size_t(step.sequence[size_t(token)])];
        const int64_t at = step.kv_index[size_t(token)];
        std::byte* page = page_of(kv, sequence.pages[size_t(kv.group)], at);
        for (int64_t head = 0; head < kv.geometry.kv_heads; ++head) {
            put_key(kv, page, head, at % kPageTokens, head_at(k, token, head));
            put_value(kv, page, head, at % kPageTokens, head_at(v, token, head));
        }
    }
}
}  // namespace

Tensor ReferenceOps::attention(Tensor q, Tensor k, Tensor v, const AttentionRule& rule, const KvLayer& kv,
                               const Step& step) {
    const KvGeometry& geometry = kv.geometry;
    assert(q.rows == step.tokens() && q.width == geometry.key_width && q.heads_count % geometry.kv_heads == 0);
    assert(!k || (k.rows == q.rows && k.heads_count == geometry.kv_heads && k.width == geometry.key_width));
    assert(!k || (v.rows == q.rows && v.heads_count == geometry.kv_heads && v.width == geometry.value_width));
    Tensor y = make(q.rows, q.heads_count, geometry.value_width);
    if (planning()) return y;
    if (k) append(k, v, kv, step);

    const int64_t sharing = q.heads_count / geometry.kv_heads;  // query heads per kv head
    std::vector<float> key(size_t(geometry.key_width)), value(size_t(geometry.value_width));
    std::vector<double> scores, sums;
    for (int64_t token = 0; token < q.rows; ++token) {
        const SequenceStep& sequence = step.sequences[size_t(step.sequence[size_t(token)])];
        const auto pages = sequence.pages[size_t(kv.group)];
        const int64_t span_end = step.span_end.empty() ? 0 : step.span_end[size_t(token)];
        const Range keys = visible(rule, sequence, step.kv_index[size_t(token)], span_end);
        for (int64_t kv_head = 0; kv_head < geometry.kv_heads; ++kv_head) {
            scores.assign(size_t((keys.end - keys.begin) * sharing), 0);
            for (int64_t j = keys.begin; j < keys.end; ++j) {
                get_key(kv, page_of(kv, pages, j), kv_head, j % kPageTokens, key.data());
                for (int64_t h = 0; h < sharing; ++h) {
                    double score =
                        dot(head_at(q, token, kv_head * sharing + h), key.data(), q.width) * double(rule.scale);
                    if (rule.softcap > 0) score = double(rule.softcap) * std::tanh(score / double(rule.softcap));
                    scores[size_t((j - keys.begin) * sharing + h)] = score;
                }
            }
            sums.assign(size_t(sharing * geometry.value_width), 0);
            std::vector<double> largest(size_t(sharing), -INFINITY), total(size_t(sharing), 0);
            for (int64_t h = 0; h < sharing; ++h) {
                if (rule.sinks) largest[size_t(h)] = double(value_at(rule.sinks, 0, kv_head * sharing + h));
                for (int64_t j = 0; j < keys.end - keys.begin; ++j)
                    largest[size_t(h)] = std::max(largest[size_t(h)], scores[size_t(j * sharing + h)]);
                if (rule.sinks)
                    total[size_t(h)] =
                        std::exp(double(value_at(rule.sinks, 0, kv_head * sharing + h)) - largest[size_t(h)]);
            }
            for (int64_t j = keys.begin; j < keys.end; ++j) {
                get_value(kv, page_of(kv, pages, j), kv_head, j % kPageTokens, value.data());
                for (int64_t h = 0; h < sharing; ++h) {
                    const double p = std::exp(scores[size_t((j - keys.begin) * sharing + h)] - largest[size_t(h)]);
                    total[size_t(h)] += p;
                    for (int64_t i = 0; i < geometry.value_width; ++i)
                        sums[size_t(h * geometry.value_width + i)] += p * double(value[size_t(i)]);
                }
            }
            for (int64_t h = 0; h < sharing; ++h)
                for (int64_t i = 0; i < geometry.value_width; ++i)
                    head_at(y, token, kv_head * sharing + h)[i] =
                        float(sums[size_t(h * geometry.value_width + i)] / total[size_t(h)]);
        }
    }
    return y;
}

}  // namespace hearth
