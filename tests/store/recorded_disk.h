// A disk that remembers what SQLite told it, and what it may hold once the power has gone.
//
// While a RecordedDisk lives, SQLite's calls for files of one folder go through it: they are carried out and noted, but
// for syncs, which are only noted. remains() then answers for any moment: what was synced is there, of everything
// since any part may be, in sectors, and names of files come and go with the folder's own syncs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/rng.h"

struct sqlite3_vfs;

namespace hearth::test {

struct DiskCall {
    enum class Kind { create, write, truncate, sync, remove, sync_folder };
    Kind kind;
    std::string file;    // its name in the folder
    int64_t offset = 0;  // of a write; of truncate: the length that stays
    std::string bytes;
};

class RecordedDisk {
public:
    // Without shared memory SQLite cannot have a write-ahead log and falls back to a journal.
    RecordedDisk(std::string folder, bool has_shared_memory);
    ~RecordedDisk();
    RecordedDisk(const RecordedDisk&) = delete;
    RecordedDisk& operator=(const RecordedDisk&) = delete;

    const std::vector<DiskCall>& calls() const { return calls_; }

private:
    friend struct DiskCalls;
    struct Files;

    std::string folder_;
    std::vector<DiskCall> calls_;
    sqlite3_vfs* vfs_;
};

using DiskFiles = std::map<std::string, std::string>;  // name -> content

DiskFiles files_of(const std::string& folder);

// One state that may be left of `before` when the power goes behind the first `count` calls.
DiskFiles remains(const DiskFiles& before, const std::vector<DiskCall>& calls, size_t count, Rng& rng);

}  // namespace hearth::test
