// A model on disk: metadata and named tensors, whatever the container. A tensor lies in a file as it is, or is made
// from what lies there (files of other conventions). Everything here was bounds-checked when it was opened. The bytes
// come from a read-only mapping: should another program cut the file short, touching them ends the process, so long
// passes ask check_whole() first; read() of a tensor in a file fails politely.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "base/os.h"
#include "base/result.h"
#include "files/metadata.h"
#include "tensor/dtype.h"

namespace hearth {

struct StoredTensor {
    std::string name;
    DType type = DType::f32;
    std::vector<int64_t> shape;       // outermost first; a scalar is {1}
    std::span<const std::byte> data;  // into the mapping, aligned as the file aligns it (not to the type)
    int part = 0;                     // which file of a split set
    uint64_t file_offset = 0;         // of `data` in that file
    // 0 or more: the TensorMaker's number of it. `data` is then empty, or a view that the maker keeps alive when the
    // bytes happen to lie somewhere just so.
    int64_t made = -1;

    int64_t elements() const {
        int64_t product = 1;
        for (const int64_t dimension : shape) product *= dimension;
        return product;
    }
    int64_t bytes() const { return row_bytes(type, elements()); }
    int64_t rows() const { return elements() / shape.back(); }
};

// Makes tensors that no file holds in this form: converted, joined, encoded. Asked for rows only when they are needed,
// so that a large model streams. Any number of threads may ask at once.
class TensorMaker {
public:
    virtual ~TensorMaker() = default;
    // Rows first .. first + count of tensor number `made`; every dimension but the last counts rows. `out` has exactly
    // their size.
    virtual Result<> make(int64_t made, int64_t first, int64_t count, std::span<std::byte> out) const = 0;
    virtual void release(int64_t made) const = 0;  // what it was made from will not be needed soon
    virtual Result<> check_whole() const = 0;
};

// All bytes of a tensor: a view of the mapping, or memory of its own when the tensor had to be made.
class TensorBytes {
public:
    explicit TensorBytes(std::span<const std::byte> view) : view_(view) {}
    explicit TensorBytes(Pages pages) : pages_(std::move(pages)), view_(pages_.data(), pages_.size()) {}
    std::span<const std::byte> view() const { return view_; }

private:
    Pages pages_;
    std::span<const std::byte> view_;
};

class Checkpoint {
public:
    struct Format {
        uint32_t version = 0;
        uint64_t alignment = 0;          // of the first part
        std::vector<std::string> parts;  // paths; one unless the set is split
        uint64_t total_bytes = 0;        // of all parts
    };

    const Metadata& metadata() const { return metadata_; }
    std::span<const StoredTensor> tensors() const { return tensors_; }  // in file order
    const StoredTensor* find(std::string_view name) const;
    const Format& format() const { return format_; }

    // No file became shorter than it was at opening.
    Result<> check_whole() const;
    // The tensor's bytes lie in a file, or its maker keeps them, and bytes() is a view of them.
    bool is_mapped(const StoredTensor& tensor) const { return tensor.made < 0 || !tensor.data.empty(); }
    // These bytes will not be needed soon: their pages may go.
    void release(const StoredTensor& tensor) const;
    // The same of a part of a tensor that lies in a file.
    void release(const StoredTensor& tensor, uint64_t offset, uint64_t count) const;
    // The whole tensor in one piece. Made tensors take memory until the result goes.
    Result<TensorBytes> bytes(const StoredTensor& tensor) const;
    // Copies bytes `offset`.. of the tensor by reading the file instead of the mapping.
    Result<> read(const StoredTensor& tensor, uint64_t offset, std::span<std::byte> out) const;

    // For readers: tensors point into `files`, their `part` counts them; names are unique.
    static Checkpoint adopt(Format format, Metadata metadata, std::vector<MappedFile> files,
                            std::vector<StoredTensor> tensors);
    // The same with tensors that `maker` makes among them (or only such).
    static Checkpoint adopt(Format format, Metadata metadata, std::vector<StoredTensor> tensors,
                            std::shared_ptr<const TensorMaker> maker);

private:
    void sort_names();

    Format format_;
    Metadata metadata_;
    std::vector<MappedFile> files_;
    std::vector<StoredTensor> tensors_;
    std::shared_ptr<const TensorMaker> maker_;
    std::vector<uint32_t> by_name_;  // tensor numbers sorted by name
};

}  // namespace hearth
