// A GGUF file turned back into the directory it could have come from: tensors under their published names, config.json,
// tokenizer.json. Written from the published conventions, without the code under test; the reader must undo it exactly.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "files/checkpoint.h"

namespace hearth::test {

struct PublishedTensor {
    std::string type = "F32";
    std::vector<int64_t> shape;
    std::string bytes;
};

class Published {
public:
    Json config = Json::object(), tokenizer = Json::object(), tokenizer_config = Json::object(),
         generation = Json::object();
    std::string chat_template;
    std::map<std::string, PublishedTensor> tensors;

    void add(const std::string& name, std::vector<int64_t> shape, const std::vector<float>& values,
             const std::string& type = "F32");  // F32, F16, BF16, F64
    void add_raw(const std::string& name, std::string type, std::vector<int64_t> shape, std::string bytes);
    // Writes the directory below the temporary one, its tensors spread over so many files.
    std::string write(const std::string& name, int shards = 1) const;
    std::string write_tokenizer_model(const std::string& directory, const Checkpoint& from) const;
};

// A GGUF tensor as floats, its shape outermost first.
struct Given {
    std::vector<int64_t> shape;
    std::vector<float> values;

    int64_t rows() const { return int64_t(values.size()) / shape.back(); }
    // Row r of the result is row order(r).
    Given rows_from(const std::function<int64_t(int64_t)>& order) const;
    Given columns_from(const std::function<int64_t(int64_t)>& order) const;
    Given with(const std::function<float(float)>& change) const;
    Given part(int64_t first, int64_t count) const;  // of the outermost dimension
    Given shaped(std::vector<int64_t> to) const;
};

class Original {
public:
    explicit Original(const std::string& gguf);
    const Checkpoint& checkpoint() const { return checkpoint_; }
    bool has(const std::string& name) const { return checkpoint_.find(name) != nullptr; }
    Given tensor(const std::string& name) const;
    int64_t integer(const std::string& key) const;
    double number(const std::string& key) const;
    std::string key(const std::string& name) const;  // with the architecture's prefix

    // tokenizer.json and tokenizer_config.json of this vocabulary.
    void write_tokenizer(Published& to) const;

private:
    Checkpoint checkpoint_;
};

// Header and data of a safetensors file.
std::string safetensors_bytes(const std::map<std::string, PublishedTensor>& tensors);
void write_text(const std::string& path, const std::string& text);

// Every tensor of the GGUF file is in the directory's checkpoint with the same numbers, and nothing else is; the keys
// of the architecture and the tokenizer are equal but for those named.
void expect_same_model(const Checkpoint& original, const Checkpoint& opened,
                       const std::vector<std::string>& except = {});

}  // namespace hearth::test
