// A recorded model with something changed: what a broken converter, a truncated edit or an enemy would hand us.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "files/gguf.h"
#include "support/shared_data.h"

namespace hearth::test {

class EditedFile {
public:
    explicit EditedFile(const std::string& path);

    EditedFile& drop_key(const std::string& key);
    EditedFile& set(const std::string& key, MetadataValue value);
    EditedFile& set_integer(const std::string& key, int64_t value) { return set(key, MetadataValue::of(value)); }
    EditedFile& set_text(const std::string& key, std::string text);
    EditedFile& drop(const std::string& name);
    EditedFile& rename(const std::string& name, std::string to);
    // Zeros in a new shape and perhaps type; adds the tensor if there is none.
    EditedFile& reshape(const std::string& name, std::vector<int64_t> shape, DType type = DType::f32);
    EditedFile& add_floats(const std::string& name, const std::vector<float>& values, std::vector<int64_t> shape = {});

    std::vector<float> floats(const std::string& name);
    EditedFile& fill(const std::string& name, const std::vector<float>& values);
    // One matrix with the rows of several, which go.
    EditedFile& join_rows(const std::vector<std::string>& names, const std::string& to);
    EditedFile& copy(const std::string& name, const std::string& to);
    // The matrices of a stack, each under a name of its own.
    EditedFile& take_apart(const std::string& name, const std::vector<std::string>& to);
    // A stack of `copies` of a matrix in its place.
    EditedFile& repeat(const std::string& name, int64_t copies, const std::string& to);
    // The architecture and the prefix of its keys.
    EditedFile& rename_architecture(const std::string& from, const std::string& to);

    std::vector<std::string> tensor_names() const;

    std::string write(const std::string& name) const;
    Checkpoint open(const std::string& name = "edited.gguf") const;

private:
    using Key = std::pair<std::string, MetadataValue>;
    struct Held {
        std::string name;
        DType type;
        std::vector<int64_t> shape;
        std::vector<std::byte> bytes;
    };
    Held& find(const std::string& name);

    std::shared_ptr<Checkpoint> source_;  // values may be views into it
    std::vector<Key> keys_;
    std::vector<Held> tensors_;
};

}  // namespace hearth::test
