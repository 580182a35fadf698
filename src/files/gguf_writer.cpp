#include "files/gguf_writer.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "files/problems.h"

namespace hearth {

namespace {

constexpr size_t kLongestName = 63;  // other readers keep names in 64 bytes
constexpr uint32_t kVersion = 3;

template <class T>
void append(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void append_text(std::string& out, std::string_view text) {
    append(out, uint64_t(text.size()));
    out += text;
}
void append_bytes(std::string& out, std::span<const std::byte> bytes) {
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void append_value(std::string& out, const MetadataValue& value) {
    append(out, uint32_t(value.type()));
    if (value.type() == MetadataType::string) return append_text(out, *value.text());
    if (value.type() == MetadataType::array) {
        append(out, uint32_t(value.element_type()));
        append(out, uint64_t(value.count()));
        if (const auto texts = value.texts()) {
            for (const std::string_view text : *texts) append_text(out, text);
            return;
        }
    }
    append_bytes(out, value.packed());
}

uint64_t round_up(uint64_t value, uint64_t to) {
    return (value + to - 1) / to * to;
}

}  // namespace

GgufWriter::GgufWriter(std::string path) : path_(std::move(path)) {}
GgufWriter::~GgufWriter() {
    abandon();
}

void GgufWriter::swap(GgufWriter& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(metadata_, other.metadata_);
    std::swap(tensors_, other.tensors_);
    std::swap(alignment_, other.alignment_);
    std::swap(data_start_, other.data_start_);
    std::swap(file_bytes_, other.file_bytes_);
    std::swap(position_, other.position_);
    std::swap(current_, other.current_);
    std::swap(written_of_current_, other.written_of_current_);
    std::swap(file_, other.file_);
}

void GgufWriter::abandon() {
    if (!file_) return;
    std::fclose(file_);
    file_ = nullptr;
    std::remove((path_ + ".part").c_str());
}

std::unexpected<Error> GgufWriter::give_up(const char* doing) {
    const int code = errno;
    abandon();
    return fail(ErrorKind::device, fmt::format("cannot {} {}: {}", doing, path_, std::generic_category().message(code)),
                code == ENOSPC ? "make room on the disk" : "");
}

void GgufWriter::declare(std::string name, DType type, std::vector<int64_t> shape) {
    tensors_.push_back({std::move(name), type, std::move(shape)});
}

Result<> GgufWriter::check_and_place() {
    Problems problems;
    for (const Metadata::Entry& entry : metadata_.entries())
        if (entry.key.empty() || entry.key.size() > 65535)
            problems.add(fmt::format("the key {} has a bad length", quoted(entry.key)));
    if (const MetadataValue* value = metadata_.find("general.alignment")) {
        const int64_t alignment = value->integer().value_or(0);
        if (value->type() != MetadataType::u32 || alignment < 1 || !std::has_single_bit(uint64_t(alignment)))
            problems.add("general.alignment must be a power of two, as u32");
        else
            alignment_ = uint64_t(alignment);
    }
    uint64_t offset = 0;
    std::vector<std::string_view> names;
    for (Declared& tensor : tensors_) {
        const std::string name = "tensor " + quoted(tensor.name);
        if (tensor.name.empty() || tensor.name.size() > kLongestName)
            problems.add(
                fmt::format("{} has a name of {} bytes, 1 to {} are allowed", name, tensor.name.size(), kLongestName));
        names.push_back(tensor.name);
        if (tensor.shape.empty() || tensor.shape.size() > 4) {
            problems.add(fmt::format("{} has {} dimensions, 1 to 4 are allowed", name, tensor.shape.size()));
            continue;
        }
        int64_t elements = 1, bytes = 0;
        bool fits = true;
        for (const int64_t size : tensor.shape)
            fits &= size >= 0 && !__builtin_mul_overflow(elements, std::max<int64_t>(size, 1), &elements);
        if (std::ranges::find(tensor.shape, 0) != tensor.shape.end()) elements = 0;
        const DTypeInfo& type = info(tensor.type);
        fits = fits && !__builtin_mul_overflow(elements / type.block_elements, type.block_bytes, &bytes);
        if (!fits || bytes > INT64_MAX / 2 - int64_t(offset)) {
            problems.add(fmt::format("{} has absurd dimensions ({})", name, fmt::join(tensor.shape, " x ")));
            continue;
        }
        if (tensor.shape.back() % type.block_elements)
            problems.add(fmt::format("{} has rows of {} values, {} needs multiples of {}", name, tensor.shape.back(),
                                     type.name, type.block_elements));
        tensor.bytes = uint64_t(bytes);
        tensor.offset = offset;
        offset = round_up(offset + tensor.bytes, alignment_);
    }
    std::ranges::sort(names);
    for (size_t i = 1; i < names.size(); ++i)
        if (names[i] == names[i - 1]) problems.add(fmt::format("tensor {} is declared twice", quoted(names[i])));
    if (problems.empty()) return {};
    auto report = problems.report(path_, "");
    report.error().kind = ErrorKind::bad_request;
    return report;
}

std::string GgufWriter::header() const {
    std::string out = "GGUF";
    append(out, kVersion);
    append(out, uint64_t(tensors_.size()));
    append(out, uint64_t(metadata_.entries().size()));
    for (const Metadata::Entry& entry : metadata_.entries()) {
        append_text(out, entry.key);
        append_value(out, entry.value);
    }
    for (const Declared& tensor : tensors_) {
        append_text(out, tensor.name);
        append(out, uint32_t(tensor.shape.size()));
        for (size_t d = tensor.shape.size(); d-- > 0;) append(out, uint64_t(tensor.shape[d]));
        append(out, uint32_t(tensor.type));
        append(out, tensor.offset);
    }
    return out;
}

Result<> GgufWriter::put(const void* bytes, size_t count) {
    if (count > 0 && std::fwrite(bytes, 1, count, file_) != count) return give_up("write");
    position_ += count;
    return {};
}

Result<> GgufWriter::pad(uint64_t until) {
    static constexpr char kZeros[4096] = {};
    while (position_ < until) TRY(put(kZeros, size_t(std::min<uint64_t>(until - position_, sizeof kZeros))));
    return {};
}

Result<> GgufWriter::start() {
    if (file_) return fail(ErrorKind::bad_request, path_ + " was already started");
    TRY(check_and_place());
    const std::string front = header();
    data_start_ = round_up(front.size(), alignment_);
    file_bytes_ = data_start_;
    if (!tensors_.empty()) file_bytes_ += round_up(tensors_.back().offset + tensors_.back().bytes, alignment_);
    file_ = std::fopen((path_ + ".part").c_str(), "wb");
    if (!file_) return give_up("create");
    std::setvbuf(file_, nullptr, _IOFBF, 1 << 20);
    TRY(put(front.data(), front.size()));
    TRY(pad(data_start_));
    return close_finished_tensors();
}

// Pads after a complete tensor; tensors without elements are complete at once.
Result<> GgufWriter::close_finished_tensors() {
    while (current_ < tensors_.size() && written_of_current_ == tensors_[current_].bytes) {
        TRY(pad(data_start_ + round_up(tensors_[current_].offset + tensors_[current_].bytes, alignment_)));
        ++current_;
        written_of_current_ = 0;
    }
    return {};
}

Result<> GgufWriter::write(std::span<const std::byte> piece) {
    if (!file_) return fail(ErrorKind::bad_request, path_ + " is not open for writing");
    if (piece.empty()) return {};
    const uint64_t wanted = current_ < tensors_.size() ? tensors_[current_].bytes - written_of_current_ : 0;
    if (piece.size() > wanted) {
        const std::string where =
            current_ < tensors_.size() ? "tensor " + quoted(tensors_[current_].name) : "the last tensor";
        abandon();
        return fail(ErrorKind::bad_request,
                    fmt::format("{}: {} bytes too many for {}", path_, piece.size() - wanted, where));
    }
    TRY(put(piece.data(), piece.size()));
    written_of_current_ += piece.size();
    return close_finished_tensors();
}

Result<> GgufWriter::finish() {
    if (!file_) return fail(ErrorKind::bad_request, path_ + " is not open for writing");
    if (current_ < tensors_.size()) {
        const Declared& tensor = tensors_[current_];
        const std::string what = fmt::format("{}: tensor {} got {} of its {} bytes", path_, quoted(tensor.name),
                                             written_of_current_, tensor.bytes);
        abandon();
        return fail(ErrorKind::bad_request, what);
    }
    const bool closed = std::fclose(std::exchange(file_, nullptr)) == 0;
    if (!closed || std::rename((path_ + ".part").c_str(), path_.c_str()) != 0) {
        const int code = errno;
        std::remove((path_ + ".part").c_str());
        errno = code;
        return give_up("write");
    }
    return {};
}

}  // namespace hearth
