// Writes one GGUF file (version 3) front to back without holding tensor data: set the metadata, declare all tensors,
// start, hand over the bytes of each tensor in the declared order and in pieces of any size, finish. Until then the
// file is called PATH.part; it takes its name when it is whole, and disappears when writing fails or the writer is
// dropped before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "files/metadata.h"
#include "tensor/dtype.h"

namespace hearth {

class GgufWriter {
public:
    explicit GgufWriter(std::string path);  // touches nothing on disk yet
    GgufWriter(GgufWriter&& other) noexcept { swap(other); }
    GgufWriter& operator=(GgufWriter&& other) noexcept {
        swap(other);
        return *this;
    }
    ~GgufWriter();

    // Before start(). Keys are written in the order they were first set; general.alignment (u32) decides the alignment,
    // 32 without it.
    void set(std::string_view key, MetadataValue value) { metadata_.set(key, std::move(value)); }
    void set_text(std::string_view key, std::string text) { set(key, MetadataValue::text_of(std::move(text))); }
    template <class T>
    void set(std::string_view key, T value) {
        set(key, MetadataValue::of(value));
    }
    // Shape outermost first. Problems are told by start(), all at once.
    void declare(std::string name, DType type, std::vector<int64_t> shape);

    Result<> start();  // writes the header
    Result<> write(std::span<const std::byte>
                       piece);  // the next bytes of the current tensor; a piece ends with its tensor or before
    Result<> finish();          // after the last byte of the last tensor

    uint64_t file_bytes() const { return file_bytes_; }  // of the finished file; known after start()
    size_t current_tensor() const { return current_; }   // number of the tensor that waits for bytes

private:
    struct Declared {
        std::string name;
        DType type;
        std::vector<int64_t> shape;
        uint64_t bytes = 0, offset = 0;
    };

    void swap(GgufWriter& other) noexcept;
    Result<> check_and_place();
    std::string header() const;
    Result<> put(const void* bytes, size_t count);
    Result<> pad(uint64_t until);
    Result<> close_finished_tensors();
    std::unexpected<Error> give_up(const char* doing);
    void abandon();

    std::string path_;
    Metadata metadata_;
    std::vector<Declared> tensors_;
    uint64_t alignment_ = 32, data_start_ = 0, file_bytes_ = 0, position_ = 0;
    size_t current_ = 0;
    uint64_t written_of_current_ = 0;
    std::FILE* file_ = nullptr;
};

}  // namespace hearth
