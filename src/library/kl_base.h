// A model's log-probabilities over a text, kept in a file so that another model (a quantised one) can be held against
// them: the tokens, and for every token that is scored one float per entry of the vocabulary.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"

namespace hearth {

struct KlBaseShape {
    int64_t vocabulary = 0, chunk_tokens = 0, chunks = 0;
    // Of a chunk the second half is scored, each token by what stands before it; the first half is only read.
    int64_t first_scored() const { return chunk_tokens / 2; }
    int64_t scored_per_chunk() const { return chunk_tokens - 1 - first_scored(); }
    bool operator==(const KlBaseShape&) const = default;
};

class KlBaseWriter {
public:
    // The file is called PATH.part until finish().
    static Result<KlBaseWriter> open(const std::string& path, const KlBaseShape& shape,
                                     std::span<const int32_t> tokens);
    Result<> add(std::span<const float> log_probabilities);  // of the next scored token
    Result<> finish();
    static double file_bytes(const KlBaseShape& shape);

private:
    struct Closer {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    Result<> put(const void* bytes, size_t count);

    std::string path_;
    std::unique_ptr<std::FILE, Closer> file_;
};

class KlBase {
public:
    static Result<KlBase> open(const std::string& path);
    const KlBaseShape& shape() const { return shape_; }
    std::span<const int32_t> tokens() const { return tokens_; }
    Result<> read(int64_t row, std::span<float> log_probabilities) const;

private:
    MappedFile file_;
    KlBaseShape shape_;
    std::vector<int32_t> tokens_;
    uint64_t rows_at_ = 0;
};

}  // namespace hearth
