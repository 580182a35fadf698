// GGUF files byte by byte, so that tests can make the ones no writer would: a second description of the container,
// independent of src/.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "support/shared_data.h"

namespace hearth::test {

class Bytes {
public:
    template <class T>
    Bytes& put(T value) {
        text_.append(reinterpret_cast<const char*>(&value), sizeof value);
        return *this;
    }
    Bytes& raw(std::string_view bytes) { return text_ += bytes, *this; }
    Bytes& str(std::string_view text) { return put(uint64_t(text.size())).raw(text); }
    Bytes& key(std::string_view name, uint32_t type) { return str(name).put(type); }
    Bytes& tensor(std::string_view name, std::vector<uint64_t> sizes, uint32_t type, uint64_t offset) {
        str(name).put(uint32_t(sizes.size()));
        for (const uint64_t size : sizes) put(size);
        return put(type).put(offset);
    }
    Bytes& align(size_t to) {
        while (text_.size() % to) text_ += '\0';
        return *this;
    }
    Bytes& zeros(size_t count) { return text_.append(count, '\0'), *this; }
    const std::string& text() const { return text_; }

private:
    std::string text_;
};

inline Bytes gguf_front(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
    Bytes out;
    out.raw("GGUF").put(version).put(tensors).put(keys);
    return out;
}

inline std::string write_file(const std::string& name, std::string_view bytes) {
    const std::string path = temporary_directory() + "/" + name;
    std::ofstream(path, std::ios::binary | std::ios::trunc).write(bytes.data(), std::streamsize(bytes.size()));
    return path;
}

// Every metadata type, three tensors, aligned to 32.
inline std::string small_valid_file() {
    Bytes out = gguf_front(3, 7);
    out.key("general.architecture", 8).str("toy");
    out.key("n", 4).put(uint32_t{7});
    out.key("x", 6).put(1.5f);
    out.key("yes", 7).put(uint8_t{1});
    out.key("texts", 9).put(uint32_t{8}).put(uint64_t{3}).str("a").str("").str("b c");
    out.key("ints", 9).put(uint32_t{5}).put(uint64_t{2}).put(int32_t{-1}).put(int32_t{2});
    out.key("big", 10).put(uint64_t{1} << 40);
    out.tensor("a", {4, 2}, 0, 0);
    out.tensor("b", {32}, 8, 32);
    out.tensor("c", {}, 24, 96);
    out.align(32);
    for (int i = 0; i < 8; ++i) out.put(float(i));
    for (int i = 0; i < 34; ++i) out.put(uint8_t(i));
    out.align(32).put(int8_t{-5});
    return out.text();
}

}  // namespace hearth::test
