#include "cache/kept_file.h"

#include <algorithm>
#include <cstring>

#include "base/checksum.h"
#include "ops/step.h"

namespace hearth {

namespace {

constexpr uint64_t kMagic = 0x766b687472616568;  // "hearthkv"
constexpr uint64_t kVersion = 3;
constexpr int64_t kMostHeaderBytes = int64_t{1} << 30;

std::unexpected<Error> bad_header(const char* what) {
    return fail(ErrorKind::bad_file, what);
}

class HeaderWriter {
public:
    void number(int64_t value) { raw(&value, sizeof value); }
    void text(const std::string& text) {
        number(int64_t(text.size()));
        raw(text.data(), text.size());
    }
    void numbers(const std::vector<int32_t>& values) {
        number(int64_t(values.size()));
        raw(values.data(), values.size() * sizeof(int32_t));
    }
    std::vector<std::byte> bytes;

private:
    void raw(const void* from, size_t count) {
        const auto* at = static_cast<const std::byte*>(from);
        bytes.insert(bytes.end(), at, at + count);
        bytes.resize((bytes.size() + 7) / 8 * 8);
    }
};

class HeaderReader {
public:
    explicit HeaderReader(std::span<const std::byte> bytes) : rest_(bytes) {}
    Result<int64_t> number() {
        int64_t value = 0;
        TRY(raw(&value, 1, sizeof value));
        return value;
    }
    Result<std::string> text() {
        const int64_t count = TRY(this->count(1));
        std::string text(size_t(count), '\0');
        TRY(raw(text.data(), count, 1));
        return text;
    }
    Result<std::vector<int32_t>> numbers() {
        const int64_t count = TRY(this->count(sizeof(int32_t)));
        std::vector<int32_t> values(size_t(count), 0);
        TRY(raw(values.data(), count, sizeof(int32_t)));
        return values;
    }
    // Of things of which each takes so many bytes at least: no more than can follow.
    Result<int64_t> count(int64_t each_bytes) {
        const int64_t count = TRY(number());
        if (count < 0 || count > int64_t(rest_.size()) / each_bytes)
            return bad_header("a number in its header is too large");
        return count;
    }
    bool is_done() const { return rest_.empty(); }

private:
    Result<> raw(void* to, int64_t count, int64_t each_bytes) {
        const size_t bytes = size_t(count * each_bytes), padded = (bytes + 7) / 8 * 8;
        if (padded > rest_.size()) return bad_header("its header ends early");
        if (bytes > 0) std::memcpy(to, rest_.data(), bytes);
        rest_ = rest_.subspan(padded);
        return {};
    }
    std::span<const std::byte> rest_;
};

uint64_t checksum_of(std::span<const std::byte> bytes) {
    Checksum sum;
    sum.add(bytes);
    return sum.value();
}

}  // namespace

std::vector<std::byte> header_bytes(const KeptHeader& header) {
    HeaderWriter body;
    body.text(header.fingerprint);
    body.text(header.partition);
    body.number(header.public_tokens);
    body.numbers(header.tokens);
    body.number(int64_t(header.points.size()));
    for (const Mark& point : header.points) {
        body.number(point.tokens);
        body.number(point.is_callers);
    }
    body.number(int64_t(header.pages.size()));
    for (const auto& pages : header.pages) body.numbers(pages);

    HeaderWriter all;
    all.number(int64_t(kMagic));
    all.number(int64_t(kVersion));
    all.number(int64_t(body.bytes.size()));
    all.number(int64_t(checksum_of(body.bytes)));
    all.bytes.insert(all.bytes.end(), body.bytes.begin(), body.bytes.end());
    return std::move(all.bytes);
}

KeptLayout::KeptLayout(const KeptHeader& header, std::vector<int64_t> page_bytes, int64_t state_bytes)
    : page_bytes_(std::move(page_bytes)), state_bytes_(state_bytes) {
    int64_t at = int64_t(header_bytes(header).size());
    for (size_t group = 0; group < page_bytes_.size(); ++group) {
        groups_.push_back(at);
        at += int64_t(header.pages[group].size()) * (page_bytes_[group] + kKeptSumBytes);
    }
    states_ = at;
    end_ = at + (state_bytes_ > 0 ? int64_t(header.points.size()) * (state_bytes_ + kKeptSumBytes) : 0);
}

int64_t KeptLayout::page(size_t group, size_t number) const {
    return groups_[group] + int64_t(number) * (page_bytes_[group] + kKeptSumBytes);
}

int64_t KeptLayout::state(size_t point) const {
    return states_ + int64_t(point) * (state_bytes_ + kKeptSumBytes);
}

uint64_t header_sum(const KeptHeader& header) {
    return checksum_of(header_bytes(header));
}

Checksum begin_sum(uint64_t header_sum, int64_t place) {
    Checksum sum;
    sum.add(header_sum);
    sum.add(uint64_t(place));
    return sum;
}

Result<int64_t> header_size(std::span<const std::byte> prefix, int64_t file_bytes) {
    HeaderReader reader(prefix);
    if (uint64_t(TRY(reader.number())) != kMagic) return bad_header("it is no kept text");
    if (uint64_t(TRY(reader.number())) != kVersion) return bad_header("it has another version");
    const int64_t body = TRY(reader.number());
    if (body < 0 || body > std::min(kMostHeaderBytes, file_bytes - kKeptPrefixBytes))
        return bad_header("it ends early");
    return kKeptPrefixBytes + body;
}

Result<KeptHeader> parse_header(std::span<const std::byte> bytes) {
    HeaderReader prefix(bytes.subspan(size_t(kKeptPrefixBytes) - sizeof(uint64_t)));
    const auto body = bytes.subspan(size_t(kKeptPrefixBytes));
    if (uint64_t(TRY(prefix.number())) != checksum_of(body)) return bad_header("its header was changed");
    HeaderReader reader(body);
    KeptHeader header;
    header.fingerprint = TRY(reader.text());
    header.partition = TRY(reader.text());
    header.public_tokens = TRY(reader.number());
    header.tokens = TRY(reader.numbers());
    const int64_t length = int64_t(header.tokens.size());
    if (length == 0 || header.public_tokens < 0 || header.public_tokens > length) return bad_header("it holds no text");
    for (int64_t points = TRY(reader.count(16)); points > 0; --points) {
        const int64_t tokens = TRY(reader.number()), is_callers = TRY(reader.number());
        const int64_t before = header.points.empty() ? 0 : header.points.back().tokens;
        if (tokens <= before || tokens > length) return bad_header("its states are out of order");
        header.points.push_back({tokens, is_callers != 0});
    }
    if (header.points.empty() || header.points.back().tokens != length) return bad_header("its last state is missing");
    const int64_t most_pages = (length + kPageTokens - 1) / kPageTokens;
    for (int64_t groups = TRY(reader.count(8)); groups > 0; --groups) {
        const auto& pages = header.pages.emplace_back(TRY(reader.numbers()));
        for (size_t i = 0; i < pages.size(); ++i)
            if (pages[i] <= (i == 0 ? -1 : pages[i - 1]) || pages[i] >= most_pages)
                return bad_header("its pages are out of order");
    }
    if (!reader.is_done()) return bad_header("its header is too long");
    return header;
}

}  // namespace hearth
