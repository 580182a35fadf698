// config.json and its neighbours as a family's translation reads them: typed, bounded, every problem collected. Keys
// are looked for in the text model's part first (text_config), then in the whole; null counts as absent. "a.b" is key b
// of object a.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "files/problems.h"

namespace hearth::huggingface {

class Config {
public:
    Config() = default;
    Config(Json whole, std::string file);  // `file` is the name used in messages
    static Result<Config> read(const std::string& directory, const std::string& name);

    const Json* find(std::string_view key) const;
    bool has(std::string_view key) const { return find(key) != nullptr; }
    // A missing required key, or a value of the wrong kind or outside the bounds, is a problem and reads as `low`.
    int64_t integer(std::string_view key, int64_t low, int64_t high);
    int64_t integer_or(std::string_view key, int64_t otherwise, int64_t low, int64_t high);
    double number(std::string_view key);
    double number_or(std::string_view key, double otherwise);
    bool boolean_or(std::string_view key, bool otherwise);
    std::string text_or(std::string_view key, std::string otherwise);
    std::vector<int64_t> integers(std::string_view key);   // empty when absent
    std::vector<double> numbers(std::string_view key);     // empty when absent
    std::vector<std::string> texts(std::string_view key);  // empty when absent

    const Json& object() const { return whole_; }
    const std::string& file() const { return file_; }
    bool has_text_part() const { return text_ != nullptr; }
    void problem(std::string text) { problems_.push_back(std::move(text)); }
    const std::vector<std::string>& problems() const { return problems_; }

private:
    Json whole_;
    std::string file_;
    const char* text_ = nullptr;  // key of the text model's part
    std::vector<std::string> problems_;
};

}  // namespace hearth::huggingface
