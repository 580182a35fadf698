// Attention against a loop over whole matrices that knows nothing of pages, tiles or steps.
#include "backends/kv_page.h"
#include "backends/reference/fixture.h"

namespace hearth::test {
namespace {

// What a cache of this type gives back, by the compiler's own half floats.
std::vector<double> stored(KvType type, const float* values, int64_t width) {
    std::vector<double> result;
    for (int64_t w = 0; w < width; ++w) {
        if (type == KvType::f32) result.push_back(double(values[w]));
        if (type == KvType::f16) result.push_back(double(float(_Float16(values[w]))));
        if (type != KvType::q8_0 && type != KvType::q4_0) continue;
        const float* block = values + w / 32 * 32;
        float extreme = 0;
        for (int i = 0; i < 32; ++i)
            if (std::fabs(block[i]) > std::fabs(extreme)) extreme = block[i];
        const float scale =
            type == KvType::q8_0 ? float(_Float16(std::fabs(extreme) / 127)) : float(_Float16(extreme / -8));
        const double low = type == KvType::q8_0 ? -127 : -8, high = type == KvType::q8_0 ? 127 : 7;
        result.push_back(std::clamp(double(std::rint(values[w] / scale)), low, high) * double(scale));
    }
    return result;
}

bool sees(const AttentionCase& op, int64_t query, int64_t key) {
    const bool same_span = query >= op.span_begin && query < op.span_end && key < op.span_end;
    if (op.causal && key > query && !same_span) return false;
    if (op.window > 0 && op.symmetric && std::abs(query - key) > op.window) return false;
    if (op.window > 0 && !op.symmetric && query - key >= op.window) return false;
    return op.chunk == 0 || query / op.chunk == key / op.chunk;
}

std::vector<double> oracle(const AttentionCase& op) {
    const auto q = op.q().values, k = op.k().values, v = op.v().values, sinks = op.sink_logits();
    std::vector<double> result;
    int64_t start = 0;
    for (const int64_t total : op.totals) {
        for (int64_t query = 0; query < total; ++query)
            for (int64_t head = 0; head < op.heads; ++head) {
                const int64_t kv_head = head * op.kv_heads / op.heads;
                std::vector<double> sum(size_t(op.value_width), 0);
                double weight = op.sinks ? std::exp(double(sinks[size_t(head)])) : 0;  // scores are small: no overflow
                for (int64_t key = 0; key < total; ++key) {
                    if (!sees(op, query, key)) continue;
                    const auto ks =
                        stored(op.kv, &k[size_t(((start + key) * op.kv_heads + kv_head) * op.key_width)], op.key_width);
                    double score = 0;
                    for (int64_t i = 0; i < op.key_width; ++i)
                        score +=
                            double(q[size_t(((start + query) * op.heads + head) * op.key_width + i)]) * ks[size_t(i)];
                    score /= std::sqrt(double(op.key_width));
                    if (op.softcap > 0) score = double(op.softcap) * std::tanh(score / double(op.softcap));
                    const auto vs = stored(op.kv, &v[size_t(((start + key) * op.kv_heads + kv_head) * op.value_width)],
                                           op.value_width);
                    for (int64_t i = 0; i < op.value_width; ++i) sum[size_t(i)] += std::exp(score) * vs[size_t(i)];
                    weight += std::exp(score);
                }
                for (const double value : sum) result.push_back(value / weight);
            }
        start += total;
    }
    return result;
}

// Everything is summed in double; the scale is a float (one rounding, grown by scores of up to about 10 in the
// exponent) and the result rounds once.
constexpr double kBound = 12 * kEpsilon;

TEST(Attention, EveryRuleAgainstWholeMatrices) {
    for (const AttentionCase& op : attention_cases()) {
        if (op.all_tokens() > 400 && op.kv == KvType::f32) continue;  // the long one belongs to the splits
        Reference reference;
        AttentionCase small = op;
        if (op.all_tokens() > 400) small.totals = {70, 3, 66};
        EXPECT_LE(relative_rms(small.run(*reference), oracle(small)), kBound)
            << "heads " << op.heads << " window " << op.window << " chunk " << op.chunk << " kv " << name_of(op.kv);
    }
}

TEST(Attention, ALaterStepSeesThePast) {
    const AttentionCase op{.heads = 4, .kv_heads = 2, .key_width = 32, .value_width = 32, .totals = {70, 3, 90}};
    Reference reference;
    EXPECT_LE(relative_rms(op.run(*reference, {{65, 0, 10}, {0, 2, 80}, {5, 1, 0}}), oracle(op)), kBound);
}

// Pages that fell out of a window are gone: -1 in the table, never read.
TEST(Attention, FreedPagesAreNotTouched) {
    Reference reference;
    const KvGeometry geometry{.kv_heads = 1, .key_width = 8, .value_width = 8, .window = 10};
    const int64_t bytes = (*reference).kv_page_bytes(geometry, KvType::f32);
    auto memory = (*reference).allocate(bytes, MemoryUse::kv);
    const KvLayer layer{.geometry = geometry, .type = KvType::f32, .base = (*memory)->address, .page_stride = bytes};
    const int32_t table[] = {-1, -1, 0};
    Step step;
    for (int64_t i = 128; i < 140; ++i) {
        step.sequence.push_back(0);
        step.kv_index.push_back(i);
        step.source.push_back(0);
        step.span_end.push_back(0);
    }
    step.sequences = {{.tokens = 12, .past = 128, .pages = {table}}};
    // Only the last two tokens' windows lie wholly in the page that is left.
    const Tensor k = load_tensor(*reference, random_floats(96, 1), 12),
                 v = load_tensor(*reference, random_floats(96, 2), 12);
    Ops& ops = (*reference).ops();
    Step last = step;
    last.sequence = {0};
    last.kv_index = {139};
    last.source = {0};
    last.span_end = {0};
    last.sequences[0] = {.tokens = 1, .past = 139, .pages = {table}};
    for (int64_t i = 0; i < 11; ++i) {
        put_key(layer, layer.base, 0, i, k.data + i * 8);
        put_value(layer, layer.base, 0, i, v.data + i * 8);
    }
    const auto y = read(*reference, ops.attention(k.row_range(11, 1), k.row_range(11, 1), v.row_range(11, 1),
                                                  {.scale = 0, .window = 10}, layer, last));
    for (size_t i = 0; i < 8; ++i) {  // scale 0: the plain mean of the last ten values
        double mean = 0;
        for (size_t token = 2; token < 12; ++token) mean += double(v.data[token * 8 + i]) / 10;
        EXPECT_NEAR(double(y[i]), mean, 4 * kEpsilon);
    }
}

TEST(Attention, EmptyKeysReadWhatAnotherLayerAppended) {
    Reference reference;
    const AttentionCase op{.heads = 2, .kv_heads = 2, .key_width = 32, .value_width = 32, .totals = {9}};
    Driver driver(*reference, op.totals);
    const KvLayer layer = driver.kv_layer(op.geometry(), op.kv);
    std::vector<float> first, second;
    driver.run(whole(op.totals), {op.q(), op.k(), op.v()}, [&](const Step& step, const std::vector<Tensor>& in) {
        Ops& ops = (*reference).ops();
        const Tensor q = in[0].heads(2);
        first = read(*reference, ops.attention(q, in[1].heads(2), in[2].heads(2), {}, layer, step));
        const Tensor y = ops.attention(q, {}, {}, {}, layer, step);
        second = read(*reference, y);
        return y;
    });
    EXPECT_TRUE(same_bits(first, second));
}

TEST(KvPage, EveryTypeGivesBackWhatItStores) {
    for (const KvType type : {KvType::f32, KvType::f16, KvType::q8_0, KvType::q4_0}) {
        const KvGeometry geometry{.kv_heads = 2, .key_width = 64, .value_width = 96};
        std::vector<std::byte> page(size_t(page_bytes(geometry, type)), std::byte{0xAB});
        const KvLayer layer{.geometry = geometry, .type = type, .base = page.data()};
        EXPECT_EQ(value_tile(geometry, type, 1) % 64, 0);
        std::vector<std::vector<float>> keys, values;
        for (int64_t i = 0; i < 128; ++i) {
            keys.push_back(random_floats(64, uint64_t(i), i == 5 ? 1e-9f : i == 6 ? 3e4f : 1));
            values.push_back(random_floats(96, uint64_t(1000 + i)));
            put_key(layer, page.data(), i / 64, i % 64, keys.back().data());
            put_value(layer, page.data(), i / 64, i % 64, values.back().data());
        }
        for (int64_t i = 0; i < 128; ++i) {
            std::vector<float> key(64), value(96);
            get_key(layer, page.data(), i / 64, i % 64, key.data());
            get_value(layer, page.data(), i / 64, i % 64, value.data());
            const auto k = stored(type, keys[size_t(i)].data(), 64), v = stored(type, values[size_t(i)].data(), 96);
            for (size_t w = 0; w < 64; ++w) {
                if (i == 5 && (type == KvType::q8_0 || type == KvType::q4_0))
                    EXPECT_LE(std::fabs(key[w]), 1e-7f);  // the scale vanishes in f16, so does the row
                else
                    EXPECT_EQ(key[w], float(k[w])) << name_of(type) << " token " << i << " width " << w;
            }
            for (size_t w = 0; w < 96; ++w) EXPECT_EQ(value[w], float(v[w])) << name_of(type);
        }
    }
}

TEST(KvPage, WhatIsNotFiniteDoesNoHarm) {
    const KvGeometry geometry{.kv_heads = 1, .key_width = 32, .value_width = 32};
    for (const KvType type : {KvType::q8_0, KvType::q4_0}) {
        std::vector<std::byte> page(size_t(page_bytes(geometry, type)));
        const KvLayer layer{.geometry = geometry, .type = type, .base = page.data()};
        std::vector<float> key(32, 1), back(32);
        key[3] = NAN, key[4] = INFINITY, key[5] = -INFINITY, key[6] = 3e38f;
        put_key(layer, page.data(), 0, 0, key.data());
        get_key(layer, page.data(), 0, 0, back.data());
        for (const float value : back) EXPECT_TRUE(std::isfinite(value));
        EXPECT_GT(back[4], 6e4f);
    }
}

TEST(KvPage, WidthsWithoutWholeBlocksAreRefused) {
    EXPECT_TRUE(check_kv({.kv_heads = 1, .key_width = 80, .value_width = 80}, KvType::f16));
    const auto refused = check_kv({.kv_heads = 1, .key_width = 64, .value_width = 80}, KvType::q8_0);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().line(),
              "a q8_0 KV cache needs head widths that are multiples of 32, this model has 80; use --kv f16");
}

}  // namespace
}  // namespace hearth::test
