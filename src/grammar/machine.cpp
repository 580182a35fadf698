#include "grammar/machine.h"

#include <algorithm>

namespace hearth::grammar {

namespace {

size_t hash_of(std::span<const uint32_t> words) {
    uint64_t hash = 0x9E3779B97F4A7C15u;
    for (const uint32_t word : words) {
        hash = (hash ^ word) * 0xBF58476D1CE4E5B9u;
        hash ^= hash >> 29;
    }
    return size_t(hash);
}

}  // namespace

Machine::Machine(std::shared_ptr<const Network> network)
    : network_(std::move(network)),
      class_of_byte_(network_->class_of_byte.data()),
      num_classes_(network_->num_classes),
      set_table_(64, kUnknown),
      rule_starts_(network_->rules.size(), kUnknown),
      stack_table_(64, kUnknown),
      marks_(network_->positions.size(), 0) {
    for (const Network::Measured& text : network_->measured)
        text_sets_.emplace_back(text.graph->graph().nodes.size(), kUnknown);
    uint32_t highest = 0;
    for (const Network::Position& position : network_->positions)
        if (position.height != kNone) highest = std::max(highest, position.height);
    safe_levels_ = network_->most_levels > highest ? network_->most_levels - highest : 0;
    stacks_.push_back({kNone, 0, 0, 0, 0});  // the root is in no table: nothing pushes it
}

size_t Machine::memory_bytes() const {
    size_t texts = 0;
    for (const auto& sets : text_sets_) texts += sets.capacity();
    return set_bytes_ + texts * 4 + rows_.capacity() * 4 + stacks_.capacity() * sizeof(Stack) +
           stack_table_.capacity() * 4 + marks_.capacity() * 4;
}

// The set of what `positions` reach without reading anything, numbered. kDead: no way on from there.
uint32_t Machine::set_of(std::vector<uint32_t>& positions) {
    ++mark_;
    std::vector<uint32_t> stack = std::move(positions), kept;
    positions.clear();
    for (const uint32_t p : stack) marks_[p] = mark_;
    while (!stack.empty()) {
        const uint32_t p = stack.back();
        stack.pop_back();
        const Network::Position& position = network_->positions[p];
        if (position.height == kNone) continue;
        if (position.first_edge != kNone || position.move != Network::Move::none) kept.push_back(p);
        for (uint32_t e = position.first_empty; e != kNone; e = network_->empty_edges[e].next) {
            const uint32_t target = network_->empty_edges[e].target;
            if (marks_[target] == mark_) continue;
            marks_[target] = mark_;
            stack.push_back(target);
        }
    }
    if (kept.empty()) return kDead;
    std::ranges::sort(kept);
    size_t slot = hash_of(kept) & (set_table_.size() - 1);
    while (set_table_[slot] != kUnknown) {
        if (sets_[set_table_[slot]].positions == kept) return set_table_[slot];
        slot = (slot + 1) & (set_table_.size() - 1);
    }
    const size_t cost = sizeof(Set) + 4 * (kept.capacity() + num_classes_ + 2);
    if (set_bytes_ + cost > kMostSetBytes) {
        is_exhausted_ = is_full_ = true;
        return kDead;
    }
    set_bytes_ += cost;
    const uint32_t id = uint32_t(sets_.size());
    set_table_[slot] = id;
    sets_.emplace_back();
    rows_.resize(rows_.size() + num_classes_, kUnknown);
    if (2 * sets_.size() > set_table_.size()) {
        std::vector<uint32_t> larger(2 * set_table_.size(), kUnknown);
        sets_[id].positions = kept;
        for (uint32_t other = 0; other < sets_.size(); ++other) {
            size_t free = hash_of(sets_[other].positions) & (larger.size() - 1);
            while (larger[free] != kUnknown) free = (free + 1) & (larger.size() - 1);
            larger[free] = other;
        }
        set_table_ = std::move(larger);
    }
    Set made;  // calls of one rule share their frame
    for (const uint32_t p : kept) {
        const Network::Position& position = network_->positions[p];
        made.height = std::min(made.height, position.height);
        made.is_level |= position.is_level;
        for (uint32_t e = position.first_edge; e != kNone; e = network_->edges[e].next) {
            const Network::Edge& edge = network_->edges[e];
            if (network_->positions[edge.target].height == kNone) continue;
            for (int byte = edge.low; byte <= edge.high; ++byte) made.bytes.set(size_t(byte));
            made.moves = true;
        }
        switch (position.move) {
            case Network::Move::accept:
                made.accepts = true;
                break;
            case Network::Move::call:
            case Network::Move::loop:
            case Network::Move::text: {
                auto call = std::ranges::find_if(made.calls, [&](const Call& other) {
                    return other.move == position.move && other.index == position.index;
                });
                if (call == made.calls.end()) call = made.calls.insert(call, Call{position.index, position.move, {}});
                call->targets.push_back(position.target);
                break;
            }
            case Network::Move::token:
                made.tokens.push_back({position.index, position.target});
                made.moves = true;
                break;
            case Network::Move::character:
                made.characters.push_back(position.index);
                break;
            case Network::Move::within:
                if (!std::ranges::count(made.begun, position.index)) made.begun.push_back(position.index);
                break;
            case Network::Move::none:
                break;
        }
    }
    made.is_plain = made.calls.empty() && !made.accepts && made.characters.empty() && made.begun.empty();
    made.is_within = made.calls.empty() && !made.accepts && made.characters.empty() && !made.begun.empty();
    made.only_accepts = made.accepts && made.calls.empty() && made.characters.empty() && !made.moves;
    made.positions = std::move(kept);
    sets_[id] = std::move(made);
    return id;
}

uint32_t Machine::start_set(RuleId rule) {
    if (rule_starts_[rule] == kUnknown) {
        std::vector<uint32_t> positions{network_->rules[rule].start};
        rule_starts_[rule] = set_of(positions);
    }
    return rule_starts_[rule];
}

uint32_t Machine::set_at(uint32_t position) {
    std::vector<uint32_t> positions{position};
    return set_of(positions);
}

std::optional<uint32_t> Machine::node_of(const Configuration& c) const {
    const Network::Measured& text = network_->measured[stacks_[c.stack].what & ~kIsText];
    // The places of nodes were made before what leads from one to another.
    const uint32_t place = sets_[c.set].positions.front() - text.first;
    return place < text.graph->graph().nodes.size() ? std::optional(place) : std::nullopt;
}

uint32_t Machine::find_next(uint32_t set, uint8_t byte) {
    gathered_.clear();
    ++mark_;
    for (const uint32_t p : sets_[set].positions)
        for (uint32_t e = network_->positions[p].first_edge; e != kNone; e = network_->edges[e].next) {
            const Network::Edge& edge = network_->edges[e];
            if (edge.low > byte || edge.high < byte || marks_[edge.target] == mark_) continue;
            marks_[edge.target] = mark_;
            gathered_.push_back(edge.target);
        }
    const uint32_t found = gathered_.empty() ? kDead : set_of(gathered_);
    if (!is_exhausted_) rows_[size_t(set) * num_classes_ + class_of_byte_[byte]] = found;
    return found;
}

size_t Machine::slot_of(const Stack& stack) const {
    const uint32_t words[] = {stack.parent, stack.what, stack.count};
    size_t slot = hash_of(words) & (stack_table_.size() - 1);
    while (stack_table_[slot] != kUnknown) {
        const Stack& other = stacks_[stack_table_[slot]];
        if (other.parent == stack.parent && other.what == stack.what && other.count == stack.count &&
            other.levels == stack.levels)
            break;
        slot = (slot + 1) & (stack_table_.size() - 1);
    }
    return slot;
}

void Machine::rehash(size_t slots) {
    stack_table_.assign(slots, kUnknown);
    for (uint32_t id = 1; id < stacks_.size(); ++id) stack_table_[slot_of(stacks_[id])] = id;
}

uint32_t Machine::push(uint32_t parent, uint32_t what, uint32_t count, bool is_level) {
    const Stack made{parent, what, count, stacks_[parent].levels + (is_level ? 1 : 0), stacks_[parent].depth + 1};
    most_levels_seen_ = std::max(most_levels_seen_, made.levels);
    const size_t slot = slot_of(made);
    if (stack_table_[slot] != kUnknown) return stack_table_[slot];
    const uint32_t id = uint32_t(stacks_.size());
    stack_table_[slot] = id;
    stacks_.push_back(made);
    if (2 * stacks_.size() > stack_table_.size()) rehash(2 * stack_table_.size());
    return id;
}

// Newest first, so each removal undoes the latest insertion into its run of slots.
void Machine::drop_to(uint32_t mark) {
    while (stacks_.size() > mark) {
        stack_table_[slot_of(stacks_.back())] = kUnknown;
        stacks_.pop_back();
    }
}

void Machine::collect(const std::vector<std::vector<Configuration>*>& roots) {
    std::vector<bool> is_used(stacks_.size(), false);
    is_used[kRootStack] = true;
    for (const auto* root : roots)
        for (const Configuration& c : *root)
            for (uint32_t id = c.stack; !is_used[id]; id = stacks_[id].parent) is_used[id] = true;
    std::vector<uint32_t> moved(stacks_.size(), 0);
    std::vector<Stack> kept{stacks_[0]};
    for (uint32_t id = 1; id < stacks_.size(); ++id) {  // parents are older than their children
        if (!is_used[id]) continue;
        moved[id] = uint32_t(kept.size());
        Stack stack = stacks_[id];
        stack.parent = moved[stack.parent];
        kept.push_back(stack);
    }
    for (auto* root : roots)
        for (Configuration& c : *root) c.stack = moved[c.stack];
    stacks_ = std::move(kept);
    size_t slots = 64;
    while (slots < 2 * stacks_.size()) slots *= 2;
    rehash(slots);
}

void Machine::plan(uint32_t set, uint32_t stack, uint32_t fresh) {
    if (set == kDead || sets_[set].height + stacks_[stack].levels > network_->most_levels) return;
    const Pending made{set, stack, fresh};
    work_ += int64_t(pending_.size()) / kCheapPending;
    if (std::ranges::find(pending_, made) != pending_.end()) return;
    if (pending_.size() >= kMostConfigurations) {
        is_exhausted_ = true;
        return;
    }
    pending_.push_back(made);
}

// Begins another round where one may follow; whether the loop may as well end before it.
bool Machine::begin_round(uint32_t loop_id, uint32_t stack, uint32_t count, uint32_t fresh) {
    const Network::Loop& loop = network_->loops[loop_id];
    if (count < loop.most) {
        // Beyond `least` an endless loop needs no exact count.
        const uint32_t kept = loop.most == kNone ? std::min(count, loop.least) : count;
        plan(start_set(loop.rule), push(stack, loop_id | kIsLoop, kept, false), fresh + 1);
    }
    return count >= loop.least || network_->rules[loop.rule].can_be_empty;
}

// The end of a rule: on to what its caller does next. Loops in last place end together, as many as are nested.
void Machine::leave(uint32_t stack, uint32_t fresh, bool& may_end) {
    for (;;) {
        const Stack frame = stacks_[stack];
        least_depth_read_ = std::min(least_depth_read_, frame.depth);
        ++work_;
        if (stack == kRootStack) {
            may_end = true;
            return;
        }
        if (!(frame.what & kIsLoop)) return plan(frame.what, frame.parent, fresh ? fresh - 1 : 0);
        if (fresh > 0) return;  // an empty round adds nothing
        if (!begin_round(frame.what & ~kIsLoop, frame.parent, frame.count + 1, 0)) return;
        stack = frame.parent;
    }
}

// Where a call returns to is found when it is first made: a long row of calls would nest as deep here.
Machine::ResolvedCall Machine::resolved_call(uint32_t set, size_t number) {
    if (sets_[set].calls[number].then == kUnknown) {
        std::vector<uint32_t> targets = sets_[set].calls[number].targets;
        const uint32_t then = set_of(targets);
        if (then == kDead)
            return {0, Network::Move::none, kDead};  // out of memory: positions that lead nowhere are no targets
        sets_[set].calls[number].then = sets_[then].only_accepts ? kTail : then;
    }
    const Call& call = sets_[set].calls[number];
    return {call.index, call.move, call.then};
}

// Whether some character that has begun leads to where an end is possible.
bool Machine::may_become(uint32_t set, uint32_t stack) {
    note_read(stack);
    const Stack& frame = stacks_[stack];
    const MeasuredGraph& graph = *network_->measured[frame.what & ~kIsText].graph;
    const uint32_t count = graph.next_count(frame.count);
    return std::ranges::any_of(sets_[set].begun, [&](uint32_t node) { return graph.is_possible(node, count); });
}

// A text of a length has come to a node: on from there, and to its end, where either is possible.
void Machine::arrive(const TextPlace& at, bool& may_end) {
    const Network::Measured& text = network_->measured[at.text];
    ++work_;
    if (text.graph->goes_on(at.node, at.count)) {
        uint32_t& set = text_sets_[at.text][at.node];
        if (set == kUnknown) {
            const uint32_t found = set_at(text.first + at.node);
            if (found == kDead) return;  // out of memory
            set = found;
        }
        plan(set, push(at.below, at.text | kIsText, at.count, false), at.fresh + 1);
    }
    if (text.graph->may_end(at.node, at.count)) leave(at.below, at.fresh, may_end);
}

bool Machine::close(size_t begin, std::vector<Configuration>& out) {
    bool may_end = false;
    for (size_t i = 0; i < pending_.size(); ++i) {
        const Pending now = pending_[i];
        if (sets_[now.set].moves) {
            const Configuration made{now.set, now.stack};
            if (std::find(out.begin() + ptrdiff_t(begin), out.end(), made) == out.end()) out.push_back(made);
        }
        if (sets_[now.set].accepts) leave(now.stack, now.fresh, may_end);
        for (size_t c = 0; c < sets_[now.set].characters.size(); ++c) {
            note_read(now.stack);
            const Stack frame = stacks_[now.stack];
            const uint32_t text = frame.what & ~kIsText;
            arrive({.text = text,
                    .node = sets_[now.set].characters[c],
                    .count = network_->measured[text].graph->next_count(frame.count),
                    .below = frame.parent,
                    .fresh = 0},
                   may_end);
        }
        for (size_t c = 0; c < sets_[now.set].calls.size(); ++c) {
            const auto [index, move, then] = resolved_call(now.set, c);
            if (then == kDead) continue;
            // A call is not made where what follows it would have no room.
            if (then != kTail && sets_[then].height + stacks_[now.stack].levels > network_->most_levels) continue;
            uint32_t stack = now.stack, fresh = now.fresh;
            if (then != kTail) {
                stack = push(stack, then, 0, sets_[now.set].is_level);
                ++fresh;
            }
            if (move == Network::Move::call) {
                plan(start_set(index), stack, fresh);
            } else if (move == Network::Move::text) {
                const uint32_t start = network_->measured[index].graph->graph().start;
                arrive({.text = index, .node = start, .count = 0, .below = stack, .fresh = fresh}, may_end);
            } else if (begin_round(index, stack, 0, fresh)) {
                leave(stack, fresh, may_end);
            }
        }
    }
    return may_end;
}

bool Machine::start(std::vector<Configuration>& out) {
    pending_.clear();
    plan(start_set(network_->root), kRootStack, 0);
    return close(out.size(), out);
}

bool Machine::step_all(std::span<const Configuration> from, uint8_t byte, std::vector<Configuration>& out) {
    pending_.clear();
    // `out` may be what `from` looks into, and grows only in close().
    for (const Configuration& c : from) {
        const uint32_t set = next(c.set, byte);
        if (set != kDead && (!sets_[set].is_within || may_become(set, c.stack))) plan(set, c.stack, 0);
    }
    return close(out.size(), out);
}

bool Machine::takes_tokens(std::span<const Configuration> from) const {
    return std::ranges::any_of(from, [&](const Configuration& c) { return !sets_[c.set].tokens.empty(); });
}

bool Machine::step_token(std::span<const Configuration> from, int32_t id, std::vector<Configuration>& out) {
    pending_.clear();
    for (const Configuration& c : from)
        for (const TokenMove move : std::vector(sets_[c.set].tokens))
            if (terminal_bits_[move.terminal][size_t(id) / 32] >> (id % 32) & 1) {
                plan(set_at(move.target), c.stack, 0);
            }
    return close(out.size(), out);
}

Bytes Machine::next_bytes(std::span<const Configuration> from) const {
    Bytes bytes;
    for (const Configuration& c : from) bytes |= sets_[c.set].bytes;
    return bytes;
}

std::optional<uint8_t> Machine::only_byte(std::span<const Configuration> from) {
    const Bytes bytes = next_bytes(from);
    const auto is_text = [&](const Configuration& c) { return (stacks_[c.stack].what & kIsText) != 0; };
    const size_t first = bytes._Find_first();
    if (bytes.count() == 1) return uint8_t(first);
    std::optional<uint8_t> only;
    if (std::ranges::none_of(from, is_text)) return only;
    std::vector<Configuration> after;
    for (size_t byte = first; byte < bytes.size(); byte = bytes._Find_next(byte)) {
        after.clear();
        if (!step(from, uint8_t(byte), after) && after.empty()) continue;
        if (only) return std::nullopt;
        only = uint8_t(byte);
    }
    return only;
}

}  // namespace hearth::grammar
