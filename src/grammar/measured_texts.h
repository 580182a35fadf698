// Plain tokens (vocabulary.h) inside of texts that match a graph and have a length as well. Near its ends no mask of
// one count serves another. But where a token leads in the graph, and how many characters it adds, does not depend on
// the length: that is found once for each node, and a mask asks which of these ends are possible.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "grammar/measured_graph.h"
#include "grammar/vocabulary.h"

namespace hearth::grammar {

class MeasuredTexts {
public:
    static constexpr size_t kMostBytes = 8 << 20;  // of what is kept

    // False: too large for what it would save.
    static bool is_worth_it(const MeasuredGraph& graph, const Vocabulary& vocabulary);
    MeasuredTexts(std::shared_ptr<const MeasuredGraph> graph, const Vocabulary& vocabulary);
    // Sets the bits of the plain tokens that may come at a node after so many characters.
    void add_tokens(uint32_t node, uint32_t count, TokenBits& bits);
    size_t memory_bytes() const { return bytes_; }

private:
    struct Table {
        struct Group {
            uint32_t node, characters;  // where its tokens lead, and how far
            uint32_t begin, end;
        };
        std::vector<Group> groups;
        std::vector<uint32_t> tokens;  // group by group
        TokenBits all;
        size_t memory_bytes() const;
    };
    const Table& table_of(uint32_t node);
    Table make_table(uint32_t node) const;
    uint32_t next(uint32_t node, uint32_t code) const;

    std::shared_ptr<const MeasuredGraph> graph_;
    const Vocabulary& vocabulary_;
    std::vector<uint32_t> ascii_;  // by node and character: the next node
    std::map<uint32_t, Table> tables_;
    size_t bytes_ = 0;
};

}  // namespace hearth::grammar
