#include "cache/disk_tier.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/checksum.h"
#include "base/new_file.h"
#include "base/private_files.h"

namespace hearth {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEnding = ".kept";
constexpr size_t kMostWaiting = 4;
constexpr size_t kMostPoints = 4;  // the newest states of a text; older ones are as large and seldom wanted

// Of every beginning of a text; [0] of the empty one.
std::vector<uint64_t> hashes_of(std::span<const int32_t> tokens) {
    std::vector<uint64_t> hashes;
    hashes.reserve(tokens.size() + 1);
    Checksum sum;
    hashes.push_back(sum.value());
    for (const int32_t token : tokens) {
        sum.add(uint64_t(uint32_t(token)));
        hashes.push_back(sum.value());
    }
    return hashes;
}

bool begins_with(std::span<const int32_t> text, std::span<const int32_t> beginning) {
    return beginning.size() <= text.size() && std::ranges::equal(beginning, text.first(beginning.size()));
}

std::unexpected<Error> bad(const char* what) {
    return fail(ErrorKind::bad_file, what);
}

std::span<const std::byte> bytes_of(const uint64_t& number) {
    return std::as_bytes(std::span(&number, 1));
}

}  // namespace

struct DiskTier::Writing {
    Text text;
    KeptHeader header;
    std::string path;
    NewFile file;
    size_t group = 0, page = 0, point = 0;
    int64_t part = 0;  // of the point's state
    Checksum sum;
};

DiskTier::DiskTier(Cache& cache, PrefixTree& tree, DiskTierOptions options)
    : cache_(cache), tree_(tree), options_(std::move(options)) {}
DiskTier::~DiskTier() = default;

Result<std::unique_ptr<DiskTier>> DiskTier::open(Cache& cache, PrefixTree& tree, DiskTierOptions options) {
    TRY(make_private_folder(options.directory));
    std::unique_ptr<DiskTier> tier(new DiskTier(cache, tree, std::move(options)));
    tier->scan();
    return tier;
}

void DiskTier::scan() {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(options_.directory, ignored)) {
        const std::string path = entry.path().string();
        if (path.ends_with(NewFile::kEnding)) {
            // Left by a process that ended; what one still writes is younger.
            const auto age = fs::file_time_type::clock::now() - entry.last_write_time(ignored);
            if (age > std::chrono::hours(1)) fs::remove(path, ignored);
        }
        if (!path.ends_with(kEnding)) continue;
        const auto file = MappedFile::open(path);
        if (!file) continue;
        const auto header = read_header(*file);
        if (header && header->fingerprint == options_.fingerprint) note(path, *header);
    }
}

Result<KeptHeader> DiskTier::read_header(const MappedFile& file) const {
    const int64_t file_bytes = int64_t(file.bytes().size());
    if (file_bytes < kKeptPrefixBytes) return bad("it ends early");
    std::vector<std::byte> bytes(static_cast<size_t>(kKeptPrefixBytes));
    TRY(file.read_at(0, bytes));
    bytes.resize(size_t(TRY(header_size(bytes, file_bytes))));
    TRY(file.read_at(0, bytes));
    KeptHeader header = TRY(parse_header(bytes));
    if (header.fingerprint != options_.fingerprint) return header;  // its sizes are not ours
    if (int64_t(header.tokens.size()) > cache_.options().context_tokens) return bad("it is longer than the context");
    if (int64_t(header.pages.size()) != cache_.groups()) return bad("it has other groups of layers");
    for (int64_t group = 0; group < cache_.groups(); ++group)
        for (const Mark& point : header.points)
            for (int64_t page = cache_.first_page(group, point.tokens); page <= (point.tokens - 1) / kPageTokens;
                 ++page)
                if (!std::ranges::binary_search(header.pages[size_t(group)], int32_t(page)))
                    return bad("a page is missing");
    if (this->file_bytes(header) != file_bytes) return bad("it has the wrong size");
    return header;
}

int64_t DiskTier::file_bytes(const KeptHeader& header) const {
    int64_t bytes = int64_t(header_bytes(header).size() + sizeof(uint64_t));
    for (size_t group = 0; group < header.pages.size(); ++group)
        bytes += int64_t(header.pages[group].size()) * cache_.page_bytes(int64_t(group));
    if (cache_.has_state()) bytes += int64_t(header.points.size()) * (cache_.state_bytes() + int64_t(sizeof(uint64_t)));
    return bytes;
}

void DiskTier::note(const std::string& path, const KeptHeader& header) {
    forget(path);
    Known known{path, header.partition, header.public_tokens, {}};
    const std::vector<uint64_t> hashes = hashes_of(header.tokens);
    const auto add = [&](int64_t tokens) { known.places.emplace_back(tokens, hashes[size_t(tokens)]); };
    if (!tree_.needs_points())
        for (int64_t tokens = kPageTokens; tokens < int64_t(header.tokens.size()); tokens += kPageTokens) add(tokens);
    for (const Mark& point : header.points) add(point.tokens);
    known_.push_back(std::move(known));
}

void DiskTier::forget(const std::string& path) {
    std::erase_if(known_, [&](const Known& one) { return one.path == path; });
}

// ---- writing

void DiskTier::finished(std::span<const int32_t> tokens, std::string_view partition, int64_t public_tokens) {
    if (!is_writable_ || int64_t(tokens.size()) < options_.least_gain) return;
    Text text{{tokens.begin(), tokens.end()}, std::string(partition), std::min(public_tokens, int64_t(tokens.size()))};
    const auto is_continued = [&](const Text& earlier) {
        return earlier.partition == text.partition && begins_with(text.tokens, earlier.tokens);
    };
    std::erase_if(waiting_, is_continued);
    if (writing_ && is_continued(writing_->text)) writing_.reset();
    waiting_.push_back(std::move(text));
    if (waiting_.size() > kMostWaiting) waiting_.pop_front();
}

std::string DiskTier::path_of(const Text& text) const {
    Checksum sum;
    sum.add(options_.fingerprint);
    sum.add(text.partition);
    sum.add(std::as_bytes(std::span(text.tokens)));
    return fmt::format("{}/{:016x}{}", options_.directory, sum.value(), kEnding);
}

void DiskTier::work() {
    if (!writing_) return begin_writing();
    if (const auto written = write_piece(); !written) give_up(written.error());
}

void DiskTier::give_up(const Error& error) {
    writing_.reset();
    waiting_.clear();
    is_writable_ = false;
    if (options_.complain)
        options_.complain("finished texts are not written to the cache directory any more: " + error.line());
}

void DiskTier::begin_writing() {
    Text text = std::move(waiting_.front());
    waiting_.pop_front();
    const auto kept = tree_.look(text.tokens, text.partition);
    const std::string path = path_of(text);
    if (!kept || std::ranges::find(known_, path, &Known::path) != known_.end()) return;
    KeptHeader header{.fingerprint = options_.fingerprint,
                      .partition = text.partition,
                      .public_tokens = text.public_tokens,
                      .tokens = text.tokens};
    const size_t left_out = kept->points.size() - std::min(kept->points.size(), kMostPoints);
    for (const auto& point : std::span(kept->points).subspan(left_out))
        header.points.push_back({point.tokens, point.is_callers});
    for (int64_t group = 0; group < cache_.groups(); ++group) {
        std::vector<int32_t>& pages = header.pages.emplace_back();
        for (const Mark& point : header.points)
            for (int64_t page = cache_.first_page(group, point.tokens); page <= (point.tokens - 1) / kPageTokens;
                 ++page)
                if (pages.empty() || pages.back() < page) pages.push_back(int32_t(page));
    }
    if (!make_room(file_bytes(header))) return;
    auto file = NewFile::create(path);
    if (!file) return give_up(file.error());
    if (const auto written = file->write(header_bytes(header)); !written) return give_up(written.error());
    writing_ = std::make_unique<Writing>(Writing{std::move(text), std::move(header), path, std::move(*file)});
}

// The text is looked up anew for every piece: requests may have come and gone meanwhile, and may have taken its place.
Result<> DiskTier::write_piece() {
    Writing& writing = *writing_;
    const auto put = [&](std::span<const std::byte> bytes) {
        writing.sum.add(bytes);
        return writing.file.write(bytes);
    };
    const auto put_sum = [&] {
        const uint64_t sum = std::exchange(writing.sum, {}).value();
        return writing.file.write(bytes_of(sum));
    };
    const auto kept = tree_.look(writing.text.tokens, writing.text.partition);
    if (!kept) {
        writing_.reset();
        return {};
    }
    const auto& groups = writing.header.pages;
    while (writing.group < groups.size() && writing.page == groups[writing.group].size())
        ++writing.group, writing.page = 0;
    if (writing.group < groups.size()) {
        const int32_t page = kept->pages[writing.group][size_t(groups[writing.group][writing.page++])];
        if (page < 0) {
            writing_.reset();
            return {};
        }
        piece_.resize(size_t(cache_.page_bytes(int64_t(writing.group))));
        cache_.read_page(int64_t(writing.group), page, piece_);
        TRY(put(piece_));
        return {};
    }
    if (writing.point == 0 && writing.part == 0) TRY(put_sum());
    if (!cache_.has_state() || writing.point == writing.header.points.size()) {
        finish_writing();
        return {};
    }
    const auto point =
        std::ranges::find(kept->points, writing.header.points[writing.point].tokens, &PrefixTree::Kept::Point::tokens);
    if (point == kept->points.end()) {
        writing_.reset();
        return {};
    }
    piece_.resize(size_t(cache_.state_part_bytes(writing.part)));
    cache_.read_state(point->slot, writing.part, piece_);
    TRY(put(piece_));
    if (++writing.part == cache_.state_parts()) {
        TRY(put_sum());
        ++writing.point;
        writing.part = 0;
        if (writing.point == writing.header.points.size()) finish_writing();
    }
    return {};
}

void DiskTier::finish_writing() {
    const std::unique_ptr<Writing> writing = std::move(writing_);
    if (const auto finished = writing->file.finish(); !finished) return give_up(finished.error());
    note(writing->path, writing->header);
    const Known& now = known_.back();
    // Files of its beginnings are of no more use where this one serves wherever they did.
    const std::vector<uint64_t> hashes = hashes_of(writing->text.tokens);
    std::vector<std::string> superseded;
    for (const Known& one : known_) {
        if (one.path == now.path || one.partition != now.partition || one.public_tokens > now.public_tokens) continue;
        const bool is_covered = std::ranges::all_of(one.places, [&](const auto& place) {
            return !tree_.needs_points()
                       ? place.first < int64_t(hashes.size()) && hashes[size_t(place.first)] == place.second
                       : std::ranges::find(now.places, place) != now.places.end();
        });
        if (is_covered) superseded.push_back(one.path);
    }
    std::error_code ignored;
    for (const std::string& path : superseded) {
        fs::remove(path, ignored);
        forget(path);
    }
}

// Other engines may write there too, so what lies there is counted anew.
bool DiskTier::make_room(int64_t bytes) {
    struct File {
        fs::file_time_type used;
        std::string path;
        int64_t bytes;
    };
    if (bytes > options_.most_bytes) return false;
    std::error_code ignored;
    std::vector<File> files;
    int64_t total = bytes;
    for (const auto& entry : fs::directory_iterator(options_.directory, ignored)) {
        const std::string path = entry.path().string();
        if (!path.ends_with(kEnding) && !path.ends_with(NewFile::kEnding)) continue;
        const auto size = entry.file_size(ignored);
        if (ignored) continue;
        total += int64_t(size);
        if (path.ends_with(kEnding)) files.push_back({entry.last_write_time(ignored), path, int64_t(size)});
    }
    std::ranges::sort(files, {}, &File::used);
    for (const File& file : files) {
        if (total <= options_.most_bytes) break;
        fs::remove(file.path, ignored);
        forget(file.path);
        total -= file.bytes;
    }
    return total <= options_.most_bytes;
}

// ---- reading

bool DiskTier::load(std::span<const int32_t> prompt, std::string_view partition, int64_t cached, double now) {
    if (known_.empty()) return false;
    const std::vector<uint64_t> hashes = hashes_of(prompt);
    const Known* best = nullptr;
    int64_t most = cached + options_.least_gain - 1;
    for (const Known& one : known_)
        for (const auto& [tokens, hash] : one.places) {
            if (tokens >= int64_t(prompt.size()) || hashes[size_t(tokens)] != hash) break;
            if (one.partition != partition && tokens > one.public_tokens) break;
            if (tokens > most) best = &one, most = tokens;
        }
    if (!best) return false;
    const std::string path = best->path;
    std::error_code ignored;
    if (const auto read = read_into_tree(path, prompt, most, now); !read) {
        forget(path);
        if (read.error().kind == ErrorKind::bad_file) fs::remove(path, ignored);
        return false;
    }
    fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);
    return true;
}

Result<> DiskTier::read_into_tree(const std::string& path, std::span<const int32_t> prompt, int64_t tokens,
                                  double now) {
    const MappedFile file = TRY(MappedFile::open(path));
    const KeptHeader header = TRY(read_header(file));
    if (header.fingerprint != options_.fingerprint) return bad("it is of another model");
    if (int64_t(header.tokens.size()) < tokens || !begins_with(header.tokens, prompt.first(size_t(tokens))))
        return fail(ErrorKind::not_found, "another text has the same name");
    size_t offset = header_bytes(header).size();
    Checksum sum;
    const auto get = [&](int64_t bytes) -> Result<> {
        piece_.resize(size_t(bytes));
        TRY(file.read_at(offset, piece_));
        sum.add(piece_);
        offset += size_t(bytes);
        return {};
    };
    const auto check_sum = [&]() -> Result<> {
        uint64_t stored = 0;
        TRY(file.read_at(offset, std::as_writable_bytes(std::span(&stored, 1))));
        offset += sizeof stored;
        if (stored != std::exchange(sum, {}).value()) return bad("it was changed");
        return {};
    };

    // Pages of our own until they are in the tree.
    struct Taken {
        Cache& cache;
        std::vector<std::vector<int32_t>> pages;
        ~Taken() {
            for (size_t group = 0; group < pages.size(); ++group)
                for (const int32_t page : pages[group])
                    if (page >= 0) cache.give_page(int64_t(group), page);
        }
    } taken{cache_, {}};
    const auto no_room = [] { return fail(ErrorKind::out_of_memory, "the cache has no room for it"); };
    for (int64_t group = 0; group < cache_.groups(); ++group) {
        auto& pages = taken.pages.emplace_back(size_t((header.tokens.size() + kPageTokens - 1) / kPageTokens), -1);
        for (const int32_t index : header.pages[size_t(group)]) {
            const int32_t page = cache_.take_page(group);
            if (page < 0) return no_room();
            pages[size_t(index)] = page;
            TRY(get(cache_.page_bytes(group)));
            cache_.write_page(group, page, piece_);
        }
    }
    TRY(check_sum());
    for (const Mark& point : header.points) {
        int32_t slot = -1;
        if (cache_.has_state()) {
            slot = cache_.take_slot();
            if (slot < 0) return no_room();
            Result<> read;
            for (int64_t part = 0; part < cache_.state_parts() && read; ++part) {
                read = get(cache_.state_part_bytes(part));
                if (read) cache_.write_state(slot, part, piece_);
            }
            if (read) read = check_sum();
            if (!read) {
                cache_.give_slot(slot);
                return read;
            }
        }
        std::vector<std::vector<int32_t>> pages(taken.pages.size());
        for (size_t group = 0; group < pages.size(); ++group) {
            pages[group].assign(size_t((point.tokens + kPageTokens - 1) / kPageTokens), -1);
            for (int64_t page = cache_.first_page(int64_t(group), point.tokens); page < int64_t(pages[group].size());
                 ++page) {
                pages[group][size_t(page)] = taken.pages[group][size_t(page)];
                cache_.share_page(int64_t(group), pages[group][size_t(page)]);
            }
        }
        const SequenceId id = TRY(cache_.open_at(point.tokens, std::move(pages), slot));
        tree_.keep_and_close(id, std::span(header.tokens).first(size_t(point.tokens)),
                             {.partition = header.partition,
                              .public_tokens = header.public_tokens,
                              .is_callers = point.is_callers,
                              .now = now});
    }
    return {};
}

}  // namespace hearth
