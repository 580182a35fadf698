// JSON-Schema-Test-Suite as a test of what is written: a schema is refused, or every valid instance can be written and
// no invalid one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>

#include "base/json.h"
#include "grammar/schema_check.h"
#include "support/shared_data.h"
#include "vocabularies.h"

namespace hearth {
namespace {

using namespace grammar;
namespace fs = std::filesystem;

// 1.0 as 1: whole numbers are written without a point.
Json canonical(const Json& value) {
    if (value.is_number()) {
        const std::string& text = value.number_text();
        const double number = value.as_double();
        if (text == "-0" ||
            (text.find_first_of(".eE") != text.npos && number == std::floor(number) && std::abs(number) < 1e18))
            return Json(int64_t(number));
        return value;
    }
    if (value.is_array()) {
        Json::Array items;
        for (const Json& item : value.items()) items.push_back(canonical(item));
        return Json(std::move(items));
    }
    if (value.is_object()) {
        Json::Object members;
        for (const auto& [key, inner] : value.members()) members.emplace_back(key, canonical(inner));
        return Json(std::move(members));
    }
    return value;
}

// The value with the keys of all its objects in every order, up to a limit: which one is written is the schema's
// affair.
std::vector<Json> all_orders(const Json& value) {
    constexpr size_t kMost = 200;
    std::vector<Json> found;
    if (value.is_array()) {
        std::vector<Json::Array> lists{{}};
        for (const Json& item : value.items()) {
            std::vector<Json::Array> longer;
            for (const Json& way : all_orders(item))
                for (const auto& list : lists) {
                    if (longer.size() >= kMost) break;
                    longer.push_back(list);
                    longer.back().push_back(way);
                }
            lists = std::move(longer);
        }
        for (auto& list : lists) found.emplace_back(std::move(list));
    } else if (value.is_object()) {
        std::vector<size_t> order(value.members().size());
        for (size_t i = 0; i < order.size(); ++i) order[i] = i;
        do {
            std::vector<Json::Object> objects{{}};
            for (const size_t i : order) {
                std::vector<Json::Object> longer;
                for (const Json& way : all_orders(value.members()[i].second))
                    for (const auto& object : objects) {
                        if (longer.size() >= kMost) break;
                        longer.push_back(object);
                        longer.back().emplace_back(value.members()[i].first, way);
                    }
                objects = std::move(longer);
            }
            for (auto& object : objects) found.emplace_back(std::move(object));
        } while (found.size() < kMost && std::next_permutation(order.begin(), order.end()));
    } else {
        found.push_back(value);
    }
    return found;
}

bool can_be_written(const std::shared_ptr<const Grammar>& made, const Json& instance) {
    for (const Json& way : all_orders(canonical(instance)))
        if (test::accepts(made, way.dump())) return true;
    return false;
}

struct Tally {
    int groups = 0, accepted = 0, valid = 0, invalid = 0, wrong = 0;
    std::map<std::string, int> refused;
};

void run_file(const fs::path& file, Tally& tally) {
    const auto groups = Json::parse(test::read_text(file));
    ASSERT_TRUE(groups) << file;
    for (const Json& group : groups->items()) {
        ++tally.groups;
        const Json& schema = *group.find("schema");
        const std::string name = file.stem().string() + ": " + group.find("description")->as_string();
        const auto open = Grammar::from_json_schema(schema, {.open_objects = true});
        if (!open) {
            EXPECT_NE(open.error().what.find('#'), std::string::npos) << name << ": " << open.error().line();
            ++tally.refused[file.stem()];
            if (getenv("HEARTH_SHOW")) std::cout << name << ": " << open.error().line() << "\n";
            continue;
        }
        ++tally.accepted;
        const auto closed = Grammar::from_json_schema(schema, {});
        for (const Json& test : group.find("tests")->items()) {
            const bool is_valid = test.find("valid")->as_bool();
            const Json& instance = *test.find("data");
            const bool is_written = can_be_written(*open, instance);
            ++(is_valid ? tally.valid : tally.invalid);
            tally.wrong += is_written != is_valid;
            EXPECT_EQ(is_written, is_valid) << name << ", " << test.find("description")->as_string() << ": "
                                            << schema.dump() << " on " << instance.dump();
            if (closed && !is_valid) {
                EXPECT_FALSE(can_be_written(*closed, instance)) << name << ", closed: " << instance.dump();
            }
        }
    }
}

TEST(SchemaSuite, NoVerdictIsWrong) {
    NEED_SHARED("reference/json/json-schema-draft2020-12/type.json");
    Tally tally;
    for (const auto& file : fs::directory_iterator(test::shared_path("reference/json/json-schema-draft2020-12"))) {
        // Formats are enforced here; that file wants them to be mere notes.
        if (file.path().extension() == ".json" && file.path().stem() != "format") run_file(file, tally);
    }
    std::cout << tally.accepted << " of " << tally.groups << " schemas accepted, " << tally.valid << " valid and "
              << tally.invalid << " invalid instances, " << tally.wrong << " wrong verdicts\n";
    for (const auto& [file, count] : tally.refused) std::cout << "  refused in " << file << ": " << count << "\n";
    EXPECT_EQ(tally.wrong, 0);
    EXPECT_GE(tally.accepted, 215);
}

// The same suite for values that are there already: a schema is refused, or every verdict is right.
TEST(SchemaSuite, ValuesAreCheckedAsItSays) {
    NEED_SHARED("reference/json/json-schema-draft2020-12/type.json");
    int verdicts = 0, refused = 0;
    for (const auto& file : fs::directory_iterator(test::shared_path("reference/json/json-schema-draft2020-12"))) {
        if (file.path().extension() != ".json") continue;
        const auto groups = Json::parse(test::read_text(file.path()));
        ASSERT_TRUE(groups) << file;
        for (const Json& group : groups->items()) {
            const Json& schema = *group.find("schema");
            auto check = SchemaCheck::make(schema);
            for (const Json& test : group.find("tests")->items()) {
                const auto holds = check ? check->holds_for(*test.find("data")) : std::unexpected(check.error());
                if (!holds) {
                    EXPECT_NE(holds.error().what.find('#'), std::string::npos) << holds.error().line();
                    ++refused;
                    continue;
                }
                ++verdicts;
                EXPECT_EQ(*holds, test.find("valid")->as_bool())
                    << file.path().stem() << ": " << group.find("description")->as_string() << ", "
                    << test.find("description")->as_string() << ": " << schema.dump() << " on "
                    << test.find("data")->dump();
            }
        }
    }
    std::cout << verdicts << " verdicts, " << refused << " refused\n";
    EXPECT_GE(verdicts, 1000);
}

}  // namespace
}  // namespace hearth
