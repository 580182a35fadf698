// The container, integers little-endian:
//   header length u64, header: { "__metadata__": {..}, "name": { "dtype", "shape", "data_offsets": [begin, end] }, ..
//   }, then the data, which offsets count from; tensors cover it without holes or overlaps.
// The header is walked entry by entry, so that a file full of brackets costs no more memory than its tensors.
#include "files/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <map>

#include "base/json.h"
#include "base/text_format.h"
#include "files/header_bytes.h"
#include "files/problems.h"

namespace hearth {

namespace {

constexpr uint64_t kMaxHeader = 100'000'000;  // as the format's own reader
constexpr size_t kMaxTensors = 1 << 20, kMaxEntryBytes = 4096, kMaxNameBytes = 1024, kMaxDimensions = 8;
constexpr size_t kMaxFiles = 10'000;
constexpr uint64_t kMaxIndexBytes = 64 << 20;

// A name from a file, safe to print. (std::quoted would be found for std::string arguments.)
std::string shown(std::string_view name) {
    return quoted(name);
}

struct RawTypeInfo {
    RawType type;
    std::string_view name;
    int64_t bits;
};
constexpr auto kRawTypes = std::to_array<RawTypeInfo>({
    {RawType::boolean, "BOOL", 8},    {RawType::u8, "U8", 8},           {RawType::i8, "I8", 8},
    {RawType::i16, "I16", 16},        {RawType::u16, "U16", 16},        {RawType::i32, "I32", 32},
    {RawType::u32, "U32", 32},        {RawType::i64, "I64", 64},        {RawType::u64, "U64", 64},
    {RawType::f16, "F16", 16},        {RawType::bf16, "BF16", 16},      {RawType::f32, "F32", 32},
    {RawType::f64, "F64", 64},        {RawType::f8_e4m3, "F8_E4M3", 8}, {RawType::f8_e5m2, "F8_E5M2", 8},
    {RawType::f8_e8m0, "F8_E8M0", 8}, {RawType::c64, "C64", 64},        {RawType::f4, "F4", 4},
    {RawType::f6_e2m3, "F6_E2M3", 6}, {RawType::f6_e3m2, "F6_E3M2", 6},
});

// A cursor over the header's text. Every function leaves it behind what it read, or fails.
class Header {
public:
    explicit Header(std::string_view text) : text_(text) {}

    size_t position() const { return at_; }
    void skip_blanks() {
        while (at_ < text_.size() && std::strchr(" \t\r\n", text_[at_])) ++at_;
    }
    bool at_end() const { return at_ >= text_.size(); }
    char peek() const { return at_end() ? '\0' : text_[at_]; }
    bool take(char wanted) {
        skip_blanks();
        if (at_end() || text_[at_] != wanted) return false;
        ++at_;
        return true;
    }
    // A string with its quotes; empty when there is none.
    std::string_view string() {
        skip_blanks();
        const size_t begin = at_;
        if (!pass_string()) return {};
        return text_.substr(begin, at_ - begin);
    }
    // An object with its braces; empty when there is none or it never ends.
    std::string_view object() {
        skip_blanks();
        const size_t begin = at_;
        if (peek() != '{') return {};
        for (int64_t depth = 0; at_ < text_.size();) {
            if (text_[at_] == '"') {
                if (!pass_string()) return {};
                continue;
            }
            depth += text_[at_] == '{' ? 1 : text_[at_] == '}' ? -1 : 0;
            ++at_;
            if (depth == 0) return text_.substr(begin, at_ - begin);
        }
        return {};
    }

private:
    bool pass_string() {
        if (peek() != '"') return false;
        for (++at_; at_ < text_.size(); ++at_) {
            if (text_[at_] == '\\')
                ++at_;
            else if (text_[at_] == '"')
                return ++at_, true;
        }
        return false;
    }

    std::string_view text_;
    size_t at_ = 0;
};

struct Entry {
    RawTensor tensor;
    uint64_t begin = 0, end = 0;
};

std::optional<uint64_t> natural(const Json& value) {
    const int64_t number = value.as_int(-1);
    return number < 0 ? std::nullopt : std::optional<uint64_t>(uint64_t(number));
}

// The bytes a shape needs; nothing when no file could hold them or they end inside a byte.
std::optional<uint64_t> bytes_for(RawType type, std::span<const int64_t> shape) {
    uint64_t elements = 1, bits;
    for (const int64_t dimension : shape)
        if (__builtin_mul_overflow(elements, uint64_t(dimension), &elements)) return std::nullopt;
    if (__builtin_mul_overflow(elements, uint64_t(bits_of(type)), &bits) || bits > (uint64_t{1} << 62) || bits % 8)
        return std::nullopt;
    return bits / 8;
}

// What is wrong with an entry's value, or nothing and `entry` is filled.
std::string read_entry(std::string_view text, uint64_t data_bytes, Entry& entry) {
    if (text.size() > kMaxEntryBytes) return "has an absurdly long description";
    const auto json = Json::parse(text, 4);
    if (!json) return "has a description that is not valid JSON";
    const Json *type = json->find("dtype"), *shape = json->find("shape"), *offsets = json->find("data_offsets");
    if (!type || !type->is_string()) return "has no dtype";
    const auto known = find_raw_type(type->as_string());
    if (!known) return fmt::format("has the unknown dtype {}", shown(type->as_string()));
    entry.tensor.type = *known;
    if (!shape || !shape->is_array()) return "has no shape";
    if (shape->items().size() > kMaxDimensions) return fmt::format("has {} dimensions", shape->items().size());
    for (const Json& item : shape->items()) {
        const auto size = natural(item);
        if (!size) return "has a shape with something else than sizes in it";
        entry.tensor.shape.push_back(int64_t(*size));
    }
    if (!offsets || !offsets->is_array() || offsets->items().size() != 2) return "has no two data_offsets";
    const auto begin = natural(offsets->items()[0]), end = natural(offsets->items()[1]);
    if (!begin || !end || *begin > *end) return "has data_offsets that are no range";
    const auto bytes = bytes_for(*known, entry.tensor.shape);
    if (!bytes) return "has a shape that no file can hold";
    if (*end > data_bytes) return fmt::format("ends at byte {} of the data, the file has only {}", *end, data_bytes);
    if (*end - *begin != *bytes) return fmt::format("has {} bytes, its shape and type need {}", *end - *begin, *bytes);
    entry.begin = *begin, entry.end = *end;
    return {};
}

// Sorted by place, the tensors lie one behind the other and fill the data.
void check_cover(std::vector<Entry>& entries, uint64_t data_bytes, Problems& problems) {
    std::ranges::sort(entries, {}, [](const Entry& entry) { return std::pair(entry.begin, entry.end); });
    uint64_t reached = 0;
    for (const Entry& entry : entries) {
        if (entry.begin < reached)
            problems.add(fmt::format("tensor {} overlaps another one", shown(entry.tensor.name)));
        if (entry.begin > reached)
            problems.add(fmt::format("{} bytes in front of tensor {} belong to no tensor", entry.begin - reached,
                                     shown(entry.tensor.name)));
        reached = std::max(reached, entry.end);
    }
    if (reached < data_bytes) problems.add(fmt::format("the last {} bytes belong to no tensor", data_bytes - reached));
}

std::string guess_other_content(std::string_view front) {
    if (front.starts_with("version ")) return "it is a Git LFS pointer; fetch the real file with: git lfs pull";
    if (front.starts_with("<")) return "it is a web page; the download link needs another form or a login";
    if (front.starts_with("PK")) return "it is a ZIP archive (PyTorch checkpoints are); get the safetensors version";
    if (front.starts_with("GGUF")) return "it is a GGUF file; give its path instead of the directory";
    return kDownloadAgain;
}

Result<> read_file_entries(const MappedFile& file, uint32_t number, std::vector<RawTensor>& out) {
    const std::string& path = file.path();
    HeaderBytes in(file);
    uint64_t length = 0;
    if (!in.read(length)) {
        if (in.failure()) return std::unexpected(*in.failure());
        return fail(ErrorKind::bad_file,
                    fmt::format("{} is no safetensors file: it has only {} bytes", path, in.size()), kDownloadAgain);
    }
    if (length > in.rest() || length > kMaxHeader || length < 2) {
        HeaderBytes again(file);
        const size_t count = size_t(std::min<uint64_t>(in.size(), 16));
        const std::byte* front = again.take(count);
        const std::string hint =
            front ? guess_other_content({reinterpret_cast<const char*>(front), count}) : std::string(kDownloadAgain);
        return fail(ErrorKind::bad_file,
                    fmt::format("{} claims a header of {} bytes and has {}", path, length, bytes_text(in.size())),
                    hint);
    }
    const std::byte* bytes = in.take(length);
    if (!bytes)
        return in.failure() ? std::unexpected(*in.failure())
                            : fail(ErrorKind::bad_file, path + " ends inside its header");
    const uint64_t data_start = in.position(), data_bytes = in.rest();
    const std::string_view text(reinterpret_cast<const char*>(bytes), size_t(length));

    Header header(text);
    Problems problems;
    std::vector<Entry> entries;
    bool has_notes = false;
    const auto damaged = [&](const char* what) {
        problems.add(fmt::format("{} at byte {} of the header", what, header.position()));
        return problems.report(path, kDownloadAgain);
    };
    if (text[0] != '{' || !header.take('{')) return damaged("no \"{\"");
    header.skip_blanks();
    if (header.peek() == '}')
        header.take('}');
    else
        while (true) {
            const std::string_view quoted_name = header.string();
            if (quoted_name.empty()) return damaged("no name");
            if (quoted_name.size() > kMaxNameBytes) return damaged("an absurdly long name ends");
            auto name = Json::parse(quoted_name, 1);
            if (!name || !name->is_string()) return damaged("a name that is not valid JSON ends");
            if (!header.take(':')) return damaged("no \":\"");
            const std::string_view value = header.object();
            if (value.empty()) return damaged("no description in braces");
            if (name->as_string() == "__metadata__") {
                if (has_notes) problems.add("__metadata__ is there twice");
                has_notes = true;
            } else {
                Entry entry{.tensor = {.name = name->as_string(), .file = number}};
                if (entries.size() >= kMaxTensors) return damaged("more than a million tensors");
                if (const std::string wrong = read_entry(value, data_bytes, entry); !wrong.empty())
                    problems.add(fmt::format("tensor {} {}", shown(name->as_string()), wrong));
                else
                    entries.push_back(std::move(entry));
            }
            if (header.take(',')) continue;
            if (header.take('}')) break;
            return damaged("no \",\" or \"}\"");
        }
    header.skip_blanks();
    if (!header.at_end()) return damaged("something behind the closing \"}\"");

    if (problems.empty()) check_cover(entries, data_bytes, problems);
    std::ranges::sort(entries, {}, [](const Entry& entry) { return std::string_view(entry.tensor.name); });
    for (size_t i = 1; i < entries.size(); ++i)
        if (entries[i].tensor.name == entries[i - 1].tensor.name)
            problems.add(fmt::format("tensor {} is there twice", shown(entries[i].tensor.name)));
    if (!problems.empty()) return problems.report(path, kDownloadAgain);
    for (Entry& entry : entries) {
        entry.tensor.file_offset = data_start + entry.begin;
        entry.tensor.data = file.bytes().subspan(size_t(entry.tensor.file_offset), size_t(entry.end - entry.begin));
        out.push_back(std::move(entry.tensor));
    }
    return {};
}

// A name of a file in the same directory, nothing else.
bool is_plain_name(std::string_view name) {
    return !name.empty() && name.size() < 256 && name.find('/') == std::string_view::npos &&
           name.find('\0') == std::string_view::npos && name != "." && name != "..";
}

struct Index {
    std::vector<std::string> files;                        // in order of their names
    std::vector<std::pair<std::string, uint32_t>> places;  // tensor, number of its file
};

Result<Index> read_index(const std::string& path) {
    const std::string text = TRY(read_small_file(path, kMaxIndexBytes));
    const auto json = Json::parse(text, 8);
    if (!json) return fail(ErrorKind::bad_file, path + " is " + json.error().what, kDownloadAgain);
    const Json* map = json->find("weight_map");
    if (!map || !map->is_object() || map->members().empty())
        return fail(ErrorKind::bad_file, path + " has no weight_map", kDownloadAgain);
    Problems problems;
    std::map<std::string, uint32_t> files;
    for (const auto& [tensor, file] : map->members()) {
        if (!file.is_string() || !is_plain_name(file.as_string()))
            problems.add(fmt::format("tensor {} is in no file of this directory", shown(tensor)));
        else
            files.emplace(file.as_string(), 0);
    }
    if (files.size() > kMaxFiles) problems.add(fmt::format("{} files are named", files.size()));
    if (!problems.empty()) return problems.report(path, kDownloadAgain);
    Index index;
    for (auto& [name, number] : files) {
        number = uint32_t(index.files.size());
        index.files.push_back(name);
    }
    for (const auto& [tensor, file] : map->members()) index.places.emplace_back(tensor, files.at(file.as_string()));
    return index;
}

}  // namespace

std::string_view name_of(RawType type) {
    return std::ranges::find(kRawTypes, type, &RawTypeInfo::type)->name;
}
std::optional<RawType> find_raw_type(std::string_view name) {
    const auto found = std::ranges::find(kRawTypes, name, &RawTypeInfo::name);
    return found == kRawTypes.end() ? std::nullopt : std::optional(found->type);
}
int64_t bits_of(RawType type) {
    return std::ranges::find(kRawTypes, type, &RawTypeInfo::type)->bits;
}

const RawTensor* Safetensors::find(std::string_view name) const {
    const auto at = std::ranges::lower_bound(tensors_, name, {},
                                             [](const RawTensor& tensor) { return std::string_view(tensor.name); });
    return at == tensors_.end() || at->name != name ? nullptr : &*at;
}

uint64_t Safetensors::bytes() const {
    uint64_t sum = 0;
    for (const MappedFile& file : files_) sum += file.bytes().size();
    return sum;
}

Result<> Safetensors::check_whole() const {
    for (const MappedFile& file : files_)
        if (!file.still_whole())
            return fail(ErrorKind::bad_file, fmt::format("{} became shorter while it was in use", file.path()),
                        "download it again, and do not overwrite model files that are loaded");
    return {};
}

void Safetensors::release(const RawTensor& tensor) const {
    files_[tensor.file].release(tensor.file_offset, tensor.data.size());
}

Result<Safetensors> open_safetensors(const std::vector<std::string>& paths) {
    Safetensors set;
    for (const std::string& path : paths) {
        MappedFile file = TRY(MappedFile::open(path));
        TRY(read_file_entries(file, uint32_t(set.files_.size()), set.tensors_));
        set.files_.push_back(std::move(file));  // its mapping stays where it is
    }
    std::ranges::sort(set.tensors_, {}, [](const RawTensor& tensor) { return std::string_view(tensor.name); });
    Problems problems;
    for (size_t i = 1; i < set.tensors_.size(); ++i) {
        const RawTensor &one = set.tensors_[i - 1], &two = set.tensors_[i];
        if (one.name == two.name)
            problems.add(fmt::format("tensor {} is in {} and again in {}", shown(one.name), set.files_[one.file].path(),
                                     set.files_[two.file].path()));
    }
    if (!problems.empty()) return problems.report("the set of safetensors files", kDownloadAgain);
    return set;
}

Result<Safetensors> open_safetensors_directory(const std::string& directory, std::string_view name) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    const std::string single = fmt::format("{}/{}.safetensors", directory, name), index_path = single + ".index.json";
    if (!fs::exists(index_path, ignored)) {
        if (!fs::exists(single, ignored)) {
            const bool has_pickle = fs::exists(directory + "/pytorch_model.bin", ignored) ||
                                    fs::exists(directory + "/pytorch_model.bin.index.json", ignored);
            return fail(ErrorKind::not_found,
                        fmt::format("{} has neither {}.safetensors nor its index", directory, name),
                        has_pickle ? "it holds a PyTorch pickle, which can run code and is not read here: get the "
                                     "safetensors version"
                                   : "download the whole repository");
        }
        return open_safetensors({single});
    }
    const Index index = TRY(read_index(index_path));
    std::vector<std::string> paths;
    Problems problems;
    for (const std::string& file : index.files) {
        paths.push_back(directory + "/" + file);
        if (!fs::exists(paths.back(), ignored)) problems.add(fmt::format("file {} is missing", shown(file)));
    }
    if (!problems.empty()) return problems.report(index_path, "download the whole repository");
    Safetensors set = TRY(open_safetensors(paths));
    std::vector<bool> is_listed(set.tensors().size());
    for (const auto& [tensor_name, file] : index.places) {
        const RawTensor* tensor = set.find(tensor_name);
        if (!tensor || tensor->file != file) {
            problems.add(fmt::format("tensor {} is not in {}", shown(tensor_name), index.files[file]));
            continue;
        }
        const size_t number = size_t(tensor - set.tensors().data());
        if (is_listed[number]) problems.add(fmt::format("tensor {} is listed twice", shown(tensor_name)));
        is_listed[number] = true;
    }
    for (size_t i = 0; i < is_listed.size(); ++i)
        if (!is_listed[i] && problems.empty())
            problems.add(fmt::format("tensor {} lies in a file but is not listed", shown(set.tensors()[i].name)));
    if (!problems.empty()) return problems.report(index_path, kDownloadAgain);
    return set;
}

Result<std::string> read_small_file(const std::string& path, uint64_t most_bytes) {
    const MappedFile file = TRY(MappedFile::open(path));
    if (file.bytes().size() > most_bytes)
        return fail(ErrorKind::bad_file, fmt::format("{} has {}, at most {} are read", path,
                                                     bytes_text(file.bytes().size()), bytes_text(most_bytes)));
    std::string text(file.bytes().size(), '\0');
    TRY(file.read_at(0, std::as_writable_bytes(std::span(text))));
    return text;
}

}  // namespace hearth
