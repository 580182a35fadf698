// What /set changes in the middle of a dialogue: it comes before flags, files and what makers recommend.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/sampler.h"

namespace hearth::cli {

class Settings {
public:
    static std::vector<std::string> names();

    // A value of "default" takes the setting back. Nothing changes when it is refused.
    Result<> set(std::string_view name, std::string_view value);
    void apply(SamplerOptions& options) const;
    std::optional<int64_t> max_tokens() const { return integer("max_tokens"); }
    std::optional<int64_t> think_budget() const { return integer("think_budget"); }
    Json json() const;               // {"temperature": 0.2}
    void restore(const Json& json);  // what json() gave, as far as it is valid
    std::string line() const;        // "temperature 0.2, seed 7"; empty: nothing is set

private:
    std::optional<int64_t> integer(const char* name) const;
    std::map<std::string, double, std::less<>> values_;
};

}  // namespace hearth::cli
