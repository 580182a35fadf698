// The container, all integers little-endian:
//   "GGUF", version u32, tensor count u64, key count u64,
//   keys:    { key string, type u32, value }                         string = length u64 + bytes
//   tensors: { name string, dimension count u32, dimensions u64 (fastest first), type u32, offset u64 }
//   zeros up to a multiple of the alignment, then the data; offsets count from there.
#include "files/gguf_part.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/text_format.h"
#include "files/header_bytes.h"

namespace hearth {

namespace {

constexpr uint64_t kMaxKeys = 1 << 20, kMaxTensors = 1 << 20, kMaxArray = 1 << 30, kMaxString = 1 << 30;
constexpr uint64_t kMaxKeyBytes = 65535, kMaxNameBytes = 255, kMaxAlignment = 1 << 30;
constexpr uint32_t kMaxDimensions = 4;
std::string_view text_of(const std::byte* bytes, uint64_t count) {
    return {reinterpret_cast<const char*>(bytes), size_t(count)};
}

class PartReader {
public:
    explicit PartReader(GgufPart& part) : part_(part), in_(part.file) {}
    Result<> run();

private:
    Result<> read_preamble();
    Result<> read_keys();
    Result<MetadataValue> read_value(std::string_view key, uint32_t type_id);
    Result<MetadataValue> read_array(std::string_view key);
    Result<> read_tensors();
    void check_keys();
    void choose_alignment();
    void place_tensors();
    void check_overlaps();
    std::unexpected<Error> cut_short(const std::string& where) const;
    std::unexpected<Error> damaged(std::string what) const;
    Result<std::string_view> read_string(const std::string& where, uint64_t max_bytes);

    GgufPart& part_;
    HeaderBytes in_;
    uint64_t tensor_count_ = 0, key_count_ = 0;
    std::vector<Metadata::Entry> entries_;
    std::vector<uint64_t> offsets_;       // as the table gives them
    std::vector<uint64_t> tensor_bytes_;  // 0 where the table's entry is unusable
    std::vector<bool> usable_;
    bool alignment_known_ = true;
    Problems problems_;
};

std::unexpected<Error> PartReader::cut_short(const std::string& where) const {
    if (in_.failure()) return std::unexpected(*in_.failure());
    return fail(ErrorKind::bad_file,
                fmt::format("{} ends inside {}: it has only {}", part_.file.path(), where, bytes_text(in_.size())),
                kDownloadAgain);
}

// Nothing after this point can be read; earlier problems are told with it.
std::unexpected<Error> PartReader::damaged(std::string what) const {
    Problems all = problems_;
    all.add(std::move(what) + fmt::format(" (at byte {})", in_.position()));
    return all.report(part_.file.path(), kDownloadAgain);
}

Result<std::string_view> PartReader::read_string(const std::string& where, uint64_t max_bytes) {
    uint64_t length;
    if (!in_.read(length)) return cut_short(where);
    if (length > max_bytes && length > in_.rest()) return damaged(fmt::format("{} claims {} bytes", where, length));
    if (length > max_bytes)
        return damaged(fmt::format("{} has {} bytes, at most {} are allowed", where, length, max_bytes));
    const std::byte* bytes = in_.take(length);
    if (!bytes) return cut_short(where);
    return text_of(bytes, length);
}

// What people hand us instead of a GGUF file, told apart by its first bytes.
std::string guess_content(std::string_view front) {
    if (front.starts_with("version https://git-lfs"))
        return "a Git LFS pointer; fetch the real file with: git lfs pull";
    if (front.starts_with("<")) return "a web page; the download link needs another form or a login";
    if (front.starts_with("PK")) return "a ZIP archive (PyTorch checkpoints are); only GGUF files are read here";
    if (front.starts_with("ggjt") || front.starts_with("tjgg") || front.starts_with("lmgg") ||
        front.starts_with("fmgg"))
        return "a model of the format before GGUF; download a GGUF version";
    if (front.size() > 8 && front[8] == '{') return "probably a safetensors file; name its directory instead";
    return "give the path of a .gguf file";
}

Result<> PartReader::read_preamble() {
    const std::string& path = part_.file.path();
    if (in_.size() == 0) return fail(ErrorKind::bad_file, path + " is empty", kDownloadAgain);
    const uint64_t front_bytes = std::min<uint64_t>(in_.size(), 32);
    if (const std::byte* magic = in_.take(std::min<uint64_t>(in_.size(), 4)); !magic) {
        return cut_short("its first bytes");
    } else if (in_.size() < 4 || text_of(magic, 4) != "GGUF") {
        HeaderBytes again(part_.file);
        const std::byte* front = again.take(front_bytes);
        return fail(ErrorKind::bad_file, path + " is not a GGUF file: it does not begin with \"GGUF\"",
                    front ? guess_content(text_of(front, front_bytes)) : "");
    }
    if (!in_.read(part_.version)) return cut_short("its first bytes");
    const uint32_t version = part_.version;
    if ((version & 0xFFFF) == 0 && version != 0)
        return fail(ErrorKind::unsupported, path + " is a big-endian GGUF file (written for s390x)",
                    "download the ordinary little-endian version");
    if (version == 1)
        return fail(ErrorKind::unsupported, path + " is GGUF version 1, which nobody writes since 2023",
                    "download a newer version of the model");
    if (version != 2 && version != 3)
        return fail(ErrorKind::unsupported,
                    fmt::format("{} is GGUF version {}, this build knows 2 and 3", path, version),
                    version == 0 ? kDownloadAgain : "use a newer hearth");
    if (!in_.read(tensor_count_) || !in_.read(key_count_)) return cut_short("its first bytes");
    // The smallest key entry has 14 bytes, the smallest tensor entry 25: more of them than fit is damage, not a reason
    // to allocate.
    if (tensor_count_ > kMaxTensors || tensor_count_ > in_.rest() / 25)
        problems_.add(fmt::format("the header claims {} tensors", tensor_count_));
    if (key_count_ > kMaxKeys || key_count_ > in_.rest() / 14)
        problems_.add(fmt::format("the header claims {} metadata keys", key_count_));
    if (!problems_.empty())
        return problems_.report(path, fmt::format("the file has {} and is cut short or damaged; {}",
                                                  bytes_text(in_.size()), kDownloadAgain));
    return {};
}

Result<MetadataValue> PartReader::read_array(std::string_view key) {
    uint32_t type_id;
    uint64_t count;
    if (!in_.read(type_id) || !in_.read(count)) return cut_short("key " + quoted(key));
    const auto type = MetadataType(type_id);
    if (type == MetadataType::array)
        return damaged(fmt::format("key {} is an array of arrays, which no model uses", quoted(key)));
    const auto element_bytes = scalar_bytes(type);
    if (!element_bytes && type != MetadataType::string)
        return damaged(fmt::format("key {} is an array of unknown type {}", quoted(key), type_id));
    if (count > kMaxArray) return damaged(fmt::format("key {} claims an array of {} elements", quoted(key), count));
    if (element_bytes) {
        const std::byte* packed = in_.take(count * *element_bytes);
        if (!packed) return cut_short(fmt::format("key {}, an array of {} elements", quoted(key), count));
        return MetadataValue::view(type, {packed, size_t(count * *element_bytes)}, count);
    }
    if (count > in_.rest() / 8) return cut_short(fmt::format("key {}, an array of {} texts", quoted(key), count));
    std::vector<std::string_view> texts;
    texts.reserve(count);
    for (uint64_t i = 0; i < count; ++i) {
        uint64_t length;
        const std::byte* bytes = in_.read(length) ? in_.take(length) : nullptr;
        if (!bytes) return cut_short(fmt::format("key {}, text {} of {}", quoted(key), i, count));
        texts.push_back(text_of(bytes, length));
    }
    return MetadataValue::view(std::move(texts));
}

Result<MetadataValue> PartReader::read_value(std::string_view key, uint32_t type_id) {
    const auto scalar = [&]<class T>(T) -> Result<MetadataValue> {
        T value;
        if (!in_.read(value)) return cut_short("key " + quoted(key));
        return MetadataValue::of(value);
    };
    switch (MetadataType(type_id)) {
        case MetadataType::u8:
            return scalar(uint8_t{});
        case MetadataType::i8:
            return scalar(int8_t{});
        case MetadataType::u16:
            return scalar(uint16_t{});
        case MetadataType::i16:
            return scalar(int16_t{});
        case MetadataType::u32:
            return scalar(uint32_t{});
        case MetadataType::i32:
            return scalar(int32_t{});
        case MetadataType::f32:
            return scalar(float{});
        case MetadataType::u64:
            return scalar(uint64_t{});
        case MetadataType::i64:
            return scalar(int64_t{});
        case MetadataType::f64:
            return scalar(double{});
        case MetadataType::boolean: {  // any non-zero byte is true; a C++ bool may hold only 0 and 1
            uint8_t value;
            if (!in_.read(value)) return cut_short("key " + quoted(key));
            return MetadataValue::of(value != 0);
        }
        case MetadataType::string:
            return MetadataValue::view(TRY(read_string("the text of key " + quoted(key), kMaxString)));
        case MetadataType::array:
            return read_array(key);
    }
    return damaged(fmt::format("key {} has the unknown type {}", quoted(key), type_id));
}

Result<> PartReader::read_keys() {
    entries_.reserve(key_count_);
    for (uint64_t i = 0; i < key_count_; ++i) {
        const std::string where = fmt::format("metadata key {} of {}", i + 1, key_count_);
        const std::string_view key = TRY(read_string(where, kMaxKeyBytes));
        if (key.empty()) problems_.add(where + " has no name");
        uint32_t type_id;
        if (!in_.read(type_id)) return cut_short(where);
        entries_.push_back({key, TRY(read_value(key, type_id))});
    }
    return {};
}

Result<> PartReader::read_tensors() {
    part_.tensors.reserve(tensor_count_);
    for (uint64_t i = 0; i < tensor_count_; ++i) {
        const std::string where = fmt::format("the table entry of tensor {} of {}", i + 1, tensor_count_);
        StoredTensor tensor;
        tensor.name = TRY(read_string(where, kMaxNameBytes));
        const std::string name = "tensor " + quoted(tensor.name);
        if (tensor.name.empty()) problems_.add(fmt::format("tensor {} of {} has no name", i + 1, tensor_count_));
        uint32_t dimensions, type_id;
        uint64_t sizes[kMaxDimensions], offset;
        if (!in_.read(dimensions)) return cut_short(where);
        if (dimensions > kMaxDimensions)
            return damaged(
                fmt::format("{} claims {} dimensions, at most {} are allowed", name, dimensions, kMaxDimensions));
        for (uint32_t d = 0; d < dimensions; ++d)
            if (!in_.read(sizes[d])) return cut_short(where);
        if (!in_.read(type_id) || !in_.read(offset)) return cut_short(where);

        bool usable = true;
        const DTypeInfo* type = find_dtype(type_id);
        if (!type) {
            problems_.add(
                is_retired_dtype(type_id)
                    ? fmt::format("{} has the retired type {}: download a newer version of this model", name, type_id)
                    : fmt::format("{} has type {}, which this build does not know", name, type_id));
            usable = false;
        }
        // Rows of whole blocks; the product of any of the sizes must fit 63 bits, also beside a size of 0, and so must
        // the bytes.
        int64_t elements = 1, bytes = 0;
        bool is_empty = false;
        for (uint32_t d = 0; d < dimensions; ++d) {
            is_empty |= sizes[d] == 0;
            const uint64_t factor = std::max<uint64_t>(sizes[d], 1);
            if (factor > uint64_t(INT64_MAX) || __builtin_mul_overflow(elements, int64_t(factor), &elements)) {
                problems_.add(
                    fmt::format("{} has absurd dimensions ({})", name, fmt::join(sizes, sizes + dimensions, " x ")));
                usable = false;
                break;
            }
        }
        if (is_empty) elements = 0;
        if (usable) {
            const int64_t row = dimensions ? int64_t(sizes[0]) : 1;
            if (row % type->block_elements) {
                problems_.add(fmt::format("{} has rows of {} values, {} needs multiples of {}", name, row, type->name,
                                          type->block_elements));
                usable = false;
            } else if (__builtin_mul_overflow(elements / type->block_elements, type->block_bytes, &bytes)) {
                problems_.add(
                    fmt::format("{} has absurd dimensions ({})", name, fmt::join(sizes, sizes + dimensions, " x ")));
                usable = false;
            }
        }
        tensor.type = type ? type->type : DType::f32;
        tensor.shape.assign(std::reverse_iterator(sizes + dimensions), std::reverse_iterator(sizes));
        if (dimensions == 0) tensor.shape = {1};
        part_.tensors.push_back(std::move(tensor));
        offsets_.push_back(offset);
        tensor_bytes_.push_back(usable ? uint64_t(bytes) : 0);
        usable_.push_back(usable);
    }
    return {};
}

// Duplicates, by sorting: a hash table could be crowded on purpose.
template <class Name>
void report_duplicates(size_t count, Name name, const char* what, Problems& problems) {
    std::vector<uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0u);
    std::ranges::sort(order, {}, name);
    for (size_t i = 1; i < count; ++i)
        if (name(order[i]) == name(order[i - 1]) && (i < 2 || name(order[i - 2]) != name(order[i])))
            problems.add(fmt::format("{} {} appears more than once", what, quoted(name(order[i]))));
}

void PartReader::check_keys() {
    report_duplicates(
        entries_.size(), [&](uint32_t i) { return entries_[i].key; }, "metadata key", problems_);
    report_duplicates(
        part_.tensors.size(), [&](uint32_t i) { return std::string_view(part_.tensors[i].name); }, "tensor", problems_);
}

void PartReader::choose_alignment() {
    for (const Metadata::Entry& entry : entries_) {
        if (entry.key != "general.alignment") continue;
        const auto value = entry.value.integer();
        if (value && *value > 0 && uint64_t(*value) <= kMaxAlignment && std::has_single_bit(uint64_t(*value))) {
            part_.alignment = uint64_t(*value);
        } else {
            problems_.add(fmt::format("general.alignment is {}, it must be a power of two", entry.value.printable(30)));
            alignment_known_ = false;
        }
    }
}

void PartReader::place_tensors() {
    const uint64_t alignment = part_.alignment, size = in_.size();
    const uint64_t data_start = (in_.position() + alignment - 1) / alignment * alignment;
    uint64_t needed = 0;
    size_t beyond = 0;
    const StoredTensor* first_beyond = nullptr;
    for (size_t i = 0; i < part_.tensors.size(); ++i) {
        StoredTensor& tensor = part_.tensors[i];
        if (offsets_[i] % alignment)
            problems_.add(fmt::format("tensor {} lies at offset {}, which is not a multiple of the alignment {}",
                                      quoted(tensor.name), offsets_[i], alignment));
        if (!usable_[i]) continue;
        uint64_t begin, end;
        if (__builtin_add_overflow(data_start, offsets_[i], &begin) ||
            __builtin_add_overflow(begin, tensor_bytes_[i], &end)) {
            problems_.add(fmt::format("tensor {} has the absurd offset {}", quoted(tensor.name), offsets_[i]));
            usable_[i] = false;
            continue;
        }
        if (end > size && tensor_bytes_[i] > 0) {
            if (!first_beyond) first_beyond = &tensor;
            ++beyond;
            needed = std::max(needed, end);
            continue;
        }
        tensor.file_offset = begin;
        tensor.data =
            tensor_bytes_[i] ? part_.file.bytes().subspan(begin, tensor_bytes_[i]) : std::span<const std::byte>();
    }
    if (beyond)
        problems_.add(fmt::format(
            "{} of {} tensors reach beyond the end of the file (the first is {}): it has {} bytes, {} are needed",
            beyond, part_.tensors.size(), quoted(first_beyond->name), size, needed));
}

void PartReader::check_overlaps() {
    std::vector<uint32_t> order;
    for (uint32_t i = 0; i < part_.tensors.size(); ++i)
        if (usable_[i] && tensor_bytes_[i] > 0) order.push_back(i);
    std::ranges::sort(order, {}, [&](uint32_t i) { return offsets_[i]; });
    for (size_t i = 1; i < order.size(); ++i) {
        const uint32_t before = order[i - 1], after = order[i];
        if (offsets_[before] + tensor_bytes_[before] > offsets_[after])
            problems_.add(fmt::format("tensors {} and {} overlap", quoted(part_.tensors[before].name),
                                      quoted(part_.tensors[after].name)));
    }
}

Result<> PartReader::run() {
    TRY(read_preamble());
    TRY(read_keys());
    TRY(read_tensors());
    check_keys();
    choose_alignment();
    if (alignment_known_) place_tensors();
    check_overlaps();
    if (!problems_.empty()) return problems_.report(part_.file.path(), kDownloadAgain);
    part_.metadata = Metadata::adopt(std::move(entries_), in_.keep());
    return {};
}

}  // namespace

Result<GgufPart> read_gguf_part(const std::string& path) {
    GgufPart part;
    part.file = TRY(MappedFile::open(path));
    TRY(PartReader(part).run());
    return part;
}

}  // namespace hearth
