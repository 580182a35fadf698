#include "cache/kept_reader.h"

#include <algorithm>
#include <utility>

#include "base/checksum.h"
#include "cache/kept_writer.h"

namespace hearth {

namespace {

std::unexpected<Error> bad(const char* what) {
    return fail(ErrorKind::bad_file, what);
}

std::unexpected<Error> no_room() {
    return fail(ErrorKind::out_of_memory, "the cache has no room for it");
}

// The sum stands behind the bytes it is of.
Result<> check_sum(const MappedFile& file, int64_t offset, const Checksum& sum) {
    uint64_t stored = 0;
    TRY(file.read_at(size_t(offset), std::as_writable_bytes(std::span(&stored, 1))));
    if (stored != sum.value()) return bad("it was changed");
    return {};
}

// A file that cannot be opened says nothing of what is in it.
Result<MappedFile> open_kept(const std::string& path) {
    auto file = MappedFile::open(path);
    if (!file && file.error().kind == ErrorKind::bad_file) return fail(ErrorKind::device, file.error().what);
    return file;
}

}  // namespace

Result<KeptHeader> read_kept_header(const MappedFile& file) {
    const int64_t file_bytes = int64_t(file.bytes().size());
    if (file_bytes < kKeptPrefixBytes) return bad("it ends early");
    std::vector<std::byte> bytes(static_cast<size_t>(kKeptPrefixBytes));
    TRY(file.read_at(0, bytes));
    bytes.resize(size_t(TRY(header_size(bytes, file_bytes))));
    TRY(file.read_at(0, bytes));
    return parse_header(bytes);
}

Result<KeptHeader> read_kept_header(const MappedFile& file, const Cache& cache, const std::string& fingerprint) {
    KeptHeader header = TRY(read_kept_header(file));
    if (header.fingerprint != fingerprint) return header;  // its sizes are not ours
    if (int64_t(header.pages.size()) != cache.groups()) return bad("it has other groups of layers");
    for (int64_t group = 0; group < cache.groups(); ++group)
        for (const Mark& point : header.points)
            for (int64_t page = cache.first_page(group, point.tokens); page <= (point.tokens - 1) / kPageTokens; ++page)
                if (!std::ranges::binary_search(header.pages[size_t(group)], int32_t(page)))
                    return bad("a page is missing");
    if (layout_of(cache, header).file_bytes() != int64_t(file.bytes().size())) return bad("it has the wrong size");
    return header;
}

KeptReader::KeptReader(Cache& cache, PrefixTree& tree, Wanted wanted, MappedFile file, KeptHeader header)
    : cache_(cache),
      tree_(tree),
      wanted_(std::move(wanted)),
      file_(std::move(file)),
      header_(std::move(header)),
      header_sum_(header_sum(header_)),
      pages_(size_t(cache.groups())) {}

KeptReader::~KeptReader() {
    for (size_t group = 0; group < pages_.size(); ++group)
        for (const int32_t page : pages_[group])
            if (page >= 0) cache_.give_page(int64_t(group), page);
    if (slot_ >= 0) cache_.give_slot(slot_);
}

Result<std::unique_ptr<KeptReader>> KeptReader::open(Cache& cache, PrefixTree& tree, Wanted wanted) {
    MappedFile file = TRY(open_kept(wanted.path));
    KeptHeader header = TRY(read_kept_header(file, cache, wanted.fingerprint));
    if (header.fingerprint != wanted.fingerprint) return bad("it is of another model");
    std::unique_ptr<KeptReader> reader(
        new KeptReader(cache, tree, std::move(wanted), std::move(file), std::move(header)));
    TRY(reader->choose_place());
    reader->choose_pieces();
    return reader;
}

// The last token of a prompt must be computed.
Result<> KeptReader::choose_place() {
    const auto usable = std::span(wanted_.prompt).first(wanted_.prompt.size() - 1);
    int64_t common = std::ranges::mismatch(usable, header_.tokens).in1 - usable.begin();
    if (header_.partition != wanted_.partition) common = std::min(common, header_.public_tokens);
    if (!tree_.needs_points()) tokens_ = common;
    for (size_t point = 0; point < header_.points.size(); ++point)
        if (tree_.needs_points() && header_.points[point].tokens <= common) {
            tokens_ = header_.points[point].tokens;
            is_callers_ = header_.points[point].is_callers;
            point_ = point;
        }
    if (tokens_ == 0 || tokens_ < wanted_.tokens) return fail(ErrorKind::not_found, "another text has the same name");
    return {};
}

void KeptReader::choose_pieces() {
    const KeptLayout layout = layout_of(cache_, header_);
    const auto text = std::span(header_.tokens).first(size_t(tokens_));
    const PrefixTree::Kept known = tree_.look_at_beginning(text, header_.partition);
    const int64_t end = (tokens_ + kPageTokens - 1) / kPageTokens;
    for (int64_t group = 0; group < cache_.groups(); ++group) {
        pages_[size_t(group)].assign(size_t(end), -1);
        const auto& in_file = header_.pages[size_t(group)];
        for (int64_t page = cache_.first_page(group, tokens_); page < end; ++page) {
            const auto& held = known.pages[size_t(group)];
            const int64_t needed = std::min(tokens_ - page * kPageTokens, kPageTokens);
            if (page < int64_t(held.size()) && held[size_t(page)].page >= 0 && held[size_t(page)].tokens >= needed) {
                pages_[size_t(group)][size_t(page)] = held[size_t(page)].page;
                cache_.share_page(group, held[size_t(page)].page);
                continue;
            }
            const auto place = std::ranges::lower_bound(in_file, int32_t(page));
            pieces_.push_back({group, page, layout.page(size_t(group), size_t(place - in_file.begin()))});
        }
    }
    if (cache_.has_state()) pieces_.push_back({-1, 0, layout.state(point_)});
    for (const Piece& piece : pieces_) {
        const int64_t bytes = piece.group < 0 ? cache_.state_bytes() : cache_.page_bytes(piece.group);
        file_.will_read(size_t(piece.offset), size_t(bytes + kKeptSumBytes));
    }
}

Result<bool> KeptReader::read(int64_t most_bytes) {
    for (int64_t bytes = 0; next_ < pieces_.size() && bytes < most_bytes; ++next_) {
        const Piece& piece = pieces_[next_];
        bytes += piece.group < 0 ? cache_.state_bytes() : cache_.page_bytes(piece.group);
        TRY(piece.group < 0 ? read_state(piece) : read_page(piece));
    }
    return next_ == pieces_.size();
}

Result<> KeptReader::read_page(const Piece& piece) {
    const int32_t page = cache_.take_page(piece.group);
    if (page < 0) return no_room();
    pages_[size_t(piece.group)][size_t(piece.page)] = page;
    buffer_.resize(size_t(cache_.page_bytes(piece.group)));
    TRY(file_.read_at(size_t(piece.offset), buffer_));
    Checksum sum = begin_sum(header_sum_, piece.offset);
    sum.add(buffer_);
    TRY(check_sum(file_, piece.offset + int64_t(buffer_.size()), sum));
    cache_.write_page(piece.group, page, buffer_);
    return {};
}

Result<> KeptReader::read_state(const Piece& piece) {
    slot_ = cache_.take_slot();
    if (slot_ < 0) return no_room();
    Checksum sum = begin_sum(header_sum_, piece.offset);
    int64_t offset = piece.offset;
    for (int64_t part = 0; part < cache_.state_parts(); ++part) {
        buffer_.resize(size_t(cache_.state_part_bytes(part)));
        TRY(file_.read_at(size_t(offset), buffer_));
        sum.add(buffer_);
        cache_.write_state(slot_, part, buffer_);
        offset += int64_t(buffer_.size());
    }
    return check_sum(file_, offset, sum);
}

Result<> KeptReader::keep(double now) {
    if (!cache_.has_room()) return no_room();
    const SequenceId id = TRY(cache_.open_at(tokens_, std::exchange(pages_, {}), std::exchange(slot_, -1)));
    tree_.keep_and_close(id, std::span(header_.tokens).first(size_t(tokens_)),
                         {.partition = header_.partition,
                          .public_tokens = std::min(header_.public_tokens, tokens_),
                          .is_callers = is_callers_,
                          .now = now});
    return {};
}

}  // namespace hearth
