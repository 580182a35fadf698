// A model on disk: metadata and named tensors, whatever the container. Everything here was bounds-checked when it was
// opened. The tensor bytes are a read-only mapping: should another program cut the file short, touching them ends the
// process, so long passes ask check_whole() first, or use read(), which fails politely.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
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

    int64_t elements() const {
        int64_t product = 1;
        for (const int64_t dimension : shape) product *= dimension;
        return product;
    }
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
    // These bytes will not be needed soon: their pages may go.
    void release(const StoredTensor& tensor) const;
    // Copies bytes `offset`.. of the tensor by reading the file instead of the mapping.
    Result<> read(const StoredTensor& tensor, uint64_t offset, std::span<std::byte> out) const;

    // For readers: tensors point into `files`, their `part` counts them; names are unique.
    static Checkpoint adopt(Format format, Metadata metadata, std::vector<MappedFile> files,
                            std::vector<StoredTensor> tensors);

private:
    Format format_;
    Metadata metadata_;
    std::vector<MappedFile> files_;
    std::vector<StoredTensor> tensors_;
    std::vector<uint32_t> by_name_;  // tensor numbers sorted by name
};

}  // namespace hearth
