// Reads of a file with a kept text what one prompt can use: the pages up to the place where it goes on, but for those
// that memory has, and the one state saved there. A few megabytes at a time, so that passes can run in between; nothing
// of it is in the tree before all of it was read and checked.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "cache/kept_file.h"
#include "cache/prefix_tree.h"

namespace hearth {

// The header of a file, whoever wrote it.
Result<KeptHeader> read_kept_header(const MappedFile& file);
// The same for a cache, which its pages and states must fit; of another fingerprint no more than that it is one.
Result<KeptHeader> read_kept_header(const MappedFile& file, const Cache& cache, const std::string& fingerprint);

class KeptReader {
public:
    struct Wanted {
        std::string path, fingerprint;
        std::vector<int32_t> prompt;
        std::string partition;
        int64_t tokens = 0;  // of the prompt that the file should have, at least
    };
    // ErrorKind::bad_file: the file is of no use to anybody. not_found: not to this prompt. Else: perhaps later.
    static Result<std::unique_ptr<KeptReader>> open(Cache& cache, PrefixTree& tree, Wanted wanted);
    ~KeptReader();

    const std::string& path() const { return wanted_.path; }
    int64_t tokens() const { return tokens_; }
    // Reads on, a page more than `most_bytes` perhaps. True: all is read.
    Result<bool> read(int64_t most_bytes);
    // When all is read: it becomes a text of the tree. There must be room for a sequence.
    Result<> keep(double now);

private:
    struct Piece {
        int64_t group;  // -1: the state
        int64_t page;   // of the text
        int64_t offset;
    };
    KeptReader(Cache& cache, PrefixTree& tree, Wanted wanted, MappedFile file, KeptHeader header);
    Result<> choose_place();
    void choose_pieces();
    Result<> read_page(const Piece& piece);
    Result<> read_state(const Piece& piece);

    Cache& cache_;
    PrefixTree& tree_;
    const Wanted wanted_;
    const MappedFile file_;
    const KeptHeader header_;
    const uint64_t header_sum_;
    int64_t tokens_ = 0;  // where the prompt can go on
    bool is_callers_ = false;
    size_t point_ = 0;  // of the header, with its state
    std::vector<Piece> pieces_;
    size_t next_ = 0;
    std::vector<std::vector<int32_t>> pages_;  // our own references, until they are in the tree
    int32_t slot_ = -1;                        // likewise
    std::vector<std::byte> buffer_;
};

}  // namespace hearth
