// Which tokens may come next: a walk of the vocabulary's tree that advances the state byte by byte, and short cuts for
// the places where nearly everything is allowed.
#include <algorithm>
#include <bit>

#include "grammar/mask_cache.h"
#include "grammar/matcher.h"
#include "grammar/measured_texts.h"
#include "grammar/state.h"

namespace hearth::grammar {

namespace {

// Plain text inside a JSON string, byte by byte: 0 between characters, else what is still missing of one. 255: no such
// text.
constexpr uint8_t kNoText = 255;
constexpr uint32_t kWorthAsking = 12;       // nodes of a subtree
constexpr int64_t kMostSteps = 20'000'000;  // of configurations, for one mask
uint8_t next_of_text(uint8_t state, uint8_t byte) {
    const bool continues = byte >= 0x80 && byte <= 0xBF;
    switch (state) {
        case 0:
            if (byte < 0x80) return byte >= 0x20 && byte != '"' && byte != '\\' ? 0 : kNoText;
            if (byte < 0xC2 || byte > 0xF4) return kNoText;
            if (byte < 0xE0) return 1;
            if (byte < 0xF0) return byte == 0xE0 ? 4 : byte == 0xED ? 5 : 2;
            return byte == 0xF0 ? 6 : byte == 0xF4 ? 7 : 3;
        case 1:
        case 2:
        case 3:
            return continues ? uint8_t(state - 1) : kNoText;
        case 4:
            return continues && byte >= 0xA0 ? 1 : kNoText;
        case 5:
            return continues && byte < 0xA0 ? 1 : kNoText;
        case 6:
            return continues && byte >= 0x90 ? 2 : kNoText;
        default:
            return continues && byte < 0x90 ? 2 : kNoText;
    }
}

}  // namespace

// Whether any plain text leads on from the set without a call or an end having to be followed. After a first byte of
// the text, 0: none yet.
bool Constraint::keeps_plain_text(uint32_t set, uint8_t after_byte) {
    if (after_byte == 0 && set < keeps_plain_.size() && keeps_plain_[set]) return keeps_plain_[set] == 2;
    constexpr size_t kMostPlaces = 64;
    std::vector<std::pair<uint8_t, uint32_t>> places{{after_byte ? next_of_text(0, after_byte) : uint8_t(0), set}};
    bool keeps = places[0].first != kNoText;
    for (size_t i = 0; i < places.size() && keeps; ++i)
        for (int byte = 0x20; byte < 256 && keeps; ++byte) {
            const auto [text, now] = places[i];
            const uint8_t next_text = next_of_text(text, uint8_t(byte));
            if (next_text == kNoText) continue;
            const uint32_t next = machine_->next(now, uint8_t(byte));
            keeps = next != Machine::kDead && places.size() < kMostPlaces;
            if (const std::pair place{next_text, next}; keeps && std::ranges::find(places, place) == places.end())
                places.push_back(place);
        }
    if (after_byte == 0) {
        if (keeps_plain_.size() <= set) keeps_plain_.resize(set + 1, 0);
        keeps_plain_[set] = keeps ? 2 : 1;
    }
    return keeps;
}

// Whether the set takes exactly one character, any that is plain text.
bool Constraint::is_one_character(uint32_t set) {
    if (set < one_character_.size() && one_character_[set]) return one_character_[set] == 2;
    std::vector<std::pair<uint8_t, uint32_t>> places{{0, set}};
    bool is_one = true;
    for (size_t i = 0; i < places.size() && is_one; ++i)
        for (int byte = 0x20; byte < 256 && is_one; ++byte) {
            const auto [text, now] = places[i];
            const uint8_t next_text = next_of_text(text, uint8_t(byte));
            if (next_text == kNoText) continue;
            const uint32_t next = machine_->next(now, uint8_t(byte));
            is_one = next != Machine::kDead && places.size() < 64 && (next_text != 0 || machine_->only_accepts(next));
            if (const std::pair place{next_text, next};
                is_one && next_text != 0 && std::ranges::find(places, place) == places.end())
                places.push_back(place);
        }
    if (one_character_.size() <= set) one_character_.resize(set + 1, 0);
    one_character_[set] = is_one ? 2 : 1;
    return is_one;
}

// Where plain text goes on for ever, in one set, but for a few kinds of bytes: those that may become the mark that ends
// it. Now, as the first byte, some others may as well.
const Constraint::TextButFor& Constraint::text_but_for(uint32_t set) {
    if (texts_but_for_.size() <= set || !texts_but_for_[set]) {
        TextButFor found = find_text_but_for(set);  // may make sets
        if (texts_but_for_.size() <= set) texts_but_for_.resize(set + 1);
        texts_but_for_[set] = std::move(found);
    }
    return *texts_but_for_[set];
}

Constraint::TextButFor Constraint::find_text_but_for(uint32_t set) {
    const TextButFor no_such_set{.home = Machine::kDead};
    constexpr size_t kMostPlaces = 64, kMostFirsts = 8;
    TextButFor found{.home = Machine::kDead};
    for (const char letter : {'a', 'q', '0'})
        if (const uint32_t next = machine_->next(set, uint8_t(letter)); next != Machine::kDead)
            // The first: a home is then its own, and looking for it ends.
            if (found.home == Machine::kDead && machine_->next(next, 'a') == next && machine_->next(next, 'q') == next)
                found.home = next;
    const uint32_t home = found.home;
    if (home == Machine::kDead) return no_such_set;
    if (home != set) found.kinds = text_but_for(home).kinds;
    if (home != set && text_but_for(home).home != home) return no_such_set;
    for (int byte = 0x20; byte < 0x80; ++byte) {
        if (next_of_text(0, uint8_t(byte)) == kNoText || machine_->next(set, uint8_t(byte)) == home) continue;
        if (home == set)
            found.kinds |= 1ull << kind_of_byte(uint8_t(byte));
        else
            found.firsts += char(byte);
    }
    if (found.kinds & ~Vocabulary::kListedKinds || found.firsts.size() > kMostFirsts) return no_such_set;
    std::vector<std::pair<uint8_t, uint32_t>> places{{0, set}};
    for (size_t i = 0; i < places.size(); ++i)
        for (int byte = 0x80; byte < 256; ++byte) {
            const auto [text, now] = places[i];
            const uint8_t next_text = next_of_text(text, uint8_t(byte));
            if (next_text == kNoText) continue;
            const uint32_t next = machine_->next(now, uint8_t(byte));
            if (next == Machine::kDead || places.size() >= kMostPlaces || (next_text == 0 && next != home))
                return no_such_set;
            if (const std::pair place{next_text, next};
                next_text != 0 && std::ranges::find(places, place) == places.end())
                places.push_back(place);
        }
    return found;
}

// Whether no plain text but the beginning of one leads on from the configuration: it makes nothing of the others.
bool Constraint::is_short_lived(const Configuration& c) const {
    constexpr int kMostBytes = 100;
    if (machine_->stack(c.stack).levels > machine_->safe_levels()) return false;
    uint32_t set = c.set;
    for (int count = 0; count < kMostBytes && machine_->is_plain(set); ++count) {
        int only = -1;
        for (int byte = 0x20; byte < 256; ++byte) {
            if (!machine_->bytes(set)[size_t(byte)] || next_of_text(0, uint8_t(byte)) == kNoText) continue;
            if (only >= 0 || byte >= 0x80) return false;
            only = byte;
        }
        if (only < 0) return true;
        set = machine_->next(set, uint8_t(only));
        if (set == Machine::kDead) return true;
    }
    return false;
}

bool Constraint::takes(std::span<const Configuration> from, std::string_view bytes) {
    const uint32_t mark = machine_->mark();
    std::vector<Configuration> now(from.begin(), from.end()), after;
    bool may_end = false;
    for (size_t i = 0; i < bytes.size() && !now.empty(); ++i) {
        after.clear();
        may_end = machine_->step(now, uint8_t(bytes[i]), after);
        std::swap(now, after);
        if (now.empty() && i + 1 < bytes.size()) may_end = false;
    }
    machine_->drop_to(mark);
    has_given_up_ |= machine_->is_exhausted();
    const bool is_exhausted = machine_->is_exhausted();
    machine_->forget_exhaustion();
    return !is_exhausted && (!now.empty() || may_end);
}

// Plain tokens at such a set: all but those that begin or hold something else; which of these are taken is tried.
bool Constraint::add_text_but_for(const TextButFor& found, std::span<const Configuration> now, TokenBits& bits) {
    constexpr size_t kMostTokens = 10'000;
    if (found.home == Machine::kDead) return false;
    const Vocabulary& v = *vocabulary_;
    size_t count = 0;
    for (uint64_t rest = found.kinds; rest; rest &= rest - 1) count += v.plain_with(std::countr_zero(rest)).size();
    if (count > kMostTokens) return false;
    TokenBits plain = v.plain();
    const auto clear = [&](uint32_t id) { plain[id / 32] &= ~(1u << (id % 32)); };
    for (uint64_t rest = found.kinds; rest; rest &= rest - 1)
        for (const uint32_t id : v.plain_with(std::countr_zero(rest)))
            if (!takes(now, v.bytes(int32_t(id)))) clear(id);
    const TokenTree& all = v.all();
    for (const char first : found.firsts) {
        const uint32_t begin = all.first_of_byte[uint8_t(first)], end = all.first_of_byte[uint8_t(first) + 1u];
        for (uint32_t t = all.tokens_before[begin]; t < all.tokens_before[end]; ++t) clear(all.tokens[t]);
        walk(all, begin, end, now, plain);
    }
    for (size_t word = 0; word < bits.size(); ++word) bits[word] |= plain[word];
    return true;
}

// Between characters of a text of a length, and of nothing besides: the plain tokens there.
MeasuredTexts* Constraint::measured_texts(const Configuration& c) {
    const Machine::Stack& top = machine_->stack(c.stack);
    if (c.stack == Machine::kRootStack || !(top.what & Machine::kIsText)) return nullptr;
    const auto& [first, graph, is_apart] = machine_->network().measured[top.what & ~Machine::kIsText];
    if (!is_apart || !machine_->node_of(c) || !MeasuredTexts::is_worth_it(*graph, *vocabulary_)) return nullptr;
    if (!measured_.contains(graph.get())) {
        size_t bytes = 0;
        for (const auto& [unused, texts] : measured_) bytes += texts->memory_bytes();
        if (bytes > 2 * MeasuredTexts::kMostBytes) measured_.clear();
    }
    auto& texts = measured_[graph.get()];
    if (!texts) texts = std::make_unique<MeasuredTexts>(graph, *vocabulary_);
    return texts.get();
}

// The kinds of bytes of which all lead to one and the same set: to this one, else to where letters or digits lead.
Constraint::Run Constraint::run_of(uint32_t set) {
    if (set >= runs_.size()) runs_.resize(set + 1, {0, kNone});
    if (runs_[set].next != kNone) return runs_[set];
    Run best{0, set};
    for (const uint32_t next : {set, machine_->next(set, 'a'), machine_->next(set, 'A'), machine_->next(set, '0')}) {
        if (next == Machine::kDead || machine_->is_counted(next)) continue;
        Run run{~0ull, next};
        for (int byte = 0; byte < 256; ++byte)
            if (machine_->next(set, uint8_t(byte)) != next) run.kinds &= ~(1ull << kind_of_byte(uint8_t(byte)));
        if (run.kinds & ((1ull << 1) | (1ull << 2) | (1ull << 3) | (1ull << 11))) {  // letters, digits, the blank
            best = run;
            break;
        }
    }
    // Kinds that no byte has stay set above; they are below no node.
    return runs_[set] = best;
}

// Whether the set takes all that is below a node: every byte that occurs there leads on, as deep as it goes.
bool Constraint::takes_all(uint32_t set, const TokenTree& tree, uint32_t node) {
    for (int level = tree.levels_below[node]; level > 0; --level) {
        const Run run = run_of(set);
        if (tree.kinds_below[node] & ~run.kinds) return false;
        if (run.next == set) return true;
        set = run.next;
    }
    return true;
}

void Constraint::walk(const TokenTree& tree, uint32_t begin, uint32_t end, std::span<const Configuration> from,
                      TokenBits& bits) {
    if (begin == end) return;
    struct Level {
        size_t begin, end;  // of its configurations
        uint32_t mark;
    };
    std::vector<Configuration> work(from.begin(), from.end());
    std::vector<Level> levels(vocabulary_->longest() + 2);
    const uint32_t base = tree.nodes[begin].depth;
    levels[0] = {0, work.size(), machine_->mark()};
    for (uint32_t i = begin; i < end;) {
        const TokenTree::Node& node = tree.nodes[i];
        const Level& above = levels[node.depth - base];
        work.resize(above.end);
        if (machine_->mark() != above.mark) machine_->drop_to(above.mark);
        const int64_t work_before = machine_->work();
        const bool may_end = machine_->step({work.data() + above.begin, above.end - above.begin}, node.byte, work);
        steps_left_ -= int64_t(above.end - above.begin) + machine_->work() - work_before;
        if (machine_->is_exhausted() || steps_left_ < 0) {
            // What accept() would refuse is not offered; and a mask that would take seconds is cut short.
            machine_->forget_exhaustion();
            has_given_up_ = true;
            if (machine_->is_full() || steps_left_ < 0) break;
            i += node.size;
            continue;
        }
        if (work.size() == above.end && !may_end) {
            i += node.size;
            continue;
        }
        if (node.token != TokenTree::kNoToken)
            vocabulary_->each_token(node, [&](uint32_t id) { bits[id / 32] |= 1u << (id % 32); });
        if (work.size() == above.end) {
            i += node.size;
            continue;
        }
        if (node.size >= kWorthAsking && work.size() == above.end + 1) {
            const Configuration c = work.back();
            if (machine_->stack(c.stack).levels <= machine_->safe_levels() && takes_all(c.set, tree, i)) {
                for (uint32_t t = tree.tokens_before[i]; t < tree.tokens_before[i + node.size]; ++t)
                    bits[tree.tokens[t] / 32] |= 1u << (tree.tokens[t] % 32);
                i += node.size;
                continue;
            }
        }
        levels[node.depth - base + 1] = {above.end, work.size(), machine_->mark()};
        ++i;
    }
    machine_->drop_to(levels[0].mark);
}

void Constraint::compute(const State& state, TokenBits& bits) {
    const std::span<const Configuration> now = state.configurations;
    const Vocabulary& v = *vocabulary_;
    const auto add = [&](const TokenBits& more) {
        for (size_t word = 0; word < bits.size(); ++word) bits[word] |= more[word];
    };
    machine_->each_terminal(now, [&](uint32_t terminal) { add(machine_->terminal_bits(terminal)); });
    // Near the limit of levels a set may be cut off half-way: no short cuts there.
    const auto is_deep = [&](const Configuration& c) {
        return machine_->stack(c.stack).levels > machine_->safe_levels();
    };
    const auto walk_rest = [&] { walk(v.not_plain(), 0, uint32_t(v.not_plain().nodes.size()), now, bits); };
    // Others take no plain text at all: they might take more of it, or lead to more than can be followed.
    const auto is_alone = [&](const Configuration& c) {
        return std::ranges::all_of(now, [&](const Configuration& other) {
            if (other == c) return true;
            for (int byte = 0x20; byte < 256; ++byte)
                if (next_of_text(0, uint8_t(byte)) != kNoText &&
                    machine_->next(other.set, uint8_t(byte)) != Machine::kDead)
                    return false;
            return true;
        });
    };
    // Found out once: whether one lives on does not depend on who asks.
    std::optional<int> long_lived;  // how many, up to two
    const Configuration* survivor = nullptr;
    const auto others_end = [&](const Configuration& c) {
        if (!long_lived) {
            long_lived = 0;
            for (auto one = now.begin(); one != now.end() && *long_lived < 2; ++one)
                if (!is_short_lived(*one)) ++*long_lived, survivor = &*one;
        }
        return *long_lived == 0 || (*long_lived == 1 && *survivor == c);
    };
    for (const Configuration& c : now) {
        if (is_deep(c)) continue;
        if (MeasuredTexts* texts = measured_texts(c); texts && is_alone(c)) {
            machine_->note_read(c.stack);
            texts->add_tokens(*machine_->node_of(c), machine_->stack(c.stack).count, bits);
            return walk_rest();
        }
        if (keeps_plain_text(c.set, 0) && is_alone(c)) {
            add(v.plain());
            return walk_rest();
        }
        if ((others_end(c) || is_alone(c)) && add_text_but_for(text_but_for(c.set), now, bits)) return walk_rest();
        const Machine::Stack& top = machine_->stack(c.stack);
        if (!(top.what & Machine::kIsLoop) || c.stack == Machine::kRootStack) continue;
        const Network::Loop& loop = machine_->network().loops[top.what & ~Machine::kIsLoop];
        if (c.set != machine_->start_set(loop.rule) || !is_one_character(c.set)) continue;
        if (!is_alone(c)) continue;
        machine_->note_read(c.stack);
        if (loop.most == kNone)
            add(v.plain());
        else
            v.add_plain(loop.most - top.count, bits);
        return walk_rest();
    }
    const TokenTree& all = v.all();
    const Bytes possible = machine_->next_bytes(now);
    for (int byte = 0; byte < 256; ++byte) {
        const uint32_t begin = all.first_of_byte[size_t(byte)], end = all.first_of_byte[size_t(byte) + 1];
        if (begin == end || !possible[size_t(byte)]) continue;
        if (const TokenBits& plain = v.plain_from(uint8_t(byte));
            !plain.empty() && now.size() == 1 && !is_deep(now[0])) {
            const uint32_t next = machine_->next(now[0].set, uint8_t(byte));
            if (next != Machine::kDead && keeps_plain_text(next, byte < 0x80 ? 0 : uint8_t(byte))) {
                add(plain);
                const TokenTree& rest = v.not_plain();
                walk(rest, rest.first_of_byte[size_t(byte)], rest.first_of_byte[size_t(byte) + 1], now, bits);
                continue;
            }
        }
        walk(all, begin, end, now, bits);
    }
}

std::shared_ptr<const Mask> Constraint::mask_of(const State& state) {
    TokenBits bits;
    if (state.is_ended) return std::make_shared<Mask>(TokenBits(vocabulary_->words(), 0));
    // The end tokens depend on may_end, which the sets do not tell: they are a configuration of their own.
    std::vector<Configuration> key = state.configurations;
    if (state.may_end) key.push_back({kNone, Machine::kRootStack});
    if (auto known = cache_->find(key)) return known;
    bits.assign(vocabulary_->words(), 0);
    machine_->watch();
    steps_left_ = kMostSteps;
    has_given_up_ = false;
    compute(state, bits);
    if (state.may_end)
        for (const int32_t id : vocabulary_->ends()) bits[size_t(id) / 32] |= 1u << (id % 32);
    auto mask = std::make_shared<const Mask>(std::move(bits));
    if (!machine_->is_exhausted() && !has_given_up_) cache_->add(key, mask);
    machine_->forget_exhaustion();
    return mask;
}

}  // namespace hearth::grammar
