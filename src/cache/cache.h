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
    int64_t snapshots = 0;          // saved states beside theirs
    int64_t kept_tokens = 0;        // room for so many tokens of texts that no sequence holds any more
    // Every sequence is read in one step and closed: there are pages for one step only, and since no layer looks at
    // them after its turn, all layers of a group share them.
    bool one_step = false;
};

// As much of `bytes` as snapshots and pages can use, beside what `options` ask for already: where a text can only be
// continued at a snapshot, one for every few thousand tokens.
CacheOptions with_kept_bytes(const Backend& backend, std::span<const LayerNeeds> needs, CacheOptions options,
                             int64_t bytes);

using SequenceId = int32_t;

// Holds on to pages and slots without need: what it is asked for when a sequence lacks some. False: it has none.
class Reclaimer {
public:
    virtual ~Reclaimer() = default;
    virtual bool give_up_page(int64_t group) = 0;
    virtual bool give_up_slot() = 0;
};

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
    bool has_room() const;      // for one more sequence
    int64_t length(SequenceId id) const { return sequences_[size_t(id)].length; }

    // Makes room for `tokens` more and describes the sequence's memory for a step. The spans stay valid until the next
    // call for this sequence.
    Result<> prepare(SequenceId id, int64_t tokens, SequenceStep& step);
    void commit(SequenceId id, int64_t tokens);  // the step was computed: those tokens now belong to the past

    // For dry runs: as if so many tokens had been computed. Pages that a window has left behind are never taken.
    Result<> skip(SequenceId id, int64_t tokens);

    // A second sequence that continues from what this one has committed; pages are shared, the recurrent slot is
    // copied.
    Result<SequenceId> fork(SequenceId id);

    // For who keeps texts that nobody reads any more. Pages are counted by reference; a sequence goes on writing behind
    // the tokens that others share of its last page, so what is shared of it ends at its length.
    void set_reclaimer(Reclaimer* reclaimer) { reclaimer_ = reclaimer; }
    bool has_state() const { return !state_memory_.empty(); }  // recurrent layers: a slot per state
    const KvGeometry& geometry(int64_t group) const { return groups_[size_t(group)].geometry; }
    // The first page that the query after `length` tokens still sees.
    int64_t first_page(int64_t group, int64_t length) const;
    std::span<const int32_t> pages_of(SequenceId id, int64_t group) const {
        return sequences_[size_t(id)].pages[size_t(group)];
    }
    void share_page(int64_t group, int32_t page) { groups_[size_t(group)].pool.share(page); }
    void give_page(int64_t group, int32_t page) { groups_[size_t(group)].pool.give(page); }
    int32_t page_users(int64_t group, int32_t page) const { return groups_[size_t(group)].pool.users(page); }
    // A sequence reads this page in place of its own of equal content.
    void adopt_page(SequenceId id, int64_t group, int64_t index, int32_t page);
    int32_t take_free_slot();  // -1: there is none
    void give_slot(int32_t slot) { free_slots_.push_back(slot); }
    int32_t take_slot();  // the same, after asking the reclaimer
    int32_t take_page(int64_t group);
    void copy_state(int32_t from_slot, int32_t to_slot);
    // The bytes of a group's page, or of one part of a slot, and back.
    int64_t page_bytes(int64_t group) const;
    void read_page(int64_t group, int32_t page, std::span<std::byte> to) const;
    void write_page(int64_t group, int32_t page, std::span<const std::byte> from);
    int64_t state_bytes() const;
    int64_t state_parts() const { return int64_t(state_memory_.size()); }
    int64_t state_part_bytes(int64_t part) const { return state_part(part).floats * int64_t(sizeof(float)); }
    void read_state(int32_t slot, int64_t part, std::span<std::byte> to) const;
    void write_state(int32_t slot, int64_t part, std::span<const std::byte> from);
    int32_t slot_of(SequenceId id) const { return sequences_[size_t(id)].slot; }
    void close_without_slot(SequenceId id);  // the slot is now the caller's
    // Takes over one reference to every page, and the slot (-1: any, there is no state in it).
    Result<SequenceId> open_at(int64_t length, std::vector<std::vector<int32_t>> pages, int32_t slot);

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
    struct Entry {
        bool open = false;
        bool started = false;          // its slot holds state (not the start of a sequence)
        bool writes_last_page = true;  // it is the one that took its last page
        int64_t length = 0;
        int32_t slot = -1;
        std::vector<std::vector<int32_t>> pages;  // per group
    };

    explicit Cache(Backend& backend) : backend_(backend) {}
    Result<> allocate(std::span<const LayerNeeds> needs);
    Result<SequenceId> open_entry(int32_t slot);
    const StateBuffer& state_part(int64_t part) const;
    Result<> take_pages(Entry& entry, int64_t tokens, bool skipped);
    Result<> own_last_page(Entry& entry, int64_t group);
    void free_old_pages(Entry& entry);
    std::unexpected<Error> out_of_pages(const Entry& entry, int64_t tokens) const;

    Backend& backend_;
    CacheOptions options_;
    std::vector<Group> groups_;
    std::vector<KvLayer> kv_layers_;
    std::vector<std::vector<StateBuffer>> state_buffers_;  // per layer
    std::vector<LayerState> layers_;
    std::vector<DeviceMemory> state_memory_;
    std::vector<Entry> sequences_;
    std::vector<int32_t> free_slots_;
    Reclaimer* reclaimer_ = nullptr;
};

}  // namespace hearth
