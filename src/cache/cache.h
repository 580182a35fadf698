// What sequences remember between steps: pages of keys and values, in groups of layers with equal geometry, and slots
// of recurrent state. The cache owns the memory and the bookkeeping; it never looks at a number in it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "cache/page_pool.h"
#include "models/model.h"
#include "ops/backend.h"

namespace hearth {

struct CacheOptions {
    KvType kv_type = KvType::f16;
    int64_t context_tokens = 4096;  // most tokens of one sequence
    int64_t step_tokens = 512;      // most tokens one step adds to a sequence
    int64_t sequences = 1;          // most at once
    int64_t snapshots = 0;          // saved states beside them
    // Every sequence is read in one step and closed: there are pages for one step only, and since no layer looks at
    // them after its turn, all layers of a group share them.
    bool one_step = false;
};

using SequenceId = int32_t;
using SnapshotId = int32_t;

class Cache {
public:
    // With a planning backend only the ledger moves.
    static Result<std::unique_ptr<Cache>> make(Backend& backend, std::span<const LayerNeeds> needs,
                                               const CacheOptions& options);

    // What make() would take for keys and values. A float, since contexts come from files and command lines: any number
    // of tokens can be asked about.
    static double kv_bytes(const Backend& backend, std::span<const LayerNeeds> needs, const CacheOptions& options);

    const CacheOptions& options() const { return options_; }
    const LayerState& layer(int64_t index) const { return layers_[size_t(index)]; }
    int64_t groups() const { return int64_t(groups_.size()); }

    Result<SequenceId> open();  // an empty sequence; an error when all are taken
    void close(SequenceId id);  // its pages and its slot return
    int64_t length(SequenceId id) const { return sequences_[size_t(id)].length; }

    // Makes room for `tokens` more and describes the sequence's memory for a step. The spans stay valid until the next
    // call for this sequence.
    Result<> prepare(SequenceId id, int64_t tokens, SequenceStep& step);
    void commit(SequenceId id, int64_t tokens);  // the step was computed: those tokens now belong to the past

    // For dry runs: as if so many tokens had been computed. Pages that a window has left behind are never taken.
    Result<> skip(SequenceId id, int64_t tokens);

    // A copy of the state after the tokens committed so far; pages are shared, the recurrent slot is copied.
    Result<SnapshotId> save(SequenceId id);
    Result<SequenceId> restore(SnapshotId id);  // a new sequence that continues from there
    Result<SequenceId> fork(SequenceId id);
    int64_t snapshot_length(SnapshotId id) const { return sequences_[size_t(id)].length; }
    void drop(SnapshotId id) { close(id); }

    int64_t free_pages(int64_t group) const { return groups_[size_t(group)].pool.free_pages(); }
    int64_t pages(int64_t group) const { return groups_[size_t(group)].pool.pages(); }
    int64_t free_slots() const { return int64_t(free_slots_.size()); }

private:
    struct Group {
        KvGeometry geometry;
        std::vector<int64_t> layers;
        PagePool pool;
        DeviceMemory memory;
    };
    // A sequence or a snapshot: both are pages, a length and a slot; a snapshot is simply never stepped.
    struct Entry {
        bool open = false;
        bool started = false;  // its slot holds state (not the start of a sequence)
        int64_t length = 0;
        int32_t slot = -1;
        std::vector<std::vector<int32_t>> pages;  // per group
    };

    explicit Cache(Backend& backend) : backend_(backend) {}
    Result<> allocate(std::span<const LayerNeeds> needs);
    Result<int32_t> open_entry(bool snapshot);
    Result<int32_t> copy(int32_t from, bool snapshot);
    Result<> take_pages(Entry& entry, int64_t tokens, bool skipped);
    Result<> own_last_page(Group& group, std::vector<int32_t>& pages, int64_t length);
    void free_old_pages(Entry& entry);
    std::unexpected<Error> out_of_pages(const Entry& entry, int64_t tokens) const;

    Backend& backend_;
    CacheOptions options_;
    std::vector<Group> groups_;
    std::vector<KvLayer> kv_layers_;
    std::vector<std::vector<StateBuffer>> state_buffers_;  // per layer
    std::vector<LayerState> layers_;
    std::vector<DeviceMemory> state_memory_;
    std::vector<Entry> sequences_;  // sequences first, then snapshots
    std::vector<int32_t> free_slots_;
};

}  // namespace hearth
