// What a family's file fills in to turn a published checkpoint into GGUF terms: keys, and one table of names with the
// rearrangement each tensor needs.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "files/metadata.h"
#include "huggingface/config.h"
#include "huggingface/tensors.h"
#include "huggingface/values.h"

namespace hearth::huggingface {

using Arrange = std::function<ValuesPtr(ValuesPtr)>;

// One line of a family's table. {} stands for the layer's number, {e} for an expert's; experts are stacked before
// `arrange` sees them.
struct Name {
    std::string gguf, published;
    Arrange arrange = {};        // absent: as it is
    bool is_always_f32 = false;  // matrices that are kept in full precision (routers, convolutions)
};

struct MadeTensor {
    std::string name;
    DType type = DType::f32;
    ValuesPtr values;
};

class Translation {
public:
    Translation(Config config, Tensors tensors) : config(std::move(config)), tensors(std::move(tensors)) {}

    Config config;
    Tensors tensors;
    std::string architecture;  // the prefix of the keys
    Metadata metadata;

    // Keys, without the architecture's prefix, in the types that GGUF files have.
    void set(std::string_view key, uint32_t value) { put(key, MetadataValue::of(value)); }
    void set_count(std::string_view key, int64_t value) { set(key, uint32_t(value)); }
    void set_number(std::string_view key, double value) { put(key, MetadataValue::of(float(value))); }
    void set_flag(std::string_view key, bool value) { put(key, MetadataValue::of(value)); }
    void set_text(std::string_view key, std::string value) { put(key, MetadataValue::text_of(std::move(value))); }
    void set_counts(std::string_view key, const std::vector<int64_t>& values);  // i32[]
    void set_flags(std::string_view key, const std::vector<bool>& values);

    std::vector<std::shared_ptr<const Safetensors>> more_files;  // beside those of `tensors`

    int64_t layers = 0;
    int64_t experts = 0;
    // Lines whose published tensor is absent are skipped; whether that is right the model's own loader knows.
    void add_names(std::span<const Name> names) { add_names(names, 0, layers); }
    void add_names(std::span<const Name> names, int64_t first_layer, int64_t end_layer);
    // Numbers that no tensor holds (rotary divisors).
    void add(std::string name, ValuesPtr values) { add({std::move(name), DType::f32, std::move(values)}); }
    void add(MadeTensor tensor);

    // Tensors whose published name begins (ends) so are left out on purpose: other towers, buffers.
    void leave_out(std::string_view prefix) { left_out_.emplace_back(prefix); }
    void leave_out_ending(std::string_view suffix) { left_out_endings_.emplace_back(suffix); }

    // Everything in its place? Fills in general.file_type.
    void finish();
    const std::vector<MadeTensor>& made() const { return made_; }
    const std::vector<std::string>& notes() const { return notes_; }  // what was left out, for people

private:
    void put(std::string_view key, MetadataValue value) {
        metadata.set(architecture + "." + std::string(key), std::move(value));
    }
    void add_name(const Name& name, int64_t layer);
    void add_factors();
    ValuesPtr stack_experts(const std::string& pattern);

    std::vector<MadeTensor> made_;
    std::vector<std::string> left_out_, left_out_endings_, notes_;
};

// Rearrangements that several publications share.
// Rotation pairs value j of a head with j + half; GGUF files of some families pair neighbours (2j, 2j + 1) instead.
// Only the first `rotated` values of each head take part (0: all).
Arrange neighbouring_pairs(int64_t heads);
// Norm weights that are stored around zero.
Arrange plus_one();
// Parts first .. first + count of `parts` equal parts of the rows of every matrix.
Arrange rows_part(int64_t first, int64_t count, int64_t parts);
Arrange shaped(std::vector<int64_t> shape);
Arrange in_order(std::vector<Arrange> steps);

// rope_theta, rope_scaling and rope_parameters of a config, in the shapes the years brought.
struct RopeSettings {
    double base = 10000;
    std::string type;  // "", "linear", "yarn", "llama3", "longrope", ...
    double factor = 0, original_context = 0;
    std::string prefix;  // of the keys: "rope_scaling." or "rope_parameters."
};
RopeSettings read_rope_settings(Config& config, double default_base);
// freq_base, and scaling.* for linear and yarn. Other types are a problem unless the family dealt with them.
void write_rope(Translation& to, const RopeSettings& rope);
// The divisors of "llama3" scaling (facts: wavelength bands), as rope_freqs.weight.
void add_llama3_divisors(Translation& to, const RopeSettings& rope, int64_t rotated);

}  // namespace hearth::huggingface
