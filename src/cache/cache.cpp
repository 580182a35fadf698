#include "cache/cache.h"

#include <algorithm>
#include <cassert>

namespace hearth {

namespace {
int64_t pages_for(int64_t tokens) {
    return (tokens + kPageTokens - 1) / kPageTokens;
}

// Pages one sequence can hold of a group: a window needs its own tokens, one step more, and two partly used pages.
int64_t pages_per_sequence(const KvGeometry& geometry, const CacheOptions& options) {
    const int64_t all = pages_for(options.context_tokens);
    if (geometry.window == 0) return all;
    return std::min(all, pages_for(geometry.window + options.step_tokens) + 2);
}

// First page that the query after `length` tokens still sees: it looks at keys above length - window.
int64_t first_reachable_page(const KvGeometry& geometry, int64_t length) {
    return geometry.window == 0 ? 0 : std::max<int64_t>(0, length - geometry.window + 1) / kPageTokens;
}

// A snapshot shares the pages of its sequence for as long as that one holds them, and owns at most its last one. Pages
// that a window leaves behind are the snapshot's alone.
int64_t pages_of_group(const KvGeometry& geometry, const CacheOptions& options) {
    if (options.one_step) return pages_for(options.step_tokens) + options.sequences;
    const int64_t each = pages_per_sequence(geometry, options);
    return each * options.sequences + (geometry.window > 0 ? each : 1) * options.snapshots;
}

// Page numbers are int32, and the bookkeeping takes 8 bytes a page: no more than half a gigabyte of it.
constexpr int64_t kMostPages = int64_t{1} << 26;
}  // namespace

Result<std::unique_ptr<Cache>> Cache::make(Backend& backend, std::span<const LayerNeeds> needs,
                                           const CacheOptions& options) {
    std::unique_ptr<Cache> cache(new Cache(backend));
    cache->options_ = options;
    TRY(cache->allocate(needs));
    return cache;
}

double Cache::kv_bytes(const Backend& backend, std::span<const LayerNeeds> needs, const CacheOptions& options) {
    double bytes = 0;
    std::vector<KvGeometry> counted;
    for (const LayerNeeds& layer : needs) {
        if (!layer.kv) continue;
        if (options.one_step && std::ranges::find(counted, *layer.kv) != counted.end()) continue;
        counted.push_back(*layer.kv);
        bytes += double(pages_of_group(*layer.kv, options)) * double(backend.kv_page_bytes(*layer.kv, options.kv_type));
    }
    return bytes;
}

Result<> Cache::allocate(std::span<const LayerNeeds> needs) {
    const int64_t entries = options_.sequences + options_.snapshots;
    for (int64_t layer = 0; layer < int64_t(needs.size()); ++layer) {
        const auto& kv = needs[size_t(layer)].kv;
        if (!kv) continue;
        auto group = std::ranges::find(groups_, *kv, &Group::geometry);
        if (group == groups_.end()) group = groups_.insert(groups_.end(), Group{*kv, {}, PagePool(), {}});
        group->layers.push_back(layer);
    }

    kv_layers_.reserve(needs.size());  // LayerState points into it
    state_buffers_.resize(needs.size());
    layers_.resize(needs.size());
    for (size_t g = 0; g < groups_.size(); ++g) {
        Group& group = groups_[g];
        const int64_t layer_bytes = backend_.kv_page_bytes(group.geometry, options_.kv_type);
        const int64_t page_bytes = options_.one_step ? layer_bytes : layer_bytes * int64_t(group.layers.size());
        const int64_t pages = pages_of_group(group.geometry, options_);
        if (pages > kMostPages)
            return fail(ErrorKind::out_of_memory,
                        fmt::format("{} sequences of {} tokens are more than a cache can hold", options_.sequences,
                                    options_.context_tokens),
                        "use a smaller --ctx");
        group.pool = PagePool(int32_t(pages));
        group.memory = TRY(backend_.allocate(pages * page_bytes, MemoryUse::kv));
        for (size_t i = 0; i < group.layers.size(); ++i) {
            std::byte* base = group.memory->address;
            if (base && !options_.one_step) base += int64_t(i) * layer_bytes;
            kv_layers_.push_back({group.geometry, options_.kv_type, int(g), base, page_bytes});
            layers_[size_t(group.layers[i])].kv = &kv_layers_.back();
        }
    }
    for (size_t layer = 0; layer < needs.size(); ++layer) {
        for (const int64_t floats : needs[layer].state_floats) {
            const int64_t stride = (floats + 15) / 16 * 16;
            DeviceMemory memory = TRY(backend_.allocate(entries * stride * int64_t(sizeof(float)), MemoryUse::state));
            state_buffers_[layer].push_back({reinterpret_cast<float*>(memory->address), stride, floats});
            state_memory_.push_back(std::move(memory));
        }
        layers_[layer].recurrent = state_buffers_[layer];
        if (const int64_t owner = needs[layer].shares_kv_of; owner >= 0) {
            assert(!options_.one_step);  // there, an owner's keys are gone after its turn
            assert(!needs[layer].kv && owner < int64_t(layer) && needs[size_t(owner)].kv);
            layers_[layer].kv = layers_[size_t(owner)].kv;
        }
    }
    sequences_.resize(size_t(entries));
    for (int64_t slot = entries - 1; slot >= 0; --slot) free_slots_.push_back(int32_t(slot));
    return {};
}

Result<int32_t> Cache::open_entry(bool snapshot) {
    const int64_t begin = snapshot ? options_.sequences : 0;
    const int64_t end = snapshot ? int64_t(sequences_.size()) : options_.sequences;
    for (int64_t id = begin; id < end; ++id) {
        Entry& entry = sequences_[size_t(id)];
        if (entry.open) continue;
        entry = Entry{.open = true, .started = false, .length = 0, .slot = free_slots_.back(), .pages = {}};
        entry.pages.resize(groups_.size());
        free_slots_.pop_back();
        return int32_t(id);
    }
    return fail(ErrorKind::out_of_memory,
                fmt::format("all {} {} are in use", end - begin, snapshot ? "snapshots" : "sequences"));
}

Result<SequenceId> Cache::open() {
    return open_entry(false);
}

void Cache::close(SequenceId id) {
    Entry& entry = sequences_[size_t(id)];
    for (size_t g = 0; g < groups_.size(); ++g)
        for (const int32_t page : entry.pages[g])
            if (page >= 0) groups_[g].pool.give(page);
    free_slots_.push_back(entry.slot);
    entry = Entry{};
}

std::unexpected<Error> Cache::out_of_pages(const Entry& entry, int64_t tokens) const {
    return fail(
        ErrorKind::out_of_memory,
        fmt::format("the context holds {} tokens, {} are needed", options_.context_tokens, entry.length + tokens),
        "use a larger --ctx or a shorter prompt");
}

// The last page is written to next: if others read it too, this sequence gets a copy.
Result<> Cache::own_last_page(Group& group, std::vector<int32_t>& pages, int64_t length) {
    if (length % kPageTokens == 0 || pages.empty() || !group.pool.is_shared(pages.back())) return {};
    const int32_t fresh = group.pool.take();
    if (fresh < 0) return fail(ErrorKind::out_of_memory, "no free page is left to continue a shared prefix");
    for (const int64_t layer : group.layers) backend_.copy_page(*layers_[size_t(layer)].kv, pages.back(), fresh);
    group.pool.give(pages.back());
    pages.back() = fresh;
    return {};
}

Result<> Cache::take_pages(Entry& entry, int64_t tokens, bool skipped) {
    const int64_t length = entry.length + tokens;
    if (length > options_.context_tokens) return out_of_pages(entry, tokens);
    for (size_t g = 0; g < groups_.size(); ++g) {
        std::vector<int32_t>& pages = entry.pages[g];
        TRY(own_last_page(groups_[g], pages, entry.length));
        const int64_t first = skipped ? first_reachable_page(groups_[g].geometry, length) : 0;
        while (int64_t(pages.size()) < pages_for(length)) {
            const bool is_left_behind = int64_t(pages.size()) < first;
            const int32_t page = is_left_behind ? -1 : groups_[g].pool.take();
            if (page < 0 && !is_left_behind)
                return fail(ErrorKind::out_of_memory, "no free page is left in the cache, saved states hold the others",
                            "drop saved states");
            pages.push_back(page);
        }
    }
    return {};
}

Result<> Cache::prepare(SequenceId id, int64_t tokens, SequenceStep& step) {
    Entry& entry = sequences_[size_t(id)];
    TRY(take_pages(entry, tokens, false));
    step.past = entry.length;
    step.tokens = tokens;
    step.pages.assign(entry.pages.begin(), entry.pages.end());
    step.slot_read = entry.started ? entry.slot : -1;
    step.slot_write = entry.slot;
    return {};
}

Result<> Cache::skip(SequenceId id, int64_t tokens) {
    TRY(take_pages(sequences_[size_t(id)], tokens, true));
    commit(id, tokens);
    return {};
}

void Cache::commit(SequenceId id, int64_t tokens) {
    Entry& entry = sequences_[size_t(id)];
    entry.length += tokens;
    entry.started = true;
    free_old_pages(entry);
}

void Cache::free_old_pages(Entry& entry) {
    for (size_t g = 0; g < groups_.size(); ++g) {
        const int64_t unreachable = first_reachable_page(groups_[g].geometry, entry.length);
        for (int64_t i = unreachable - 1; i >= 0 && entry.pages[g][size_t(i)] >= 0; --i) {
            groups_[g].pool.give(entry.pages[g][size_t(i)]);
            entry.pages[g][size_t(i)] = -1;
        }
    }
}

Result<int32_t> Cache::copy(int32_t from, bool snapshot) {
    const int32_t id = TRY(open_entry(snapshot));
    Entry& entry = sequences_[size_t(id)];
    const Entry& source = sequences_[size_t(from)];
    entry.length = source.length;
    entry.started = source.started;
    entry.pages = source.pages;
    // A page that was prepared for tokens that never came is not part of what is shared.
    for (size_t g = 0; g < groups_.size(); ++g) {
        entry.pages[g].resize(size_t(std::min<int64_t>(pages_for(entry.length), int64_t(entry.pages[g].size()))));
        for (const int32_t page : entry.pages[g])
            if (page >= 0) groups_[g].pool.share(page);
    }
    for (const auto& buffers : state_buffers_)
        for (const StateBuffer& buffer : buffers) backend_.copy_state(buffer, source.slot, entry.slot);
    return id;
}

Result<SnapshotId> Cache::save(SequenceId id) {
    return copy(id, true);
}
Result<SequenceId> Cache::restore(SnapshotId id) {
    return copy(id, false);
}
Result<SequenceId> Cache::fork(SequenceId id) {
    return copy(id, false);
}

}  // namespace hearth
