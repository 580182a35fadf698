#include "cache/disk_tier.h"

#include <algorithm>
#include <bit>
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

struct FoundFile {
    std::string path;
    fs::file_time_type used;
    int64_t bytes;
    bool is_whole() const { return path.ends_with(kEnding); }
};

// As many as can be listed: others come and go meanwhile, and the directory itself may have gone.
std::vector<FoundFile> files_in(const std::string& directory) {
    std::vector<FoundFile> found;
    std::error_code failed;
    for (fs::directory_iterator one(directory, failed), end; !failed && one != end; one.increment(failed)) {
        const std::string path = one->path().string();
        if (!path.ends_with(kEnding) && !path.ends_with(NewFile::kEnding)) continue;
        std::error_code gone;
        const auto bytes = one->file_size(gone);
        if (gone) continue;
        const auto used = one->last_write_time(gone);
        if (!gone) found.push_back({path, used, int64_t(bytes)});
    }
    return found;
}

}  // namespace

int64_t remove_kept(const std::string& directory, std::span<const std::string> partitions) {
    int64_t removed = 0;
    for (const FoundFile& one : files_in(directory)) {
        const auto file = MappedFile::open(one.path);
        const auto header = file ? read_kept_header(*file) : std::unexpected(file.error());
        if (!header || std::ranges::find(partitions, header->partition) == partitions.end()) continue;
        std::error_code failed;
        removed += fs::remove(one.path, failed);
    }
    return removed;
}

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
    for (const FoundFile& one : files_in(options_.directory)) {
        if (!one.is_whole()) {
            // Left by a process that ended; what one still writes is younger.
            if (fs::file_time_type::clock::now() - one.used > std::chrono::hours(1)) fs::remove(one.path, ignored);
            continue;
        }
        const auto file = MappedFile::open(one.path);
        if (!file) continue;
        const auto header = read_kept_header(*file, cache_, options_.fingerprint);
        if (!header || header->fingerprint != options_.fingerprint) continue;
        // Where the power went, blocks of another file may lie under this name, and be in the way of its own text.
        const fs::path own = path_of({header->tokens, header->partition, header->public_tokens});
        if (own.filename() == fs::path(one.path).filename()) note(one.path, *header);
    }
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
    if (int64_t(tokens.size()) < options_.least_gain || options_.clock() < writes_after_) return;
    PrefixTree::Text text{
        {tokens.begin(), tokens.end()}, std::string(partition), std::min(public_tokens, int64_t(tokens.size()))};
    const auto is_continued = [&](const PrefixTree::Text& earlier) {
        return earlier.partition == text.partition && begins_with(text.tokens, earlier.tokens);
    };
    std::erase_if(waiting_, is_continued);
    if (writer_ && is_continued(writer_->text())) writer_.reset();
    waiting_.push_back(std::move(text));
    if (waiting_.size() > kMostWaiting) waiting_.pop_front();
}

void DiskTier::save_all() {
    if (options_.clock() < writes_after_) return;
    save_began_ = fs::file_time_type::clock::now();
    saved_.clear();
    waiting_.clear();
    for (PrefixTree::Text& text : tree_.texts()) {
        const bool is_on_its_way =
            writer_ && writer_->text().partition == text.partition && writer_->text().tokens == text.tokens;
        if (int64_t(text.tokens.size()) >= options_.least_gain && !is_on_its_way) waiting_.push_back(std::move(text));
    }
}

std::string DiskTier::path_of(const PrefixTree::Text& text) const {
    Checksum sum;
    sum.add(options_.fingerprint);
    sum.add(text.partition);
    sum.add(std::as_bytes(std::span(text.tokens)));
    return fmt::format("{}/{:016x}{}", options_.directory, sum.value(), kEnding);
}

void DiskTier::work() {
    if (!writer_) return begin_writing();
    const auto written = writer_->write_piece();
    if (!written) return write_failed(written.error());
    if (*written == KeptWriter::Progress::done) return finish_writing();
    if (*written == KeptWriter::Progress::goes_on) return;
    // Perhaps it is there still, with other states.
    waiting_.push_front(writer_->text());
    writer_.reset();
}

// Memory serves on meanwhile, and there may be room again after a while.
void DiskTier::write_failed(const Error& error) {
    writer_.reset();
    waiting_.clear();
    writes_after_ = options_.clock() + options_.pause_seconds;
    if (std::exchange(has_complained_, true) || !options_.complain) return;
    options_.complain("finished texts cannot be written to the cache directory for now: " + error.line());
}

void DiskTier::begin_writing() {
    PrefixTree::Text text = std::move(waiting_.front());
    waiting_.pop_front();
    const auto kept = tree_.look(text.tokens, text.partition);
    const std::string path = path_of(text);
    if (!kept || std::ranges::find(known_, path, &Known::path) != known_.end()) return;
    KeptHeader header = header_of(cache_, *kept, text, options_.fingerprint);
    if (!make_room(layout_of(cache_, header).file_bytes())) return;
    auto writer = KeptWriter::begin(cache_, tree_, std::move(text), std::move(header), path);
    if (!writer) return write_failed(writer.error());
    writer_ = std::move(*writer);
}

void DiskTier::finish_writing() {
    const std::unique_ptr<KeptWriter> writer = std::move(writer_);
    note(writer->path(), writer->header());
    std::error_code ignored;
    if (save_began_) {
        // The first of them was used last.
        fs::last_write_time(writer->path(), *save_began_ - std::chrono::milliseconds(saved_.size()), ignored);
        saved_.insert(writer->path());
    }
    for (const std::string& path : superseded_by(known_.back(), writer->text().tokens)) {
        fs::remove(path, ignored);
        forget(path);
    }
}

// Files of a text's beginnings: where prompts can go on everywhere, this one serves wherever they did. Else they may
// have states of their own, and as in memory one is enough for every doubling of the distance from the end.
std::vector<std::string> DiskTier::superseded_by(const Known& now, std::span<const int32_t> tokens) const {
    constexpr int64_t kNear = 512;
    const std::vector<uint64_t> hashes = hashes_of(tokens);
    std::vector<const Known*> beginnings;
    for (const Known& one : known_) {
        if (one.path == now.path || one.partition != now.partition || one.public_tokens > now.public_tokens) continue;
        const auto& [length, hash] = one.places.back();
        if (length < int64_t(hashes.size()) && hashes[size_t(length)] == hash) beginnings.push_back(&one);
    }
    std::ranges::sort(beginnings, {}, [](const Known* one) { return one->places.back().first; });
    std::vector<std::string> superseded;
    int last = -1;
    for (const Known* one : beginnings) {
        const int64_t distance = int64_t(tokens.size()) - one->places.back().first;
        const int doublings = int(std::bit_width(uint64_t(distance / kNear)));
        if (doublings == last || !tree_.needs_points()) superseded.push_back(one->path);
        last = doublings;
    }
    return superseded;
}

// Other engines may write there too, so what lies there is counted anew.
bool DiskTier::make_room(int64_t bytes) {
    if (bytes > options_.most_bytes) return false;
    std::vector<FoundFile> files = files_in(options_.directory);
    int64_t total = bytes;
    for (const FoundFile& file : files) total += file.bytes;
    std::ranges::sort(files, {}, &FoundFile::used);
    std::error_code ignored;
    for (const FoundFile& file : files) {
        if (total <= options_.most_bytes) break;
        if (!file.is_whole() || saved_.contains(file.path)) continue;
        fs::remove(file.path, ignored);
        forget(file.path);
        total -= file.bytes;
    }
    return total <= options_.most_bytes;
}

// ---- reading

std::optional<DiskTier::Find> DiskTier::find(std::span<const int32_t> prompt, std::string_view partition,
                                             int64_t cached) const {
    if (known_.empty() || int64_t(prompt.size()) <= cached + options_.least_gain) return std::nullopt;
    const std::vector<uint64_t> hashes = hashes_of(prompt);
    const Known* best = nullptr;
    int64_t most = cached + options_.least_gain - 1;
    for (const Known& one : known_)
        for (const auto& [tokens, hash] : one.places) {
            if (tokens >= int64_t(prompt.size()) || hashes[size_t(tokens)] != hash) break;
            if (one.partition != partition && tokens > one.public_tokens) break;
            if (tokens > most) best = &one, most = tokens;
        }
    if (!best) return std::nullopt;
    return Find{best->path, most};
}

bool DiskTier::begin_reading(const Find& find, std::span<const int32_t> prompt, std::string_view partition) {
    auto reader = KeptReader::open(cache_, tree_,
                                   {.path = find.path,
                                    .fingerprint = options_.fingerprint,
                                    .prompt = {prompt.begin(), prompt.end()},
                                    .partition = std::string(partition),
                                    .tokens = find.tokens});
    if (!reader) return read_failed(find.path, reader.error()), false;
    reader_ = std::move(*reader);
    return true;
}

DiskTier::Progress DiskTier::read_on(int64_t most_bytes, double now) {
    auto is_read = reader_->read(most_bytes);
    if (is_read && !*is_read) return Progress::goes_on;
    const std::unique_ptr<KeptReader> reader = std::move(reader_);
    const auto done = is_read ? reader->keep(now) : std::unexpected(std::move(is_read).error());
    if (!done) return read_failed(reader->path(), done.error()), Progress::failed;
    std::error_code ignored;
    fs::last_write_time(reader->path(), fs::file_time_type::clock::now(), ignored);
    return Progress::done;
}

// What may have been the system's or the moment's fault leaves the file where it is.
void DiskTier::read_failed(const std::string& path, const Error& error) {
    if (error.kind != ErrorKind::bad_file && error.kind != ErrorKind::not_found) return;
    forget(path);
    std::error_code ignored;
    if (error.kind == ErrorKind::bad_file) fs::remove(path, ignored);
}

bool DiskTier::load(std::span<const int32_t> prompt, std::string_view partition, int64_t cached, double now) {
    const auto found = find(prompt, partition, cached);
    if (!found || !begin_reading(*found, prompt, partition)) return false;
    Progress progress = Progress::goes_on;
    while (progress == Progress::goes_on) progress = read_on(INT64_MAX, now);
    return progress == Progress::done;
}

}  // namespace hearth
