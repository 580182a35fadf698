// Runs a network over bytes: what may come next, and whether the text may end.
//
// A configuration is a set of positions of one rule together with the stack of calls that led there; a state of the
// text is a handful of configurations. Sets of positions are found once and numbered (a lazily built deterministic
// automaton with a row of transitions for each set); stacks are shared, equal ones are the same node. Left recursion
// was refused when the network was built, calls in last place need no frame, so stacks grow only where texts nest.
//
// Not for several threads: matcher.cpp holds the lock.
#pragma once

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "grammar/network.h"

namespace hearth::grammar {

using Bytes = std::bitset<256>;

struct Configuration {
    uint32_t set, stack;
    bool operator==(const Configuration&) const = default;
};

class Machine {
public:
    static constexpr uint32_t kRootStack = 0;
    static constexpr size_t kMostConfigurations = 400;
    static constexpr size_t kMostSetBytes = 96 << 20;

    explicit Machine(std::shared_ptr<const Network> network);

    // Appends what is reached at the very start, before any byte; true when the empty text matches.
    bool start(std::vector<Configuration>& out);
    // Appends what `from` becomes by one byte; true when the text may end there. Nothing appended and false: the byte
    // is not allowed.
    bool step(std::span<const Configuration> from, uint8_t byte, std::vector<Configuration>& out) {
        if (from.size() == 1) {  // by far the usual case: inside one rule
            const uint32_t set = next(from[0].set, byte);
            if (set == kDead) return false;
            const bool is_safe = stacks_[from[0].stack].levels <= safe_levels_;
            if (is_safe && (sets_[set].is_plain || (sets_[set].is_within && may_become(set, from[0].stack)))) {
                out.push_back({set, from[0].stack});
                return false;
            }
        }
        return step_all(from, byte, out);
    }
    // The same for a whole token that is taken by its id, as text or not.
    bool step_token(std::span<const Configuration> from, int32_t id, std::vector<Configuration>& out);
    bool takes_tokens(std::span<const Configuration> from) const;
    // Calls visit(terminal) for each token terminal that may come next.
    template <class Visit>
    void each_terminal(std::span<const Configuration> from, Visit visit) const {
        for (const Configuration& c : from)
            for (const TokenMove& move : sets_[c.set].tokens) visit(move.terminal);
    }
    // For each token terminal the bits of the ids that it stands for.
    void set_terminal_bits(std::vector<std::vector<uint32_t>> bits) { terminal_bits_ = std::move(bits); }
    const std::vector<uint32_t>& terminal_bits(uint32_t terminal) const { return terminal_bits_[terminal]; }

    Bytes next_bytes(std::span<const Configuration> from) const;            // and such as the length of a text forbids
    std::optional<uint8_t> only_byte(std::span<const Configuration> from);  // that leads on, where it is just one

    // More was asked than the limits allow (ambiguity, size): what came back is then too little.
    bool is_exhausted() const { return is_exhausted_; }
    void forget_exhaustion() { is_exhausted_ = false; }
    // What following calls and ends has cost so far, in steps of a configuration: those that go nowhere count too.
    int64_t work() const { return work_; }
    // No further set of positions finds room: every new way is closed from here on.
    bool is_full() const { return is_full_; }

    // Stacks made after a mark can be dropped again; nothing may refer to them then.
    uint32_t mark() const { return uint32_t(stacks_.size()); }
    void drop_to(uint32_t mark);
    // Keeps only the stacks reachable from `roots` and renumbers those.
    void collect(const std::vector<std::vector<Configuration>*>& roots);

    // What the masks' cache must know of stacks (mask_cache.h).
    struct Stack {
        uint32_t parent;
        uint32_t what;   // where to go on, or with one of the top bits the loop or the text of a length
        uint32_t count;  // of a loop: rounds begun before this one; of a text: complete characters
        uint32_t levels, depth;
    };
    static constexpr uint32_t kIsLoop = 1u << 31, kIsText = 1u << 30;
    const Stack& stack(uint32_t id) const { return stacks_[id]; }
    // Since watch(): the least depth of a stack that was read (the outcome depended on nothing below it), and the most
    // levels of one that was made.
    uint32_t least_depth_read() const { return least_depth_read_; }
    uint32_t most_levels_seen() const { return most_levels_seen_; }
    void watch() { least_depth_read_ = kNone, most_levels_seen_ = 0; }
    void note_read(uint32_t stack) { least_depth_read_ = std::min(least_depth_read_, stacks_[stack].depth); }
    uint32_t safe_levels() const { return safe_levels_; }
    const Network& network() const { return *network_; }

    // One transition of the automaton; kDead where there is none. Calls and ends are not followed.
    static constexpr uint32_t kDead = UINT32_MAX - 1;
    uint32_t next(uint32_t set, uint8_t byte) {
        const uint32_t known = rows_[size_t(set) * num_classes_ + class_of_byte_[byte]];
        return known != kUnknown ? known : find_next(set, byte);
    }
    bool is_plain(uint32_t set) const { return sets_[set].is_plain; }
    // Whether more than the set tells if the text goes on from there: the characters before are counted.
    bool is_counted(uint32_t set) const { return sets_[set].is_within || !sets_[set].characters.empty(); }
    const Bytes& bytes(uint32_t set) const { return sets_[set].bytes; }
    bool only_accepts(uint32_t set) const { return sets_[set].only_accepts; }
    // Of a configuration with a text of a length on top: which node of its graph it is at, if at any.
    std::optional<uint32_t> node_of(const Configuration& c) const;
    uint32_t start_set(RuleId rule);
    uint32_t set_at(uint32_t position);  // and what it reaches without a byte
    std::span<const uint32_t> positions(uint32_t set) const { return sets_[set].positions; }
    size_t memory_bytes() const;

private:
    static constexpr uint32_t kUnknown = UINT32_MAX;
    static constexpr uint32_t kTail = UINT32_MAX - 2;
    static constexpr int64_t kCheapPending = 16;  // are looked through in the time of a step
    struct Call {
        uint32_t index;  // rule, loop or text of a length
        Network::Move move;
        std::vector<uint32_t> targets;  // positions to return to
        uint32_t then = kUnknown;       // their set; kTail: nothing is left to do there
    };
    struct TokenMove {
        uint32_t terminal, target;
    };
    struct Set {
        std::vector<uint32_t> positions;  // ascending
        std::vector<Call> calls;
        std::vector<TokenMove> tokens;
        std::vector<uint32_t> characters, begun;  // nodes to which a complete character leads, and a begun one
        Bytes bytes;
        uint32_t height = kNone;
        bool accepts = false;
        bool only_accepts = false;  // and has no other way on
        bool is_plain = false;      // neither calls nor accepts nor counts
        bool is_within = false;     // at or inside of a character that is counted, and nothing else
        bool moves = false;         // has edges for bytes or tokens
        bool is_level = false;      // of a rule that counts
    };
    struct Pending {
        uint32_t set, stack;
        uint32_t fresh;  // frames on top that were pushed since the last byte
        bool operator==(const Pending&) const = default;
    };

    struct TextPlace {
        uint32_t text, node, count;  // characters so far
        uint32_t below, fresh;       // the stack that follows the text, and its frames pushed since the last byte
    };
    struct ResolvedCall {
        uint32_t index;
        Network::Move move;
        uint32_t then;
    };
    ResolvedCall resolved_call(uint32_t set, size_t number);
    uint32_t find_next(uint32_t set, uint8_t byte);
    uint32_t set_of(std::vector<uint32_t>& positions);  // closes them under empty edges
    bool step_all(std::span<const Configuration> from, uint8_t byte, std::vector<Configuration>& out);
    bool close(size_t begin, std::vector<Configuration>& out);  // follows calls and ends from pending_
    void plan(uint32_t set, uint32_t stack, uint32_t fresh);
    bool begin_round(uint32_t loop, uint32_t stack, uint32_t count, uint32_t fresh);
    bool may_become(uint32_t set, uint32_t stack);
    void arrive(const TextPlace& at, bool& may_end);
    void leave(uint32_t stack, uint32_t fresh, bool& may_end);
    uint32_t push(uint32_t parent, uint32_t what, uint32_t count, bool is_level);
    void rehash(size_t slots);
    size_t slot_of(const Stack& stack) const;

    std::shared_ptr<const Network> network_;
    const uint8_t* class_of_byte_;
    uint32_t num_classes_;
    uint32_t safe_levels_ = 0;  // with so few levels no set can be too high

    std::vector<Set> sets_;
    std::vector<uint32_t> rows_;
    std::vector<uint32_t> set_table_;  // open addressing
    std::vector<uint32_t> rule_starts_;
    std::vector<std::vector<uint32_t>> text_sets_;  // by text of a length and node
    size_t set_bytes_ = 0;

    std::vector<Stack> stacks_;
    std::vector<uint32_t> stack_table_;
    std::vector<std::vector<uint32_t>> terminal_bits_;

    std::vector<Pending> pending_;
    std::vector<uint32_t> gathered_, marks_;
    uint32_t mark_ = 0;
    uint32_t least_depth_read_ = kNone, most_levels_seen_ = 0;
    int64_t work_ = 0;
    bool is_exhausted_ = false, is_full_ = false;
};

}  // namespace hearth::grammar
