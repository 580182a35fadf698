// Texts that were read before, for prompts that begin like one of them. A tree of pages: every node is up to 64 tokens
// at their absolute place, with the page each group holds for them; texts with the same beginning share its nodes. A
// prompt continues at the deepest usable place:
// - where all layers attend to everything, any token of a kept text (the page it lies in is copied when written to);
// - with sliding windows, where the window's last tokens are still held;
// - with recurrent layers, only where a state was saved.
// The last two need points: a place where a text ended or was marked, which holds the window's pages and a slot.
//
// Texts belong to partitions: a prompt finds those of its own, and of others what their requests made public.
// What is used least recently goes first, leaves before what they stand on; sequences that run take what they need.
// Ends of system texts, from which new conversations go on, outlast what is used by one, up to a quarter of all points.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/cache.h"
#include "cache/marks.h"
#include "cache/prefix_report.h"

namespace hearth {

struct KeepOptions {
    std::string_view partition = {};
    int64_t public_tokens = 0;  // the first so many may be found by every partition
    bool is_callers = false;    // the caller marked this place
    double now = 0;             // seconds
};

class PrefixTree final : public Reclaimer {
public:
    PrefixTree(Cache& cache, int64_t snapshot_every);
    PrefixTree(const PrefixTree&) = delete;
    PrefixTree& operator=(const PrefixTree&) = delete;
    ~PrefixTree() override;

    struct Found {
        std::optional<SequenceId> sequence;  // holds report.cached_tokens of the prompt; none: nothing was found
        PrefixReport report;
    };
    // All but the last token of a prompt may be found, since that must be computed. There must be room for a sequence.
    Found open(std::span<const int32_t> prompt, std::string_view partition, double now);

    // So many open() would find.
    int64_t usable_tokens(std::span<const int32_t> prompt, std::string_view partition);

    // The sequence has read these tokens. They are kept, and what it holds for them twice it shares from now on.
    // With points, they must be all it has read; without a slot to save the state in, nothing happens.
    void keep(SequenceId id, std::span<const int32_t> tokens, const KeepOptions& options) {
        keep(id, tokens, options, false);
    }
    void keep_and_close(SequenceId id, std::span<const int32_t> tokens, const KeepOptions& options) {
        keep(id, tokens, options, true);
    }
    void clear();

    // What a node holds of a group.
    struct Held {
        int32_t page = -1;   // -1: none, a window has passed
        int32_t tokens = 0;  // of the node that stand in it
        int32_t points = 0;  // that need it; only with a window
    };
    // What is held of a text.
    struct Kept {
        struct Point {
            int64_t tokens;
            bool is_callers;
            int32_t slot;
        };
        std::vector<Point> points;             // ascending; without a need of points one at the end
        std::vector<std::vector<Held>> pages;  // per group, as far as the text is known
        int64_t tokens = 0;                    // that are known
    };
    std::optional<Kept> look(std::span<const int32_t> text, std::string_view partition);  // of all of it, or nothing
    Kept look_at_beginning(std::span<const int32_t> text, std::string_view partition);
    // Every text that no other goes on from, used last first.
    struct Text {
        std::vector<int32_t> tokens;
        std::string partition;
        int64_t public_tokens = 0;
    };
    std::vector<Text> texts() const;

    // Whether texts can only be continued at points.
    bool needs_points() const { return needs_points_; }
    // For a prompt of which `begin` tokens are cached: keep() wants to be called after each of these.
    std::vector<Mark> marks(int64_t begin, int64_t prompt_tokens, std::span<const int64_t> callers) const;

    bool give_up_page(int64_t group) override;
    bool give_up_slot() override;

    struct Size {
        int64_t tokens = 0, nodes = 0, points = 0;
    };
    Size size() const;
    // No node repeats what a sibling of its partition holds, and every point has what it needs.
    bool is_sound() const;

private:
    struct Node;
    struct Point {
        Node* node;
        int64_t tokens;  // from the beginning of the text
        int32_t slot;    // -1: no layer is recurrent
        bool is_callers;
        bool is_first;                      // the first of its text that the caller marked: the end of a system text
        std::list<Point*>::iterator place;  // among all points
    };
    struct Node {
        Node* parent = nullptr;
        int64_t begin = 0;
        std::vector<int32_t> tokens;
        std::vector<Held> groups;
        std::vector<std::unique_ptr<Node>> children;
        std::list<Point> points;  // ascending
        std::string partition;
        int64_t public_tokens = 0;  // of this node's
        double kept_at = 0;
        std::list<Node*>::iterator place;  // among all nodes

        int64_t end() const { return begin + int64_t(tokens.size()); }
        bool is_of(std::string_view other) const { return partition == other; }
        int64_t visible_to(std::string_view other) const {
            return is_of(other) ? int64_t(tokens.size()) : public_tokens;
        }
    };
    struct Search;

    void keep(SequenceId id, std::span<const int32_t> tokens, const KeepOptions& options, bool closes);
    void search(Search& search);
    bool resumes(const Node& closest, const Search& search) const;
    int64_t usable_place(const Node& node, int64_t most) const;
    bool has_windows_at(const Node& node, int64_t tokens) const;
    Point* point_at(Node& node, int64_t tokens);
    Node* child_with(Node& parent, std::span<const int32_t> tokens, std::string_view partition) const;
    std::span<const int32_t> next_page(const Node& node, std::span<const int32_t> text) const;
    Point* find_point(std::span<const int32_t> text, std::string_view partition);
    Node& insert(SequenceId id, std::span<const int32_t> tokens, const KeepOptions& options);
    Node& insert_below(Node& parent, SequenceId id, std::span<const int32_t> tokens, const KeepOptions& options);
    void extend(Node& node, SequenceId id, std::span<const int32_t> tokens, double now);
    void share_pages(Node& node, SequenceId id);
    bool take_slot(int32_t& slot, const Point* spared);
    void add_point(Node& node, SequenceId id, int64_t tokens, int32_t slot, bool is_callers);
    void remove_point(Point& point);
    void remove_node(Node& node);
    void trim(Node* node);
    void thin(Node& leaf);
    void use(Node& node);
    template <class Serves>
    Point* least_used_point(Serves serves) const;
    bool frees_page(const Point& point, int64_t group) const;

    Cache& cache_;
    const int64_t snapshot_every_;
    std::vector<int64_t> windows_;  // groups with one
    bool needs_points_ = false;
    Node root_;
    // Used last first. A node is used with all that it stands on, so the last one is a leaf; points count alone.
    std::list<Node*> nodes_;
    std::list<Point*> points_;
    int64_t firsts_ = 0;  // of them
};

}  // namespace hearth
