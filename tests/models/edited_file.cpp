#include "models/edited_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "files/gguf_writer.h"

namespace hearth::test {

EditedFile::EditedFile(const std::string& path) {
    auto opened = open_gguf(path);
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().line());
    if (!opened) return;
    source_ = std::make_shared<Checkpoint>(std::move(*opened));
    for (const auto& [key, value] : source_->metadata().entries()) keys_.emplace_back(key, value);
    for (const StoredTensor& tensor : source_->tensors())
        tensors_.push_back({tensor.name, tensor.type, tensor.shape, {tensor.data.begin(), tensor.data.end()}});
}

EditedFile& EditedFile::drop_key(const std::string& key) {
    EXPECT_EQ(std::erase_if(keys_, [&](const auto& entry) { return entry.first == key; }), 1u) << key;
    return *this;
}

EditedFile& EditedFile::set(const std::string& key, MetadataValue value) {
    const auto at = std::ranges::find(keys_, key, &Key::first);
    if (at == keys_.end())
        keys_.emplace_back(key, std::move(value));
    else
        at->second = std::move(value);
    return *this;
}

EditedFile& EditedFile::set_text(const std::string& key, std::string text) {
    return set(key, MetadataValue::text_of(std::move(text)));
}

EditedFile& EditedFile::drop(const std::string& name) {
    EXPECT_EQ(std::erase_if(tensors_, [&](const Held& held) { return held.name == name; }), 1u) << name;
    return *this;
}

EditedFile& EditedFile::rename(const std::string& name, std::string to) {
    find(name).name = std::move(to);
    return *this;
}

EditedFile& EditedFile::reshape(const std::string& name, std::vector<int64_t> shape, DType type) {
    if (std::ranges::find(tensors_, name, &Held::name) == tensors_.end()) tensors_.push_back({name, type, {}, {}});
    Held& held = find(name);
    int64_t rows = 1;
    for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
    held.bytes.assign(size_t(rows * row_bytes(type, shape.back())), std::byte{0});
    held.shape = std::move(shape);
    held.type = type;
    return *this;
}

EditedFile& EditedFile::add_floats(const std::string& name, const std::vector<float>& values,
                                   std::vector<int64_t> shape) {
    reshape(name, shape.empty() ? std::vector<int64_t>{int64_t(values.size())} : shape);
    std::memcpy(find(name).bytes.data(), values.data(), values.size() * sizeof(float));
    return *this;
}

std::vector<float> EditedFile::floats(const std::string& name) {
    const Held& held = find(name);
    std::vector<float> values(held.bytes.size() / sizeof(float));
    EXPECT_EQ(held.type, DType::f32) << name;
    std::memcpy(values.data(), held.bytes.data(), values.size() * sizeof(float));
    return values;
}

EditedFile& EditedFile::fill(const std::string& name, const std::vector<float>& values) {
    EXPECT_EQ(find(name).bytes.size(), values.size() * sizeof(float)) << name;
    std::memcpy(find(name).bytes.data(), values.data(), values.size() * sizeof(float));
    return *this;
}

EditedFile& EditedFile::join_rows(const std::vector<std::string>& names, const std::string& to) {
    Held joined = find(names.at(0));
    joined.name = to;
    for (size_t i = 1; i < names.size(); ++i) {
        const Held& next = find(names[i]);
        joined.shape[0] += next.shape[0];
        joined.bytes.insert(joined.bytes.end(), next.bytes.begin(), next.bytes.end());
    }
    for (const std::string& name : names) drop(name);
    tensors_.push_back(std::move(joined));
    return *this;
}

EditedFile& EditedFile::copy(const std::string& name, const std::string& to) {
    Held copied = find(name);
    copied.name = to;
    tensors_.push_back(std::move(copied));
    return *this;
}

EditedFile& EditedFile::take_apart(const std::string& name, const std::vector<std::string>& to) {
    const Held stack = find(name);
    drop(name);
    const size_t bytes = stack.bytes.size() / to.size();
    for (size_t i = 0; i < to.size(); ++i) {
        const auto begin = stack.bytes.begin() + std::ptrdiff_t(i * bytes);
        tensors_.push_back(
            {to[i], stack.type, {stack.shape[1], stack.shape[2]}, {begin, begin + std::ptrdiff_t(bytes)}});
    }
    return *this;
}

EditedFile& EditedFile::repeat(const std::string& name, int64_t copies, const std::string& to) {
    Held& held = find(name);
    const std::vector<std::byte> once = held.bytes;
    for (int64_t copy = 1; copy < copies; ++copy) held.bytes.insert(held.bytes.end(), once.begin(), once.end());
    held.shape.insert(held.shape.begin(), copies);
    held.name = to;
    return *this;
}

EditedFile& EditedFile::rename_architecture(const std::string& from, const std::string& to) {
    for (Key& key : keys_)
        if (key.first.starts_with(from + ".")) key.first = to + key.first.substr(from.size());
    return set_text("general.architecture", to);
}

std::vector<std::string> EditedFile::tensor_names() const {
    std::vector<std::string> names;
    for (const Held& held : tensors_) names.push_back(held.name);
    return names;
}

std::string EditedFile::write(const std::string& name) const {
    const std::string path = temporary_directory() + "/" + name;
    GgufWriter writer(path);
    for (const auto& [key, value] : keys_) writer.set(key, value);
    for (const Held& held : tensors_) writer.declare(held.name, held.type, held.shape);
    const auto write_all = [&]() -> Result<> {
        TRY(writer.start());
        for (const Held& held : tensors_) TRY(writer.write(held.bytes));
        return writer.finish();
    };
    const auto written = write_all();
    EXPECT_TRUE(written.has_value()) << (written ? "" : written.error().line());
    return path;
}

Checkpoint EditedFile::open(const std::string& name) const {
    auto opened = open_gguf(write(name));
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().line());
    return opened ? std::move(*opened) : Checkpoint();
}

EditedFile::Held& EditedFile::find(const std::string& name) {
    const auto at = std::ranges::find(tensors_, name, &Held::name);
    EXPECT_NE(at, tensors_.end()) << name;
    return *at;
}

}  // namespace hearth::test
