#include "cache/cache.h"

#include <algorithm>
#include <cassert>
#include <cmath>

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

// Pages that a window leaves behind are the snapshot's alone; of others it owns at most its last one.
int64_t pages_per_snapshot(const KvGeometry& geometry, const CacheOptions& options) {
    return geometry.window > 0 ? pages_per_sequence(geometry, options) : 1;
}

int64_t pages_of_group(const KvGeometry& geometry, const CacheOptions& options) {
    if (options.one_step) return pages_for(options.step_tokens) + options.sequences;
    const int64_t kept = geometry.window > 0 ? 0 : pages_for(options.kept_tokens);
    return pages_per_sequence(geometry, options) * options.sequences +
           pages_per_snapshot(geometry, options) * options.snapshots + kept;
}

constexpr int64_t kStateAlignment = 16;  // floats
int64_t state_stride(int64_t floats) {
    return (floats + kStateAlignment - 1) / kStateAlignment * kStateAlignment;
}

// Page numbers are int32, and the bookkeeping takes 8 bytes a page: no more than half a gigabyte of it.
constexpr int64_t kMostPages = int64_t{1} << 26;
}  // namespace

CacheOptions with_kept_bytes(const Backend& backend, std::span<const LayerNeeds> needs, CacheOptions options,
                             int64_t bytes) {
    constexpr int64_t kTokensPerSnapshot = 2048;
    constexpr double kMostSnapshots = 4096;
    double page_bytes = 0, snapshot_bytes = 0;
    bool needs_snapshots = false;
    for (const LayerNeeds& layer : needs) {
        for (const int64_t floats : layer.state_floats) snapshot_bytes += double(state_stride(floats)) * sizeof(float);
        needs_snapshots |= !layer.state_floats.empty() || (layer.kv && layer.kv->window > 0);
        if (!layer.kv) continue;
        const double bytes_of_page = double(backend.kv_page_bytes(*layer.kv, options.kv_type));
        snapshot_bytes += double(pages_per_snapshot(*layer.kv, options)) * bytes_of_page;
        if (layer.kv->window == 0) page_bytes += bytes_of_page;
    }
    double left = double(bytes);
    if (needs_snapshots) {
        const double stretch = snapshot_bytes + page_bytes * double(kTokensPerSnapshot / kPageTokens);
        const double snapshots =
            std::min(std::floor(left / (page_bytes > 0 ? stretch : snapshot_bytes)), kMostSnapshots);
        options.snapshots += int64_t(snapshots);
        left -= snapshots * snapshot_bytes;
    }
    if (page_bytes > 0) options.kept_tokens += int64_t(std::min(left / page_bytes, double(kMostPages))) * kPageTokens;
    return options;
}

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
    const int64_t slots = options_.sequences + options_.snapshots;
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
            const int64_t stride = state_stride(floats);
            DeviceMemory memory = TRY(backend_.allocate(slots * stride * int64_t(sizeof(float)), MemoryUse::state));
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
    sequences_.resize(size_t(options_.sequences));
    for (int64_t slot = slots - 1; slot >= 0; --slot) free_slots_.push_back(int32_t(slot));
    return {};
}

bool Cache::has_room() const {
    return !std::ranges::all_of(sequences_, &Entry::open);
}

int64_t Cache::first_page(int64_t group, int64_t length) const {
    return first_reachable_page(groups_[size_t(group)].geometry, length);
}

Result<SequenceId> Cache::open_entry(int32_t slot) {
    const auto entry = std::ranges::find(sequences_, false, &Entry::open);
    if (entry == sequences_.end())
        return fail(ErrorKind::out_of_memory, fmt::format("all {} sequences are in use", sequences_.size()));
    if (slot < 0) slot = take_slot();
    if (slot < 0) return fail(ErrorKind::out_of_memory, "all states are in use", "drop saved states");
    *entry = Entry{.open = true, .started = false, .writes_last_page = true, .length = 0, .slot = slot, .pages = {}};
    entry->pages.resize(groups_.size());
    return SequenceId(entry - sequences_.begin());
}

Result<SequenceId> Cache::open() {
    return open_entry(-1);
}

Result<SequenceId> Cache::open_at(int64_t length, std::vector<std::vector<int32_t>> pages, int32_t slot) {
    const SequenceId id = TRY(open_entry(slot));
    Entry& entry = sequences_[size_t(id)];
    entry.started = length > 0;
    entry.writes_last_page = false;
    entry.length = length;
    entry.pages = std::move(pages);
    return id;
}

int32_t Cache::take_page(int64_t group) {
    for (;;) {
        const int32_t page = groups_[size_t(group)].pool.take();
        if (page >= 0 || !reclaimer_ || !reclaimer_->give_up_page(group)) return page;
    }
}

int32_t Cache::take_free_slot() {
    if (free_slots_.empty()) return -1;
    const int32_t slot = free_slots_.back();
    free_slots_.pop_back();
    return slot;
}

int32_t Cache::take_slot() {
    for (;;) {
        const int32_t slot = take_free_slot();
        if (slot >= 0 || !reclaimer_ || !reclaimer_->give_up_slot()) return slot;
    }
}

void Cache::copy_state(int32_t from_slot, int32_t to_slot) {
    for (const auto& buffers : state_buffers_)
        for (const StateBuffer& buffer : buffers) backend_.copy_state(buffer, from_slot, to_slot);
}

int64_t Cache::page_bytes(int64_t group) const {
    const Group& of = groups_[size_t(group)];
    return backend_.kv_page_bytes(of.geometry, options_.kv_type) * int64_t(of.layers.size());
}

const StateBuffer& Cache::state_part(int64_t part) const {
    for (const auto& buffers : state_buffers_) {
        if (part < int64_t(buffers.size())) return buffers[size_t(part)];
        part -= int64_t(buffers.size());
    }
    return state_buffers_.back().back();
}

int64_t Cache::state_bytes() const {
    int64_t bytes = 0;
    for (int64_t part = 0; part < state_parts(); ++part) bytes += state_part_bytes(part);
    return bytes;
}

void Cache::read_page(int64_t group, int32_t page, std::span<std::byte> to) const {
    const Group& of = groups_[size_t(group)];
    const size_t each = to.size() / of.layers.size();
    for (size_t i = 0; i < of.layers.size(); ++i)
        backend_.read_page(*layers_[size_t(of.layers[i])].kv, page, to.data() + i * each);
}

void Cache::write_page(int64_t group, int32_t page, std::span<const std::byte> from) {
    const Group& of = groups_[size_t(group)];
    const size_t each = from.size() / of.layers.size();
    for (size_t i = 0; i < of.layers.size(); ++i)
        backend_.write_page(*layers_[size_t(of.layers[i])].kv, page, from.data() + i * each);
}

void Cache::read_state(int32_t slot, int64_t part, std::span<std::byte> to) const {
    backend_.read_state(state_part(part), slot, reinterpret_cast<float*>(to.data()));
}

void Cache::write_state(int32_t slot, int64_t part, std::span<const std::byte> from) {
    backend_.write_state(state_part(part), slot, reinterpret_cast<const float*>(from.data()));
}

void Cache::adopt_page(SequenceId id, int64_t group, int64_t index, int32_t page) {
    int32_t& own = sequences_[size_t(id)].pages[size_t(group)][size_t(index)];
    share_page(group, page);
    give_page(group, own);
    own = page;
}

void Cache::close(SequenceId id) {
    const int32_t slot = sequences_[size_t(id)].slot;
    close_without_slot(id);
    give_slot(slot);
}

void Cache::close_without_slot(SequenceId id) {
    Entry& entry = sequences_[size_t(id)];
    for (size_t g = 0; g < groups_.size(); ++g)
        for (const int32_t page : entry.pages[g])
            if (page >= 0) groups_[g].pool.give(page);
    entry = Entry{};
}

std::unexpected<Error> Cache::out_of_pages(const Entry& entry, int64_t tokens) const {
    return fail(
        ErrorKind::out_of_memory,
        fmt::format("the context holds {} tokens, {} are needed", options_.context_tokens, entry.length + tokens),
        "use a larger --ctx or a shorter prompt");
}

// The last page is written to next. Behind the tokens that others read too only the one sequence that took the page
// may write; any other gets a copy.
Result<> Cache::own_last_page(Entry& entry, int64_t group) {
    std::vector<int32_t>& pages = entry.pages[size_t(group)];
    if (entry.writes_last_page || entry.length % kPageTokens == 0 || pages.empty()) return {};
    if (groups_[size_t(group)].pool.users(pages.back()) == 1) return {};
    const int32_t fresh = take_page(group);
    if (groups_[size_t(group)].pool.users(pages.back()) == 1) {  // the others gave it up
        if (fresh >= 0) give_page(group, fresh);
        return {};
    }
    if (fresh < 0) return fail(ErrorKind::out_of_memory, "no free page is left to continue a shared prefix");
    for (const int64_t layer : groups_[size_t(group)].layers)
        backend_.copy_page(*layers_[size_t(layer)].kv, pages.back(), fresh);
    give_page(group, pages.back());
    pages.back() = fresh;
    return {};
}

Result<> Cache::take_pages(Entry& entry, int64_t tokens, bool skipped) {
    const int64_t length = entry.length + tokens;
    if (length > options_.context_tokens) return out_of_pages(entry, tokens);
    for (size_t g = 0; g < groups_.size(); ++g) {
        std::vector<int32_t>& pages = entry.pages[g];
        TRY(own_last_page(entry, int64_t(g)));
        const int64_t first = skipped ? first_reachable_page(groups_[g].geometry, length) : 0;
        while (int64_t(pages.size()) < pages_for(length)) {
            const bool is_left_behind = int64_t(pages.size()) < first;
            const int32_t page = is_left_behind ? -1 : take_page(int64_t(g));
            if (page < 0 && !is_left_behind) return fail(ErrorKind::out_of_memory, "no free page is left in the cache");
            pages.push_back(page);
        }
    }
    entry.writes_last_page = true;
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

Result<SequenceId> Cache::fork(SequenceId from) {
    const SequenceId id = TRY(open_entry(-1));
    Entry& entry = sequences_[size_t(id)];
    const Entry& source = sequences_[size_t(from)];
    entry.length = source.length;
    entry.started = source.started;
    entry.writes_last_page = false;
    entry.pages = source.pages;
    // A page that was prepared for tokens that never came is not part of what is shared.
    for (size_t g = 0; g < groups_.size(); ++g) {
        entry.pages[g].resize(size_t(std::min<int64_t>(pages_for(entry.length), int64_t(entry.pages[g].size()))));
        for (const int32_t page : entry.pages[g])
            if (page >= 0) groups_[g].pool.share(page);
    }
    copy_state(source.slot, entry.slot);
    return id;
}

}  // namespace hearth
