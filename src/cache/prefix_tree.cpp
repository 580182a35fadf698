#include "cache/prefix_tree.h"

#include <algorithm>
#include <cassert>

namespace hearth {

namespace {
int64_t common_tokens(std::span<const int32_t> a, std::span<const int32_t> b) {
    const auto end = std::ranges::mismatch(a, b).in1;
    return int64_t(end - a.begin());
}
}  // namespace

PrefixTree::PrefixTree(Cache& cache, int64_t snapshot_every) : cache_(cache), snapshot_every_(snapshot_every) {
    for (int64_t group = 0; group < cache_.groups(); ++group)
        if (cache_.geometry(group).window > 0) windows_.push_back(group);
    needs_points_ = cache_.has_state() || !windows_.empty();
    cache_.set_reclaimer(this);
}

PrefixTree::~PrefixTree() {
    clear();
    cache_.set_reclaimer(nullptr);
}

void PrefixTree::clear() {
    while (!nodes_.empty()) remove_node(*nodes_.back());
}

std::vector<Mark> PrefixTree::marks(int64_t begin, int64_t prompt_tokens, std::span<const int64_t> callers) const {
    if (!needs_points_) return {};
    return choose_marks(begin, prompt_tokens, callers, snapshot_every_, cache_.options().snapshots);
}

// ---- finding

struct PrefixTree::Search {
    std::span<const int32_t> prompt;
    std::string_view partition;
    Node* node = nullptr;  // where the prompt continues ...
    int64_t tokens = 0;    // ... after so many
    Node* closest = nullptr;
    int64_t common = 0;
};

bool PrefixTree::has_windows_at(const Node& node, int64_t tokens) const {
    return std::ranges::all_of(windows_, [&](int64_t group) {
        const Node* at = &node;
        int64_t needed = tokens - node.begin;
        for (int64_t page = node.begin / kPageTokens; page >= cache_.first_page(group, tokens); --page) {
            if (at->groups[size_t(group)].tokens < needed) return false;
            at = at->parent;
            needed = kPageTokens;
        }
        return true;
    });
}

void PrefixTree::search(Search& search) {
    std::vector<Node*> whole{&root_};  // nodes that the prompt holds to their end
    while (!whole.empty()) {
        Node& parent = *whole.back();
        whole.pop_back();
        const int64_t begin = parent.end();
        const auto rest = search.prompt.subspan(size_t(begin));
        for (const auto& child : parent.children) {
            const int64_t visible = child->visible_to(search.partition);
            if (visible == 0 || rest.empty()) continue;
            const int64_t common = common_tokens(std::span(child->tokens).first(size_t(visible)), rest);
            const bool is_closer = !search.closest || begin + common > search.common ||
                                   (begin + common == search.common && child->kept_at > search.closest->kept_at);
            if (is_closer) search.closest = child.get(), search.common = begin + common;
            const int64_t usable = usable_place(*child, std::min(begin + common, int64_t(search.prompt.size()) - 1));
            if (usable > search.tokens) search.node = child.get(), search.tokens = usable;
            if (common == kPageTokens) whole.push_back(child.get());
        }
    }
}

// The deepest place of the node, up to `most` tokens from the beginning, where a sequence can be opened; 0: none.
int64_t PrefixTree::usable_place(const Node& node, int64_t most) const {
    if (!cache_.has_state() && most > node.begin && has_windows_at(node, most)) return most;
    int64_t usable = 0;
    for (const Point& point : node.points)
        if (point.tokens <= most) usable = point.tokens;
    return usable;
}

int64_t PrefixTree::usable_tokens(std::span<const int32_t> prompt, std::string_view partition) {
    Search search{.prompt = prompt, .partition = partition};
    this->search(search);
    return search.tokens;
}

// Whether what stands a few tokens behind the difference is the same in both, for longer than the frame of a template.
bool PrefixTree::resumes(const Node& closest, const Search& search) const {
    constexpr int64_t kChanged = 48, kSame = 24;
    std::vector<int32_t> kept;
    int64_t from = search.common - closest.begin;
    for (const Node* node = &closest; node && int64_t(kept.size()) < kChanged + kSame; from = 0) {
        const auto visible = std::span(node->tokens).first(size_t(node->visible_to(search.partition)));
        kept.insert(kept.end(), visible.begin() + std::min(from, int64_t(visible.size())), visible.end());
        const Node* next = nullptr;
        for (const auto& child : node->children)
            if (child->visible_to(search.partition) > 0 && (!next || child->kept_at > next->kept_at))
                next = child.get();
        node = next;
    }
    const auto rest = search.prompt.subspan(size_t(search.common));
    for (int64_t i = 0; i < kChanged && i + kSame <= int64_t(kept.size()); ++i)
        for (int64_t j = 0; j < kChanged && j + kSame <= int64_t(rest.size()); ++j)
            if (std::equal(kept.begin() + i, kept.begin() + i + kSame, rest.begin() + j)) return true;
    return false;
}

PrefixTree::Found PrefixTree::open(std::span<const int32_t> prompt, std::string_view partition, double now) {
    Search search{.prompt = prompt, .partition = partition};
    this->search(search);
    Found found{.report = {.prompt_tokens = int64_t(prompt.size()), .common_tokens = search.common}};
    if (const Node* closest = search.closest) {
        const int64_t offset = search.common - closest->begin;
        if (search.common < int64_t(prompt.size()) && offset < closest->visible_to(partition))
            found.report.difference = {.at = search.common,
                                       .prompt_token = prompt[size_t(search.common)],
                                       .kept_token = closest->tokens[size_t(offset)],
                                       .age_seconds = std::max(0.0, now - closest->kept_at),
                                       .resumes = resumes(*closest, search)};
    }
    if (!search.node) return found;

    use(*search.node);
    Point* point = point_at(*search.node, search.tokens);
    if (point) points_.splice(points_.begin(), points_, point->place);
    const int64_t last = search.node->begin / kPageTokens;
    std::vector<std::vector<int32_t>> pages(size_t(cache_.groups()));
    for (int64_t group = 0; group < cache_.groups(); ++group) {
        pages[size_t(group)].assign(size_t(last + 1), -1);
        const Node* at = search.node;
        for (int64_t page = last; page >= cache_.first_page(group, search.tokens); --page, at = at->parent) {
            cache_.share_page(group, at->groups[size_t(group)].page);
            pages[size_t(group)][size_t(page)] = at->groups[size_t(group)].page;
        }
    }
    int32_t slot = -1;
    if (cache_.has_state()) {
        if (take_slot(slot, point)) {
            cache_.copy_state(point->slot, slot);
        } else {  // there is no room for the same state twice: it moves
            slot = std::exchange(point->slot, -1);
            remove_point(*point);
        }
    }
    found.sequence = *cache_.open_at(search.tokens, std::move(pages), slot);
    found.report.cached_tokens = search.tokens;
    return found;
}

// ---- keeping

PrefixTree::Point* PrefixTree::point_at(Node& node, int64_t tokens) {
    const auto point = std::ranges::find(node.points, tokens, &Point::tokens);
    return point == node.points.end() ? nullptr : &*point;
}

// The one that begins with these tokens of a page and may be found by the partition.
PrefixTree::Node* PrefixTree::child_with(Node& parent, std::span<const int32_t> tokens,
                                         std::string_view partition) const {
    for (const auto& child : parent.children)
        if (child->visible_to(partition) >= int64_t(tokens.size()) &&
            std::ranges::equal(std::span(child->tokens).first(tokens.size()), tokens))
            return child.get();
    return nullptr;
}

// The tokens of a text that stand in the page behind a node.
std::span<const int32_t> PrefixTree::next_page(const Node& node, std::span<const int32_t> text) const {
    const auto rest = text.subspan(size_t(node.end()));
    return rest.first(std::min<size_t>(kPageTokens, rest.size()));
}

PrefixTree::Point* PrefixTree::find_point(std::span<const int32_t> text, std::string_view partition) {
    Node* node = &root_;
    while (node && node->end() < int64_t(text.size())) node = child_with(*node, next_page(*node, text), partition);
    return node ? point_at(*node, int64_t(text.size())) : nullptr;
}

void PrefixTree::keep(SequenceId id, std::span<const int32_t> tokens, const KeepOptions& options, bool closes) {
    const int64_t length = int64_t(tokens.size());
    assert(length > 0 && (needs_points_ ? cache_.length(id) == length : cache_.length(id) >= length));
    Point* point = needs_points_ ? find_point(tokens, options.partition) : nullptr;
    int32_t slot = -1;
    bool is_slot_moved = false;
    if (cache_.has_state() && !point) {
        is_slot_moved = closes;
        if (closes)
            slot = cache_.slot_of(id);
        else if (!take_slot(slot, nullptr))
            return;
        else
            cache_.copy_state(cache_.slot_of(id), slot);
    }
    Node& node = insert(id, tokens, options);
    if (point) {
        point->is_callers |= options.is_callers;
        points_.splice(points_.begin(), points_, point->place);
    } else if (needs_points_) {
        add_point(node, id, length, slot, options.is_callers);
    }
    if (is_slot_moved)
        cache_.close_without_slot(id);
    else if (closes)
        cache_.close(id);
    use(node);
    if (needs_points_) thin(node);
}

PrefixTree::Node& PrefixTree::insert(SequenceId id, std::span<const int32_t> tokens, const KeepOptions& options) {
    // Behind this text the node may hold private tokens of another.
    const int64_t public_tokens = std::min(options.public_tokens, int64_t(tokens.size()));
    Node* node = &root_;
    for (int64_t begin = 0; begin < int64_t(tokens.size()); begin += kPageTokens) {
        node = &insert_below(*node, id, next_page(*node, tokens), options);
        if (node->is_of(options.partition))
            node->public_tokens = std::max(node->public_tokens, std::min(public_tokens - begin, kPageTokens));
    }
    return *node;
}

PrefixTree::Node& PrefixTree::insert_below(Node& parent, SequenceId id, std::span<const int32_t> tokens,
                                           const KeepOptions& options) {
    if (Node* child = child_with(parent, tokens, options.partition)) {
        if (int64_t(tokens.size()) == kPageTokens) share_pages(*child, id);
        return *child;
    }
    for (const auto& child : parent.children) {
        if (!child->is_of(options.partition) || child->tokens.size() > tokens.size()) continue;
        if (!std::ranges::equal(child->tokens, tokens.first(child->tokens.size()))) continue;
        extend(*child, id, tokens, options.now);
        return *child;
    }
    auto made = std::make_unique<Node>();
    made->parent = &parent;
    made->begin = parent.end();
    made->partition = options.partition;
    made->groups.resize(size_t(cache_.groups()));
    Node& node = *parent.children.emplace_back(std::move(made));
    node.place = nodes_.insert(nodes_.begin(), &node);
    extend(node, id, tokens, options.now);
    return node;
}

// Windows apart, whose pages belong to points.
void PrefixTree::extend(Node& node, SequenceId id, std::span<const int32_t> tokens, double now) {
    node.tokens.assign(tokens.begin(), tokens.end());
    node.kept_at = now;
    for (int64_t group = 0; group < cache_.groups(); ++group) {
        if (cache_.geometry(group).window > 0) continue;
        Held& held = node.groups[size_t(group)];
        const int32_t page = cache_.pages_of(id, group)[size_t(node.begin / kPageTokens)];
        cache_.share_page(group, page);
        if (held.page >= 0) cache_.give_page(group, held.page);
        held = {.page = page, .tokens = int32_t(tokens.size())};
    }
}

// The sequence computed a full page that is kept already: the same bits, so one is enough.
void PrefixTree::share_pages(Node& node, SequenceId id) {
    const int64_t index = node.begin / kPageTokens;
    for (int64_t group = 0; group < cache_.groups(); ++group) {
        const Held& held = node.groups[size_t(group)];
        const int32_t own = cache_.pages_of(id, group)[size_t(index)];
        if (held.tokens == kPageTokens && own >= 0 && own != held.page) cache_.adopt_page(id, group, index, held.page);
    }
}

void PrefixTree::add_point(Node& node, SequenceId id, int64_t tokens, int32_t slot, bool is_callers) {
    for (const int64_t group : windows_) {
        Node* at = &node;
        int64_t needed = tokens - node.begin;
        for (int64_t index = node.begin / kPageTokens; index >= cache_.first_page(group, tokens); --index) {
            Held& held = at->groups[size_t(group)];
            if (held.tokens < needed) {
                const int32_t page = cache_.pages_of(id, group)[size_t(index)];
                cache_.share_page(group, page);
                if (held.page >= 0) cache_.give_page(group, held.page);
                held.page = page;
                held.tokens = int32_t(needed);
            }
            ++held.points;
            at = at->parent;
            needed = kPageTokens;
        }
    }
    const auto after = std::ranges::find_if(node.points, [&](const Point& other) { return other.tokens > tokens; });
    bool is_first = is_callers;
    const auto is_in_front = [&](const Point& other) { return other.is_callers && other.tokens < tokens; };
    for (const Node* at = &node; is_first && at != &root_; at = at->parent)
        is_first = std::ranges::none_of(at->points, is_in_front);
    firsts_ += is_first;
    Point& point = *node.points.insert(after, Point{&node, tokens, slot, is_callers, is_first, {}});
    point.place = points_.insert(points_.begin(), &point);
}

// ---- giving up

void PrefixTree::remove_point(Point& point) {
    Node& node = *point.node;
    for (const int64_t group : windows_) {
        Node* at = &node;
        for (int64_t index = node.begin / kPageTokens; index >= cache_.first_page(group, point.tokens); --index) {
            Held& held = at->groups[size_t(group)];
            if (--held.points == 0) {
                cache_.give_page(group, held.page);
                held = {};
            }
            at = at->parent;
        }
    }
    if (point.slot >= 0) cache_.give_slot(point.slot);
    firsts_ -= point.is_first;
    points_.erase(point.place);
    node.points.remove_if([&](const Point& one) { return &one == &point; });
    trim(&node);
}

// Without a point behind them pages are of no use.
void PrefixTree::trim(Node* node) {
    while (node != &root_ && node->children.empty() && node->points.empty()) {
        Node* parent = node->parent;
        for (int64_t group = 0; group < cache_.groups(); ++group)
            if (const int32_t page = node->groups[size_t(group)].page; page >= 0) cache_.give_page(group, page);
        nodes_.erase(node->place);
        std::erase_if(parent->children, [&](const auto& child) { return child.get() == node; });
        if (!needs_points_) return;
        node = parent;
    }
}

void PrefixTree::remove_node(Node& node) {
    if (node.points.empty()) return trim(&node);
    // The last one takes the node along.
    for (size_t points = node.points.size(); points > 0; --points) remove_point(node.points.back());
}

void PrefixTree::use(Node& node) {
    for (Node* at = &node; at != &root_; at = at->parent) nodes_.splice(nodes_.begin(), nodes_, at->place);
}

// What several texts pass through is left alone.
void PrefixTree::thin(Node& leaf) {
    if (!leaf.children.empty()) return;
    std::vector<Point*> points;
    for (Node* node = &leaf; node != &root_; node = node->parent) {
        for (auto point = node->points.rbegin(); point != node->points.rend(); ++point) points.push_back(&*point);
        if (node->parent->children.size() > 1) break;
    }
    std::ranges::reverse(points);
    std::vector<Mark> marks;
    for (const Point* point : points) marks.push_back({point->tokens, point->is_callers});
    std::vector<Point*> superfluous;
    for (const Mark& mark : superfluous_marks(marks, leaf.end(), snapshot_every_))
        if (Point* point = *std::ranges::find(points, mark.tokens, &Point::tokens); !point->is_first)
            superfluous.push_back(point);
    for (Point* point : superfluous) remove_point(*point);
}

template <class Serves>
PrefixTree::Point* PrefixTree::least_used_point(Serves serves) const {
    constexpr int64_t kOnePointOf = 4;
    const bool spares_firsts = firsts_ * kOnePointOf <= int64_t(points_.size());
    Point* first = nullptr;
    for (auto point = points_.rbegin(); point != points_.rend(); ++point) {
        if (!serves(**point)) continue;
        if (!spares_firsts || !(*point)->is_first) return *point;
        if (!first) first = *point;
    }
    return first;
}

bool PrefixTree::take_slot(int32_t& slot, const Point* spared) {
    while ((slot = cache_.take_free_slot()) < 0) {
        Point* point = least_used_point([&](const Point& one) { return &one != spared; });
        if (!point) return false;
        remove_point(*point);
    }
    return true;
}

bool PrefixTree::give_up_slot() {
    if (!cache_.has_state() || points_.empty()) return false;
    remove_point(*least_used_point([](const Point&) { return true; }));
    return true;
}

bool PrefixTree::frees_page(const Point& point, int64_t group) const {
    const Node* at = point.node;
    for (int64_t index = at->begin / kPageTokens; index >= cache_.first_page(group, point.tokens); --index) {
        const Held& held = at->groups[size_t(group)];
        if (held.points == 1 && cache_.page_users(group, held.page) == 1) return true;
        at = at->parent;
    }
    return false;
}

// Best is what really frees a page; else what stands on such pages goes first.
bool PrefixTree::give_up_page(int64_t group) {
    if (cache_.geometry(group).window > 0) {
        if (points_.empty()) return false;
        Point* point = least_used_point([&](const Point& one) { return frees_page(one, group); });
        remove_point(point ? *point : *least_used_point([](const Point&) { return true; }));
        return true;
    }
    const auto node = std::find_if(nodes_.rbegin(), nodes_.rend(), [&](const Node* one) {
        return one->children.empty() && cache_.page_users(group, one->groups[size_t(group)].page) == 1;
    });
    if (nodes_.empty()) return false;
    remove_node(node == nodes_.rend() ? *nodes_.back() : **node);
    return true;
}

// ---- looking

PrefixTree::Kept PrefixTree::look_at_beginning(std::span<const int32_t> text, std::string_view partition) {
    Kept kept;
    kept.pages.resize(size_t(cache_.groups()));
    const int64_t length = int64_t(text.size());
    for (Node* node = &root_; node->end() < length;) {
        node = child_with(*node, next_page(*node, text), partition);
        if (!node) return kept;
        kept.tokens = std::min(node->end(), length);
        for (int64_t group = 0; group < cache_.groups(); ++group)
            kept.pages[size_t(group)].push_back(node->groups[size_t(group)]);
        for (const Point& point : node->points)
            if (point.tokens <= length) kept.points.push_back({point.tokens, point.is_callers, point.slot});
    }
    return kept;
}

std::optional<PrefixTree::Kept> PrefixTree::look(std::span<const int32_t> text, std::string_view partition) {
    Kept kept = look_at_beginning(text, partition);
    const int64_t length = int64_t(text.size());
    if (kept.tokens < length) return std::nullopt;
    if (!needs_points_) kept.points.push_back({length, false, -1});
    if (kept.points.empty() || kept.points.back().tokens != length) return std::nullopt;
    return kept;
}

std::vector<PrefixTree::Text> PrefixTree::texts() const {
    std::vector<Text> texts;
    for (const Node* leaf : nodes_) {
        if (!leaf->children.empty()) continue;
        std::vector<const Node*> way;
        for (const Node* node = leaf; node != &root_; node = node->parent) way.push_back(node);
        Text& text = texts.emplace_back(Text{{}, leaf->partition, 0});
        for (auto node = way.rbegin(); node != way.rend(); ++node) {
            if (text.public_tokens == (*node)->begin) text.public_tokens += (*node)->public_tokens;
            text.tokens.insert(text.tokens.end(), (*node)->tokens.begin(), (*node)->tokens.end());
        }
        if (needs_points_) text.tokens.resize(size_t(leaf->points.back().tokens));
        text.public_tokens = std::min(text.public_tokens, int64_t(text.tokens.size()));
    }
    return texts;
}

PrefixTree::Size PrefixTree::size() const {
    Size size{.nodes = int64_t(nodes_.size()), .points = int64_t(points_.size())};
    for (const Node* node : nodes_) size.tokens += int64_t(node->tokens.size());
    return size;
}

bool PrefixTree::is_sound() const {
    for (const Node* node : nodes_) {
        if (!node->children.empty() && int64_t(node->tokens.size()) != kPageTokens) return false;
        if (needs_points_ && node->children.empty() && node->points.empty()) return false;
        for (const auto& one : node->parent->children) {
            if (one.get() == node || one->partition != node->partition) continue;
            if (common_tokens(one->tokens, node->tokens) == int64_t(node->tokens.size())) return false;
        }
        for (const Point& point : node->points)
            if (!has_windows_at(*node, point.tokens) || (point.slot >= 0) != cache_.has_state()) return false;
    }
    return true;
}

}  // namespace hearth
