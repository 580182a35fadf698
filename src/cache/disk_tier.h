// Kept texts on disk, for when memory has lost them or the program was started anew. Finished texts are written piece
// by piece while nothing else is to be done, each into a file of its own; on a miss in memory the file that holds most
// of the prompt's beginning is read into the tree. Everything runs on the engine's thread.
//
// Files are found by hashes of their beginnings and believed only after a look at the tokens themselves. A directory
// may serve several engines: what it may hold is counted over all files, the longest unused go first.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "cache/cache.h"
#include "cache/kept_file.h"
#include "cache/prefix_tree.h"

namespace hearth {

struct DiskTierOptions {
    std::string directory;
    int64_t most_bytes = 0;    // of all files in it
    std::string fingerprint;   // of model, build, kernels, types: what the bytes depend on
    int64_t least_gain = 256;  // tokens more than memory has, to be worth reading
    std::function<void(const std::string& problem)> complain;  // told once when nothing more can be written
};

class DiskTier {
public:
    // Looks through the directory, which is made where there is none.
    static Result<std::unique_ptr<DiskTier>> open(Cache& cache, PrefixTree& tree, DiskTierOptions options);

    ~DiskTier();

    // This text was kept in the tree: it is written when there is time, if it is still there then.
    void finished(std::span<const int32_t> tokens, std::string_view partition, int64_t public_tokens);
    bool has_work() const { return writing_ != nullptr || !waiting_.empty(); }
    void work();  // a piece of it: a page or a state

    // Brings a text into the tree that begins like the prompt for longer than the `cached` tokens that are there. There
    // must be room for a sequence.
    bool load(std::span<const int32_t> prompt, std::string_view partition, int64_t cached, double now);

    int64_t files() const { return int64_t(known_.size()); }

private:
    struct Text {
        std::vector<int32_t> tokens;
        std::string partition;
        int64_t public_tokens;
    };
    struct Known {
        std::string path;
        std::string partition;
        int64_t public_tokens;
        // Places where a prompt can continue, and the hash of all tokens before each.
        std::vector<std::pair<int64_t, uint64_t>> places;
    };
    struct Writing;

    DiskTier(Cache& cache, PrefixTree& tree, DiskTierOptions options);
    void scan();
    Result<KeptHeader> read_header(const MappedFile& file) const;
    int64_t file_bytes(const KeptHeader& header) const;
    void note(const std::string& path, const KeptHeader& header);
    void forget(const std::string& path);
    void begin_writing();
    Result<> write_piece();
    void finish_writing();
    bool make_room(int64_t bytes);
    void give_up(const Error& error);
    Result<> read_into_tree(const std::string& path, std::span<const int32_t> prompt, int64_t tokens, double now);
    std::string path_of(const Text& text) const;

    Cache& cache_;
    PrefixTree& tree_;
    DiskTierOptions options_;
    std::vector<Known> known_;
    std::deque<Text> waiting_;
    std::unique_ptr<Writing> writing_;
    std::vector<std::byte> piece_;  // a page or a state on its way
    bool is_writable_ = true;
};

}  // namespace hearth
