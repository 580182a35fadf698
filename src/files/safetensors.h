// Reads safetensors files: one, or a set named by an index. What comes out are names, stored types, shapes and bytes;
// what the numbers mean (quantised layouts, other orders) is not known here. One report names every problem of a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"

namespace hearth {

// Element types by the names of the format ("BF16", "F8_E4M3").
enum class RawType : uint8_t {
    boolean,
    u8,
    i8,
    i16,
    u16,
    i32,
    u32,
    i64,
    u64,
    f16,
    bf16,
    f32,
    f64,
    f8_e4m3,  // no infinities, bias 7
    f8_e5m2,
    f8_e8m0,  // a power of two, used as a scale
    c64,
    f4,  // two a byte
    f6_e2m3,
    f6_e3m2,  // four in three bytes
};

std::string_view name_of(RawType type);
std::optional<RawType> find_raw_type(std::string_view name);
int64_t bits_of(RawType type);

struct RawTensor {
    std::string name;
    RawType type = RawType::f32;
    std::vector<int64_t> shape;       // outermost first, as written; empty: a scalar
    std::span<const std::byte> data;  // into the mapping, aligned to nothing
    uint32_t file = 0;                // which file of the set
    uint64_t file_offset = 0;

    int64_t elements() const {
        int64_t product = 1;
        for (const int64_t dimension : shape) product *= dimension;
        return product;
    }
};

// Tensors of one file or of all files of a set, and the mappings under them.
class Safetensors {
public:
    std::span<const RawTensor> tensors() const { return tensors_; }  // sorted by name, names are unique
    const RawTensor* find(std::string_view name) const;
    const std::vector<MappedFile>& files() const { return files_; }
    uint64_t bytes() const;  // of all files

    // No file became shorter than it was at opening.
    Result<> check_whole() const;
    // These bytes will not be needed soon: their pages may go.
    void release(const RawTensor& tensor) const;

private:
    friend Result<Safetensors> open_safetensors(const std::vector<std::string>& paths);
    std::vector<MappedFile> files_;
    std::vector<RawTensor> tensors_;
};

// All files are read; a name in two of them is a problem.
Result<Safetensors> open_safetensors(const std::vector<std::string>& paths);

// The weights of a Hugging Face directory: model.safetensors, or what model.safetensors.index.json names (each tensor
// must lie in the file that the index says). Other publishers use another name than "model".
Result<Safetensors> open_safetensors_directory(const std::string& directory, std::string_view name = "model");

// Bytes of a small file read whole; more than `most_bytes` is refused.
Result<std::string> read_small_file(const std::string& path, uint64_t most_bytes);

}  // namespace hearth
