#include "cache/kept_writer.h"

#include <algorithm>
#include <utility>

namespace hearth {

namespace {

// The newest states of a text, and beside them the first that was asked for, the end of a system text: older ones are
// as large and seldom wanted.
constexpr size_t kMostPoints = 4;

// So many tokens of a page must stand in it for all points of the file that see it.
int64_t tokens_needed(const Cache& cache, const KeptHeader& header, int64_t group, int64_t page) {
    int64_t most = 0;
    for (const Mark& point : header.points)
        if (page >= cache.first_page(group, point.tokens))
            most = std::max(most, std::min(point.tokens - page * kPageTokens, kPageTokens));
    return most;
}

}  // namespace

KeptHeader header_of(const Cache& cache, const PrefixTree::Kept& kept, const PrefixTree::Text& text,
                     const std::string& fingerprint) {
    KeptHeader header{.fingerprint = fingerprint,
                      .partition = text.partition,
                      .public_tokens = text.public_tokens,
                      .tokens = text.tokens};
    const size_t left_out = kept.points.size() - std::min(kept.points.size(), kMostPoints);
    const auto first = std::ranges::find(kept.points, true, &PrefixTree::Kept::Point::is_callers);
    for (size_t i = 0; i < kept.points.size(); ++i)
        if (i >= left_out || i == size_t(first - kept.points.begin()))
            header.points.push_back({kept.points[i].tokens, kept.points[i].is_callers});
    for (int64_t group = 0; group < cache.groups(); ++group) {
        std::vector<int32_t>& pages = header.pages.emplace_back();
        for (const Mark& point : header.points)
            for (int64_t page = cache.first_page(group, point.tokens); page <= (point.tokens - 1) / kPageTokens; ++page)
                if (pages.empty() || pages.back() < page) pages.push_back(int32_t(page));
    }
    return header;
}

KeptLayout layout_of(const Cache& cache, const KeptHeader& header) {
    std::vector<int64_t> page_bytes;
    for (int64_t group = 0; group < cache.groups(); ++group) page_bytes.push_back(cache.page_bytes(group));
    return {header, std::move(page_bytes), cache.has_state() ? cache.state_bytes() : 0};
}

KeptWriter::KeptWriter(Cache& cache, PrefixTree& tree, PrefixTree::Text text, KeptHeader header,
                       const std::string& path, NewFile file)
    : cache_(cache),
      tree_(tree),
      text_(std::move(text)),
      header_(std::move(header)),
      header_sum_(header_sum(header_)),
      layout_(layout_of(cache, header_)),
      path_(path),
      file_(std::move(file)) {}

Result<std::unique_ptr<KeptWriter>> KeptWriter::begin(Cache& cache, PrefixTree& tree, PrefixTree::Text text,
                                                      KeptHeader header, const std::string& path) {
    NewFile file = TRY(NewFile::create(path));
    TRY(file.write(header_bytes(header)));
    return std::unique_ptr<KeptWriter>(
        new KeptWriter(cache, tree, std::move(text), std::move(header), path, std::move(file)));
}

Result<> KeptWriter::put(std::span<const std::byte> bytes) {
    sum_.add(bytes);
    return file_.write(bytes);
}

Result<> KeptWriter::put_sum() {
    const uint64_t sum = sum_.value();
    return file_.write(std::as_bytes(std::span(&sum, 1)));
}

// The text is looked up anew for every piece: others may have taken its place meanwhile.
Result<KeptWriter::Progress> KeptWriter::write_piece() {
    const auto kept = tree_.look(text_.tokens, text_.partition);
    if (!kept) return Progress::lost;
    while (group_ < header_.pages.size() && page_ == header_.pages[group_].size()) ++group_, page_ = 0;
    Progress progress = Progress::goes_on;
    if (group_ < header_.pages.size())
        progress = TRY(write_page(*kept));
    else if (cache_.has_state() && point_ < header_.points.size())
        progress = TRY(write_state_part(*kept));
    if (progress == Progress::lost) return progress;
    while (group_ < header_.pages.size() && page_ == header_.pages[group_].size()) ++group_, page_ = 0;
    if (group_ < header_.pages.size() || (cache_.has_state() && point_ < header_.points.size())) return progress;
    TRY(file_.finish());
    return Progress::done;
}

// A page of a window is held for one point and then for another, and may hold less of the text then.
Result<KeptWriter::Progress> KeptWriter::write_page(const PrefixTree::Kept& kept) {
    const int64_t group = int64_t(group_), page = header_.pages[group_][page_];
    const PrefixTree::Held& held = kept.pages[group_][size_t(page)];
    if (held.page < 0 || held.tokens < tokens_needed(cache_, header_, group, page)) return Progress::lost;
    piece_.resize(size_t(cache_.page_bytes(group)));
    cache_.read_page(group, held.page, piece_);
    sum_ = begin_sum(header_sum_, layout_.page(group_, page_));
    TRY(put(piece_));
    TRY(put_sum());
    ++page_;
    return Progress::goes_on;
}

Result<KeptWriter::Progress> KeptWriter::write_state_part(const PrefixTree::Kept& kept) {
    const auto point = std::ranges::find(kept.points, header_.points[point_].tokens, &PrefixTree::Kept::Point::tokens);
    if (point == kept.points.end()) return Progress::lost;
    piece_.resize(size_t(cache_.state_part_bytes(part_)));
    cache_.read_state(point->slot, part_, piece_);
    if (part_ == 0) sum_ = begin_sum(header_sum_, layout_.state(point_));
    TRY(put(piece_));
    if (++part_ < cache_.state_parts()) return Progress::goes_on;
    TRY(put_sum());
    part_ = 0;
    ++point_;
    return Progress::goes_on;
}

}  // namespace hearth
