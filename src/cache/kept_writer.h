// Writes one kept text into a file, a piece at a time: requests may come and go between two pieces, and what memory
// then no longer holds ends the writing.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/checksum.h"
#include "base/new_file.h"
#include "cache/kept_file.h"
#include "cache/prefix_tree.h"

namespace hearth {

// What a file of the text would have; of its states the newest few and the end of the system text.
KeptHeader header_of(const Cache& cache, const PrefixTree::Kept& kept, const PrefixTree::Text& text,
                     const std::string& fingerprint);
KeptLayout layout_of(const Cache& cache, const KeptHeader& header);

class KeptWriter {
public:
    static Result<std::unique_ptr<KeptWriter>> begin(Cache& cache, PrefixTree& tree, PrefixTree::Text text,
                                                     KeptHeader header, const std::string& path);

    enum class Progress : uint8_t { goes_on, done, lost };  // lost: the tree no longer has it as the header says
    Result<Progress> write_piece();                         // a page or a part of a state

    const PrefixTree::Text& text() const { return text_; }
    const KeptHeader& header() const { return header_; }
    const std::string& path() const { return path_; }

private:
    KeptWriter(Cache& cache, PrefixTree& tree, PrefixTree::Text text, KeptHeader header, const std::string& path,
               NewFile file);
    Result<Progress> write_page(const PrefixTree::Kept& kept);
    Result<Progress> write_state_part(const PrefixTree::Kept& kept);
    Result<> put(std::span<const std::byte> bytes);
    Result<> put_sum();

    Cache& cache_;
    PrefixTree& tree_;
    const PrefixTree::Text text_;
    const KeptHeader header_;
    const uint64_t header_sum_;
    const KeptLayout layout_;
    const std::string path_;
    NewFile file_;
    size_t group_ = 0, page_ = 0, point_ = 0;  // what comes next
    int64_t part_ = 0;                         // of the point's state
    Checksum sum_;
    std::vector<std::byte> piece_;
};

}  // namespace hearth
