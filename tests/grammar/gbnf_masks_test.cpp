// GBNF against the recorded masks of the reference: three vocabularies, every position of every text.
#include <gtest/gtest.h>

#include "base/json.h"
#include "support/shared_data.h"
#include "vocabularies.h"

namespace hearth {
namespace {

using namespace grammar;

Json read_json(const std::string& path) {
    auto parsed = Json::parse(test::read_text(path));
    EXPECT_TRUE(parsed) << path;
    return parsed ? *parsed : Json();
}

std::string hash_of(const std::vector<int32_t>& ids) {
    uint64_t hash = 1469598103934665603u;  // of the recording, a digit shorter than the usual constant
    for (const int32_t id : ids)
        for (int byte = 0; byte < 4; ++byte) hash = (hash ^ (uint32_t(id) >> (8 * byte) & 255)) * 1099511628211u;
    return fmt::format("{:016x}", hash);
}

class RecordedMasks : public testing::TestWithParam<std::string> {};

TEST_P(RecordedMasks, AreTheSameEverywhere) {
    NEED_SHARED("reference/grammar/grammars.json");
    const auto vocabulary = test::recorded_vocabulary(GetParam());
    ASSERT_TRUE(vocabulary);
    const Json grammars = read_json(test::shared_path("reference/grammar/grammars.json"));
    std::map<std::string, std::shared_ptr<Constraint>> constraints;
    for (const auto& [name, record] : grammars.members()) {
        const auto made = Grammar::from_gbnf(record.find("grammar")->as_string());
        ASSERT_TRUE(made) << name << ": " << made.error().line();
        constraints[name] = *Constraint::make(*made, vocabulary);
    }
    int masks = 0, wrong = 0;
    for (const std::string& line :
         test::read_lines(test::shared_path("reference/grammar/" + GetParam() + ".masks.jsonl"))) {
        const auto record = Json::parse(line);
        ASSERT_TRUE(record);
        const std::string& name = record->find("name")->as_string();
        Matcher matcher(constraints.at(name));
        const auto& hashes = record->find("hash")->items();
        const auto& ids = record->find("ids")->items();
        for (size_t i = 0; i < hashes.size(); ++i) {
            const TokenBits bits = test::mask_of(matcher);
            std::vector<int32_t> allowed = test::ids_of(bits);
            const size_t all = allowed.size();
            std::erase_if(allowed, [&](int32_t id) { return vocabulary->use(id) == TokenUse::end; });
            const bool same = hash_of(allowed) == hashes[i].as_string() &&
                              (allowed.size() < all) == (record->find("end")->items()[i].as_int() == 1) &&
                              int64_t(allowed.size()) == record->find("allowed")->items()[i].as_int();
            wrong += !same;
            EXPECT_TRUE(same || wrong > 20)
                << name << " at token " << i << " of \"" << record->find("text")->as_string()
                << "\": " << allowed.size() << " allowed, recorded " << record->find("allowed")->items()[i].as_int();
            ++masks;
            if (i < ids.size()) {
                const bool is_rejected = int64_t(i) == record->find("rejected_at")->as_int();
                EXPECT_EQ(matcher.accept(int32_t(ids[i].as_int())).has_value(), !is_rejected) << name << " at " << i;
            }
        }
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_GT(masks, 200);
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, RecordedMasks, testing::Values("gpt-2", "llama-bpe", "gemma4-like"),
                         [](const auto& info) {
                             std::string name = info.param;
                             std::ranges::replace(name, '-', '_');
                             return name;
                         });

}  // namespace
}  // namespace hearth
