#include "tensor/dtype.h"

#include <algorithm>
#include <array>

namespace hearth {

namespace {
constexpr auto kTypes = std::to_array<DTypeInfo>({
    {DType::f32, "f32", 1, 4, true},
    {DType::f16, "f16", 1, 2, true},
    {DType::q4_0, "q4_0", 32, 18, true},
    {DType::q4_1, "q4_1", 32, 20, true},
    {DType::q5_0, "q5_0", 32, 22, true},
    {DType::q5_1, "q5_1", 32, 24, true},
    {DType::q8_0, "q8_0", 32, 34, true},
    {DType::q8_1, "q8_1", 32, 36, false},
    {DType::q2_k, "q2_k", 256, 84, true},
    {DType::q3_k, "q3_k", 256, 110, true},
    {DType::q4_k, "q4_k", 256, 144, true},
    {DType::q5_k, "q5_k", 256, 176, true},
    {DType::q6_k, "q6_k", 256, 210, true},
    {DType::q8_k, "q8_k", 256, 292, false},
    {DType::iq2_xxs, "iq2_xxs", 256, 66, true},
    {DType::iq2_xs, "iq2_xs", 256, 74, true},
    {DType::iq3_xxs, "iq3_xxs", 256, 98, true},
    {DType::iq1_s, "iq1_s", 256, 50, true},
    {DType::iq4_nl, "iq4_nl", 32, 18, true},
    {DType::iq3_s, "iq3_s", 256, 110, true},
    {DType::iq2_s, "iq2_s", 256, 82, true},
    {DType::iq4_xs, "iq4_xs", 256, 136, true},
    {DType::i8, "i8", 1, 1, false},
    {DType::i16, "i16", 1, 2, false},
    {DType::i32, "i32", 1, 4, false},
    {DType::i64, "i64", 1, 8, false},
    {DType::f64, "f64", 1, 8, false},
    {DType::iq1_m, "iq1_m", 256, 56, true},
    {DType::bf16, "bf16", 1, 2, true},
    {DType::tq1_0, "tq1_0", 256, 54, true},
    {DType::tq2_0, "tq2_0", 256, 66, true},
    {DType::mxfp4, "mxfp4", 32, 17, true},
    {DType::nvfp4, "nvfp4", 64, 36, true},
    {DType::q1_0, "q1_0", 128, 18, true},
    {DType::q2_0, "q2_0", 64, 18, true},
});
}  // namespace

std::span<const DTypeInfo> dtypes() {
    return kTypes;
}

const DTypeInfo* find_dtype(uint32_t gguf_id) {
    const auto found = std::ranges::find(kTypes, DType(gguf_id), &DTypeInfo::type);
    return found == kTypes.end() ? nullptr : &*found;
}

const DTypeInfo* find_dtype(std::string_view name) {
    const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; };
    for (const DTypeInfo& type : kTypes)
        if (std::ranges::equal(name, type.name, same)) return &type;
    return nullptr;
}

const DTypeInfo& info(DType type) {
    static const auto by_id = [] {
        std::array<const DTypeInfo*, 64> table{};
        for (const DTypeInfo& entry : kTypes) table[size_t(entry.type)] = &entry;
        return table;
    }();
    return *by_id[size_t(type)];
}

bool is_retired_dtype(uint32_t id) {
    return id == 4 || id == 5 || (id >= 31 && id <= 33) || (id >= 36 && id <= 38);
}

}  // namespace hearth
