#include "library/kl_base.h"

#include <cerrno>
#include <cstring>

namespace hearth {

namespace {

constexpr char kMagic[8] = {'h', 'e', 'a', 'r', 't', 'h', 'K', 'L'};
struct Header {
    char magic[8];
    uint32_t version, vocabulary;
    uint64_t chunk_tokens, chunks;
};
static_assert(sizeof(Header) == 32);

// Far above anything real, far below where products overflow.
constexpr int64_t kMostVocabulary = 1 << 24, kMostChunkTokens = 1 << 24, kMostChunks = 1 << 24;

}  // namespace

double KlBaseWriter::file_bytes(const KlBaseShape& shape) {
    return sizeof(Header) +
           4.0 * double(shape.chunks) *
               (double(shape.chunk_tokens) + double(shape.scored_per_chunk()) * double(shape.vocabulary));
}

Result<KlBaseWriter> KlBaseWriter::open(const std::string& path, const KlBaseShape& shape,
                                        std::span<const int32_t> tokens) {
    KlBaseWriter writer;
    writer.path_ = path;
    writer.file_.reset(std::fopen((path + ".part").c_str(), "wb"));
    if (!writer.file_)
        return fail(ErrorKind::bad_file, fmt::format("cannot write {}.part: {}", path, std::strerror(errno)));
    Header header{{}, 1, uint32_t(shape.vocabulary), uint64_t(shape.chunk_tokens), uint64_t(shape.chunks)};
    std::memcpy(header.magic, kMagic, sizeof kMagic);
    TRY(writer.put(&header, sizeof header));
    TRY(writer.put(tokens.data(), tokens.size_bytes()));
    return writer;
}

Result<> KlBaseWriter::put(const void* bytes, size_t count) {
    if (std::fwrite(bytes, 1, count, file_.get()) == count) return {};
    const int code = errno;
    file_.reset();
    std::remove((path_ + ".part").c_str());
    return fail(ErrorKind::bad_file, fmt::format("cannot write {}: {}", path_, std::strerror(code)),
                "is the disk full?");
}

Result<> KlBaseWriter::add(std::span<const float> log_probabilities) {
    return put(log_probabilities.data(), log_probabilities.size_bytes());
}

Result<> KlBaseWriter::finish() {
    if (std::fclose(file_.release()) == 0 && std::rename((path_ + ".part").c_str(), path_.c_str()) == 0) return {};
    return fail(ErrorKind::bad_file, fmt::format("cannot write {}: {}", path_, std::strerror(errno)),
                "is the disk full?");
}

Result<KlBase> KlBase::open(const std::string& path) {
    KlBase base;
    base.file_ = TRY(MappedFile::open(path));
    const auto wrong = [&](const char* why) {
        return fail(ErrorKind::bad_file, fmt::format("{} holds no log-probabilities: {}", path, why),
                    "make it again with `hearth perplexity --kl-base`, under a name that is free");
    };
    Header header{};
    if (base.file_.bytes().size() < sizeof header) return wrong("it is too short");
    TRY(base.file_.read_at(0, std::as_writable_bytes(std::span(&header, 1))));
    if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) return wrong("it begins otherwise");
    if (header.version != 1) return wrong("it is of a version this build does not know");
    if (header.vocabulary < 1 || header.vocabulary > kMostVocabulary || header.chunk_tokens < 4 ||
        header.chunk_tokens > kMostChunkTokens || header.chunks < 1 || header.chunks > kMostChunks)
        return wrong("its sizes make no sense");
    base.shape_ = {int64_t(header.vocabulary), int64_t(header.chunk_tokens), int64_t(header.chunks)};
    if (KlBaseWriter::file_bytes(base.shape_) != double(base.file_.bytes().size()))
        return wrong("its length is not what its sizes say");
    base.tokens_.resize(header.chunk_tokens * header.chunks);
    TRY(base.file_.read_at(sizeof header, std::as_writable_bytes(std::span(base.tokens_))));
    base.rows_at_ = sizeof header + base.tokens_.size() * sizeof(int32_t);
    return base;
}

Result<> KlBase::read(int64_t row, std::span<float> log_probabilities) const {
    return file_.read_at(size_t(rows_at_ + uint64_t(row) * log_probabilities.size_bytes()),
                         std::as_writable_bytes(log_probabilities));
}

}  // namespace hearth
