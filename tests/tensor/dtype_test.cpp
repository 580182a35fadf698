// The type table against the recorded list, and its look-ups.
#include "tensor/dtype.h"

#include <set>

#include "base/json.h"
#include "support/shared_data.h"

namespace hearth {
namespace {

TEST(DTypes, AgreeWithTheRecordedList) {
    NEED_SHARED("reference/quants/manifest.json");
    const auto manifest = Json::parse(test::read_text(test::shared_path("reference/quants/manifest.json")));
    ASSERT_TRUE(manifest);
    size_t compared = 0;
    for (const auto& [name, entry] : manifest->find("types")->members()) {
        const DTypeInfo* type = find_dtype(name);
        ASSERT_NE(type, nullptr) << name;
        EXPECT_EQ(int64_t(type->type), entry.find("id")->as_int()) << name;
        EXPECT_EQ(type->block_elements, entry.find("block_elems")->as_int()) << name;
        EXPECT_EQ(type->block_bytes, entry.find("block_bytes")->as_int()) << name;
        EXPECT_TRUE(type->is_weight) << name;
        ++compared;
    }
    EXPECT_EQ(compared, 28u);
}

TEST(DTypes, EveryEntryIsFoundByIdAndName) {
    std::set<std::string_view> names;
    for (const DTypeInfo& type : dtypes()) {
        EXPECT_EQ(find_dtype(uint32_t(type.type)), &type) << type.name;
        EXPECT_EQ(find_dtype(type.name), &type);
        EXPECT_EQ(&info(type.type), &type);
        EXPECT_TRUE(names.insert(type.name).second) << type.name;
        EXPECT_EQ(row_bytes(type.type, 7 * type.block_elements), 7 * type.block_bytes) << type.name;
        EXPECT_FALSE(is_retired_dtype(uint32_t(type.type))) << type.name;
    }
    EXPECT_EQ(names.size(), 35u);
    EXPECT_EQ(find_dtype("Q4_K")->type, DType::q4_k);
    EXPECT_EQ(find_dtype("q4"), nullptr);
    EXPECT_EQ(find_dtype(""), nullptr);
}

TEST(DTypes, RetiredAndUnknownIdsAreNotTypes) {
    for (const uint32_t id : {4u, 5u, 31u, 32u, 33u, 36u, 37u, 38u}) {
        EXPECT_TRUE(is_retired_dtype(id)) << id;
        EXPECT_EQ(find_dtype(id), nullptr) << id;
    }
    for (const uint32_t id : {43u, 64u, 1000u, 0xFFFFFFFFu}) {
        EXPECT_FALSE(is_retired_dtype(id)) << id;
        EXPECT_EQ(find_dtype(id), nullptr) << id;
    }
}

}  // namespace
}  // namespace hearth
