// Kept texts on disk, for when memory has lost them or the program was started anew. Finished texts are written piece
// by piece while nothing else is to be done, each into a file of its own; on a miss in memory the file that holds most
// of the prompt's beginning is read into the tree, a few megabytes at a time. Everything runs on the engine's thread.
//
// Files are found by hashes of their beginnings and believed only after a look at the tokens themselves. A directory
// may serve several engines: what it may hold is counted over all files, the longest unused go first.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/os.h"
#include "cache/cache.h"
#include "cache/kept_reader.h"
#include "cache/kept_writer.h"
#include "cache/prefix_tree.h"

namespace hearth {

struct DiskTierOptions {
    std::string directory;
    int64_t most_bytes = 0;     // of all files in it
    std::string fingerprint;    // of model, build, kernels, types: what the bytes depend on
    int64_t least_gain = 256;   // tokens more than memory has, to be worth reading
    double pause_seconds = 60;  // after something could not be written
    std::function<void(const std::string& problem)> complain;  // told once that nothing can be written
    std::function<double()> clock = monotonic_seconds;
};

// Deletes the files of these partitions, whatever model they are of; how many they were.
int64_t remove_kept(const std::string& directory, std::span<const std::string> partitions);

class DiskTier {
public:
    // Looks through the directory, which is made where there is none.
    static Result<std::unique_ptr<DiskTier>> open(Cache& cache, PrefixTree& tree, DiskTierOptions options);

    ~DiskTier();

    // This text was kept in the tree: it is written when there is time, if it is still there then.
    void finished(std::span<const int32_t> tokens, std::string_view partition, int64_t public_tokens);
    // Every text that the tree holds waits to be written, the last used first.
    void save_all();
    bool has_work() const { return writer_ != nullptr || !waiting_.empty(); }
    void work();  // a piece of it: a page or a state

    // The file that begins like the prompt for longest, if it does so for more than the `cached` tokens that memory
    // has.
    struct Find {
        std::string path;
        int64_t tokens;
    };
    std::optional<Find> find(std::span<const int32_t> prompt, std::string_view partition, int64_t cached) const;
    // Brings it into the tree, by so many calls of read_on() as it takes. There must be room for a sequence meanwhile.
    bool begin_reading(const Find& find, std::span<const int32_t> prompt, std::string_view partition);
    enum class Progress : uint8_t { goes_on, done, failed };
    Progress read_on(int64_t most_bytes, double now);
    void stop_reading() { reader_.reset(); }
    // All of this at once.
    bool load(std::span<const int32_t> prompt, std::string_view partition, int64_t cached, double now);

    int64_t files() const { return int64_t(known_.size()); }

private:
    struct Known {
        std::string path;
        std::string partition;
        int64_t public_tokens;
        // Places where a prompt can continue, and the hash of all tokens before each.
        std::vector<std::pair<int64_t, uint64_t>> places;
    };

    DiskTier(Cache& cache, PrefixTree& tree, DiskTierOptions options);
    void scan();
    void note(const std::string& path, const KeptHeader& header);
    void forget(const std::string& path);
    void read_failed(const std::string& path, const Error& error);
    void begin_writing();
    void finish_writing();
    std::vector<std::string> superseded_by(const Known& now, std::span<const int32_t> tokens) const;
    bool make_room(int64_t bytes);
    void write_failed(const Error& error);
    std::string path_of(const PrefixTree::Text& text) const;

    Cache& cache_;
    PrefixTree& tree_;
    DiskTierOptions options_;
    std::vector<Known> known_;
    std::deque<PrefixTree::Text> waiting_;
    std::unique_ptr<KeptWriter> writer_;
    std::unique_ptr<KeptReader> reader_;
    // When save_all() was called, and what was written since: not to make room for what was used longer ago.
    std::optional<std::filesystem::file_time_type> save_began_;
    std::set<std::string> saved_;
    double writes_after_ = 0;  // by the clock
    bool has_complained_ = false;
};

}  // namespace hearth
