#include "grammar/measured_texts.h"

#include <algorithm>

namespace hearth::grammar {

namespace {

constexpr uint32_t kNowhere = UINT32_MAX;
constexpr size_t kMostEnds = 1 << 20;  // a node and a number of characters each
constexpr uint32_t kAscii = 128;

}  // namespace

bool MeasuredTexts::is_worth_it(const MeasuredGraph& graph, const Vocabulary& vocabulary) {
    return graph.graph().nodes.size() * (vocabulary.longest() + 1) <= kMostEnds;
}

MeasuredTexts::MeasuredTexts(std::shared_ptr<const MeasuredGraph> graph, const Vocabulary& vocabulary)
    : graph_(std::move(graph)), vocabulary_(vocabulary) {
    const auto& nodes = graph_->graph().nodes;
    ascii_.assign(nodes.size() * kAscii, kNowhere);
    for (size_t node = 0; node < nodes.size(); ++node)
        for (const auto& [codes, target] : nodes[node].edges)
            for (const auto& [low, high] : codes.ranges())
                for (uint32_t code = low; code <= high && code < kAscii; ++code) ascii_[node * kAscii + code] = target;
    bytes_ = 4 * ascii_.capacity();
}

size_t MeasuredTexts::Table::memory_bytes() const {
    return sizeof(Group) * groups.capacity() + 4 * (tokens.capacity() + all.capacity());
}

uint32_t MeasuredTexts::next(uint32_t node, uint32_t code) const {
    if (code < kAscii) return ascii_[node * kAscii + code];
    const auto& edges = graph_->graph().nodes[node].edges;
    const auto edge = std::ranges::find_if(edges, [&](const auto& e) { return e.codes.contains(code); });
    return edge == edges.end() ? kNowhere : edge->target;
}

// A walk of the whole vocabulary, without regard to lengths.
MeasuredTexts::Table MeasuredTexts::make_table(uint32_t start) const {
    struct Level {
        uint32_t node, characters;
        uint32_t code;  // of the character that is not complete
        int missing;    // bytes of it
    };
    const TokenTree& tree = vocabulary_.all();
    const TokenBits& plain = vocabulary_.plain();
    std::vector<Level> levels(vocabulary_.longest() + 1);
    levels[0] = {start, 0, 0, 0};
    Table made;
    made.all.assign(vocabulary_.words(), 0);
    const size_t num_nodes = graph_->graph().nodes.size();
    std::vector<std::vector<uint32_t>> group_at;         // by characters and node
    std::vector<std::pair<uint32_t, uint32_t>> members;  // group, token
    const auto group_of = [&](const Level& level) {
        if (group_at.size() <= level.characters) group_at.resize(level.characters + 1);
        std::vector<uint32_t>& row = group_at[level.characters];
        if (row.empty()) row.assign(num_nodes, kNowhere);
        if (row[level.node] == kNowhere) {
            row[level.node] = uint32_t(made.groups.size());
            made.groups.push_back({level.node, level.characters, 0, 0});
        }
        return row[level.node];
    };
    for (uint32_t i = 0; i < tree.nodes.size();) {
        const TokenTree::Node& node = tree.nodes[i];
        Level level = levels[node.depth - 1u];
        bool is_dead = false;
        if (level.missing > 0) {
            level.code = level.code << 6 | (node.byte & 0x3F);
            is_dead = (node.byte & 0xC0) != 0x80;
            --level.missing;
        } else if (node.byte < 0x80) {
            level.code = node.byte;
            is_dead = node.byte < 0x20 || node.byte == '"' || node.byte == '\\';
        } else {
            level.missing = node.byte >= 0xF0 ? 3 : node.byte >= 0xE0 ? 2 : 1;
            level.code = node.byte & (0x3Fu >> level.missing);
            is_dead = node.byte < 0xC0;
        }
        if (!is_dead && level.missing == 0) {
            level.node = next(level.node, level.code);
            ++level.characters;
            is_dead = level.node == kNowhere || (graph_->most() && level.characters > *graph_->most());
        }
        if (is_dead) {
            i += node.size;
            continue;
        }
        levels[node.depth] = level;
        if (node.token != TokenTree::kNoToken && level.missing == 0)
            vocabulary_.each_token(node, [&](uint32_t id) {
                if (plain[id / 32] >> (id % 32) & 1) members.push_back({group_of(level), id});
            });
        ++i;
    }
    for (const auto& [group, token] : members) ++made.groups[group].end;
    uint32_t begin = 0;
    for (Table::Group& group : made.groups) {
        group.begin = begin;
        begin += group.end;
        group.end = group.begin;
    }
    made.tokens.resize(members.size());
    for (const auto& [group, token] : members) {
        made.tokens[made.groups[group].end++] = token;
        made.all[token / 32] |= 1u << (token % 32);
    }
    return made;
}

const MeasuredTexts::Table& MeasuredTexts::table_of(uint32_t node) {
    if (const auto known = tables_.find(node); known != tables_.end()) return known->second;
    Table made = make_table(node);
    if (bytes_ + made.memory_bytes() > kMostBytes) {
        for (const auto& [unused, table] : tables_) bytes_ -= table.memory_bytes();
        tables_.clear();
    }
    bytes_ += made.memory_bytes();
    return tables_.emplace(node, std::move(made)).first->second;
}

void MeasuredTexts::add_tokens(uint32_t node, uint32_t count, TokenBits& bits) {
    const Table& table = table_of(node);
    const auto is_possible = [&](const Table::Group& group) {
        return graph_->is_possible(group.node, uint64_t(count) + group.characters);
    };
    size_t possible = 0;
    for (const Table::Group& group : table.groups)
        if (is_possible(group)) possible += group.end - group.begin;
    const bool are_most = 2 * possible > table.tokens.size();  // then the others are taken off
    TokenBits found;
    if (are_most) found = table.all;
    for (const Table::Group& group : table.groups) {
        if (is_possible(group) == are_most) continue;
        for (uint32_t at = group.begin; at < group.end; ++at) {
            const uint32_t id = table.tokens[at];
            if (are_most)
                found[id / 32] &= ~(1u << (id % 32));
            else
                bits[id / 32] |= 1u << (id % 32);
        }
    }
    for (size_t word = 0; word < found.size(); ++word) bits[word] |= found[word];
}

}  // namespace hearth::grammar
