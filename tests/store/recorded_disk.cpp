#include "recorded_disk.h"

#include <sqlite3.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>

#include "support/shared_data.h"

namespace hearth::test {

namespace {

constexpr int64_t kSectorBytes = 512;

// What SQLite calls a file: our part, then that of its own layer.
struct DiskFile {
    sqlite3_file head;
    RecordedDisk* disk;
    char name[64];       // empty: a file without a name, which outlasts nothing
    bool is_name_fresh;  // SQLite syncs the folder with the first sync of a journal that it made
    sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

DiskFile& of(sqlite3_file* file) {
    return *reinterpret_cast<DiskFile*>(file);
}

}  // namespace

// SQLite's calls, noted and passed on.
struct DiskCalls {
    static void note(DiskFile& file, DiskCall::Kind kind, int64_t offset = 0, std::string bytes = {}) {
        if (file.name[0] != 0) file.disk->calls_.push_back({kind, file.name, offset, std::move(bytes)});
    }
    static sqlite3_vfs* below(sqlite3_vfs* vfs) { return sqlite3_vfs_find(vfs->zName + std::strlen("recorded-")); }

    static int close(sqlite3_file* file) { return of(file).real()->pMethods->xClose(of(file).real()); }
    static int read(sqlite3_file* file, void* to, int count, sqlite3_int64 offset) {
        return of(file).real()->pMethods->xRead(of(file).real(), to, count, offset);
    }
    static int write(sqlite3_file* file, const void* from, int count, sqlite3_int64 offset) {
        note(of(file), DiskCall::Kind::write, offset, std::string(static_cast<const char*>(from), size_t(count)));
        return of(file).real()->pMethods->xWrite(of(file).real(), from, count, offset);
    }
    static int truncate(sqlite3_file* file, sqlite3_int64 size) {
        note(of(file), DiskCall::Kind::truncate, size);
        return of(file).real()->pMethods->xTruncate(of(file).real(), size);
    }
    static int sync(sqlite3_file* file, int) {
        note(of(file), DiskCall::Kind::sync);
        if (std::exchange(of(file).is_name_fresh, false)) note(of(file), DiskCall::Kind::sync_folder);
        return SQLITE_OK;
    }
    static int size(sqlite3_file* file, sqlite3_int64* bytes) {
        return of(file).real()->pMethods->xFileSize(of(file).real(), bytes);
    }
    static int lock(sqlite3_file* file, int level) { return of(file).real()->pMethods->xLock(of(file).real(), level); }
    static int unlock(sqlite3_file* file, int level) {
        return of(file).real()->pMethods->xUnlock(of(file).real(), level);
    }
    static int check_lock(sqlite3_file* file, int* is_held) {
        return of(file).real()->pMethods->xCheckReservedLock(of(file).real(), is_held);
    }
    static int control(sqlite3_file* file, int what, void* with) {
        return of(file).real()->pMethods->xFileControl(of(file).real(), what, with);
    }
    static int sector_size(sqlite3_file* file) { return of(file).real()->pMethods->xSectorSize(of(file).real()); }
    static int traits(sqlite3_file* file) { return of(file).real()->pMethods->xDeviceCharacteristics(of(file).real()); }
    static int map_shared(sqlite3_file* file, int page, int bytes, int extends, void volatile** at) {
        return of(file).real()->pMethods->xShmMap(of(file).real(), page, bytes, extends, at);
    }
    static int lock_shared(sqlite3_file* file, int offset, int count, int flags) {
        return of(file).real()->pMethods->xShmLock(of(file).real(), offset, count, flags);
    }
    static void order_shared(sqlite3_file* file) { of(file).real()->pMethods->xShmBarrier(of(file).real()); }
    static int unmap_shared(sqlite3_file* file, int deletes) {
        return of(file).real()->pMethods->xShmUnmap(of(file).real(), deletes);
    }

    // Version 2 has shared memory, but no mapped reading and writing.
    static sqlite3_io_methods methods(int version) {
        return {version,     close,        read,         write,   truncate,    sync,   size,
                lock,        unlock,       check_lock,   control, sector_size, traits, map_shared,
                lock_shared, order_shared, unmap_shared, nullptr, nullptr};
    }

    static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out_flags) {
        static const sqlite3_io_methods kWithShared = methods(2), kWithoutShared = methods(1);
        DiskFile& opened = of(file);
        opened.disk = static_cast<RecordedDisk*>(vfs->pAppData);
        opened.name[0] = 0;
        opened.is_name_fresh = false;
        int exists = 0;
        if (path) below(vfs)->xAccess(below(vfs), path, SQLITE_ACCESS_EXISTS, &exists);
        const int code = below(vfs)->xOpen(below(vfs), path, opened.real(), flags, out_flags);
        if (code != SQLITE_OK) return file->pMethods = nullptr, code;
        file->pMethods = opened.disk->vfs_->iVersion == 2 ? &kWithShared : &kWithoutShared;
        const std::filesystem::path full = path ? path : "";
        if (full.parent_path() != opened.disk->folder_) return code;
        const std::string name = full.filename();
        name.copy(opened.name, sizeof opened.name - 1);
        opened.name[std::min(name.size(), sizeof opened.name - 1)] = 0;
        constexpr int kJournals = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
        opened.is_name_fresh = !exists && (flags & kJournals) != 0;
        if (!exists) note(opened, DiskCall::Kind::create);
        return code;
    }

    static int remove(sqlite3_vfs* vfs, const char* path, int syncs_folder) {
        auto* disk = static_cast<RecordedDisk*>(vfs->pAppData);
        const int code = below(vfs)->xDelete(below(vfs), path, 0);
        if (code != SQLITE_OK || std::filesystem::path(path).parent_path() != disk->folder_) return code;
        const std::string name = std::filesystem::path(path).filename();
        disk->calls_.push_back({DiskCall::Kind::remove, name, 0, {}});
        if (syncs_folder) disk->calls_.push_back({DiskCall::Kind::sync_folder, name, 0, {}});
        return code;
    }
};

RecordedDisk::RecordedDisk(std::string folder, bool has_shared_memory) : folder_(std::move(folder)) {
    sqlite3_vfs* below = sqlite3_vfs_find("unix");
    vfs_ = new sqlite3_vfs(*below);
    vfs_->zName = "recorded-unix";
    vfs_->szOsFile = int(sizeof(DiskFile)) + below->szOsFile;
    vfs_->iVersion = has_shared_memory ? 2 : 1;
    vfs_->pAppData = this;
    vfs_->xOpen = DiskCalls::open;
    vfs_->xDelete = DiskCalls::remove;
    vfs_->pNext = nullptr;
    sqlite3_vfs_register(vfs_, 1);
}

RecordedDisk::~RecordedDisk() {
    sqlite3_vfs_unregister(vfs_);
    sqlite3_vfs_register(sqlite3_vfs_find("unix"), 1);
    delete vfs_;
}

DiskFiles files_of(const std::string& folder) {
    DiskFiles files;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        files[entry.path().filename()] = read_text(entry.path());
    return files;
}

namespace {

// A file's content apart from its name: a name that is used again means another one.
struct Content {
    std::string synced;
    std::vector<const DiskCall*> since;

    static void apply(std::string& bytes, const DiskCall& call) {
        if (call.kind == DiskCall::Kind::truncate) {
            bytes.resize(size_t(call.offset), '\0');
        } else {
            bytes.resize(std::max(bytes.size(), size_t(call.offset) + call.bytes.size()), '\0');
            call.bytes.copy(bytes.data() + call.offset, call.bytes.size());
        }
    }
    void sync() {
        for (const DiskCall* call : since) apply(synced, *call);
        since.clear();
    }
};

// Sectors of a write arrive one by one or not at all; where they lie behind the former end the length may have grown
// without them, and one that was being written may hold anything.
void tear(std::string& bytes, const DiskCall& call, Rng& rng) {
    if (rng.below(2)) bytes.resize(std::max(bytes.size(), size_t(call.offset) + call.bytes.size()), '\0');
    const bool has_garbage = rng.below(8) == 0;
    for (int64_t at = 0, count; at < int64_t(call.bytes.size()); at += count) {
        count = std::min(kSectorBytes - (call.offset + at) % kSectorBytes, int64_t(call.bytes.size()) - at);
        if (rng.below(2)) continue;
        DiskCall sector{DiskCall::Kind::write, call.file, call.offset + at,
                        call.bytes.substr(size_t(at), size_t(count))};
        if (has_garbage && rng.below(4) == 0)
            for (char& byte : sector.bytes) byte = char(rng.next());
        Content::apply(bytes, sector);
    }
}

// How much of what was not synced arrived: nothing, all, all but the last, any part of it.
std::string left_of(const Content& content, Rng& rng) {
    std::string bytes = content.synced;
    const uint64_t way = rng.below(5);
    for (size_t i = 0; i < content.since.size(); ++i) {
        const DiskCall& call = *content.since[i];
        const bool is_last = i + 1 == content.since.size();
        if (way == 0) break;
        if (way == 1 || (way == 2 && !is_last)) {
            Content::apply(bytes, call);
        } else if (call.kind == DiskCall::Kind::truncate) {
            if (rng.below(2)) Content::apply(bytes, call);
        } else if (way == 2 || way == 3 || rng.below(2)) {
            tear(bytes, call, rng);
        }
    }
    return bytes;
}

class Folder {
public:
    explicit Folder(const DiskFiles& before) {
        for (const auto& [name, bytes] : before) {
            now_[name] = synced_[name] = contents_.size();
            contents_.push_back({bytes, {}});
        }
    }

    void play(const DiskCall& call) {
        using Kind = DiskCall::Kind;
        if (call.kind == Kind::create) {
            now_[call.file] = contents_.size();
            contents_.emplace_back();
        } else if (call.kind == Kind::remove) {
            now_.erase(call.file);
        } else if (call.kind == Kind::sync_folder) {
            synced_ = now_;
        } else if (call.kind == Kind::sync) {
            contents_[now_.at(call.file)].sync();
        } else {
            contents_[now_.at(call.file)].since.push_back(&call);
        }
    }

    DiskFiles left(Rng& rng) const {
        DiskFiles files;
        std::set<std::string> names;
        for (const Names* these : {&now_, &synced_})
            for (const auto& [name, content] : *these) names.insert(name);
        for (const std::string& name : names) {
            const Names& these = rng.below(2) ? now_ : synced_;
            if (const auto one = these.find(name); one != these.end())
                files[name] = left_of(contents_[one->second], rng);
        }
        return files;
    }

private:
    using Names = std::map<std::string, size_t>;  // -> contents_
    Names now_, synced_;
    std::vector<Content> contents_;
};

}  // namespace

DiskFiles remains(const DiskFiles& before, const std::vector<DiskCall>& calls, size_t count, Rng& rng) {
    Folder folder(before);
    for (size_t i = 0; i < count; ++i) folder.play(calls[i]);
    return folder.left(rng);
}

}  // namespace hearth::test
