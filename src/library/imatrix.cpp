#include "library/imatrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/mapped_file.h"
#include "base/text_format.h"
#include "files/gguf.h"
#include "files/gguf_writer.h"

namespace hearth {

namespace {

constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";
constexpr const char* kMakeAgain = "make the matrix again or download it again";

std::string shown(std::string_view name) {
    return valid_utf8(name.substr(0, 80));
}

class Problems {
public:
    void add(std::string text) {
        if (count_++ < kShown) text_ += (text_.empty() ? "" : "; ") + text;
    }
    Result<> report(const std::string& path) const {
        if (count_ == 0) return {};
        std::string text = fmt::format("{} is no importance matrix: {}", path, text_);
        if (count_ > kShown) text += fmt::format(" and {} more", count_ - kShown);
        return fail(ErrorKind::bad_file, std::move(text), kMakeAgain);
    }

private:
    static constexpr size_t kShown = 10;
    std::string text_;
    size_t count_ = 0;
};

// A sum of squares: zero or more, and finite.
bool is_sum(float value) {
    return value >= 0 && value <= std::numeric_limits<float>::max();
}

// `values`: sums over `count` rows, turned into means in place.
bool to_means(std::span<float> values, float count) {
    if (!std::ranges::all_of(values, is_sum) || !is_sum(count)) return false;
    for (float& value : values) value = count > 0 ? value / count : 1;
    return std::ranges::all_of(values, is_sum);  // a count far below one makes infinities
}

std::vector<float> floats_of(std::span<const std::byte> bytes) {
    std::vector<float> values(bytes.size() / sizeof(float));
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
    return values;
}

Result<Imatrix> read_gguf_form(const std::string& path) {
    const Checkpoint file = TRY(open_gguf(path));
    if (const auto type = file.metadata().text("general.type"); !type || *type != "imatrix")
        return fail(ErrorKind::bad_file,
                    fmt::format("{} is no importance matrix: its general.type is {}", path,
                                type ? '"' + shown(*type) + '"' : "missing"),
                    "give a file that `hearth imatrix` wrote");
    TRY(file.check_whole());
    Imatrix matrix;
    Problems problems;
    for (const StoredTensor& sums : file.tensors()) {
        if (!sums.name.ends_with(kSums)) {
            if (!sums.name.ends_with(kCounts)) problems.add("it holds a tensor " + shown(sums.name));
            continue;
        }
        const std::string name = sums.name.substr(0, sums.name.size() - kSums.size());
        const StoredTensor* counts = file.find(name + std::string(kCounts));
        if (!counts) {
            problems.add(shown(name) + " has sums and no counts");
            continue;
        }
        const int64_t stacks = counts->elements();
        if (sums.type != DType::f32 || counts->type != DType::f32 || stacks < 1 || sums.elements() < 1 ||
            sums.elements() % stacks != 0) {
            problems.add(fmt::format("{} has {} sums and {} counts of types {} and {}", shown(name), sums.elements(),
                                     stacks, name_of(sums.type), name_of(counts->type)));
            continue;
        }
        std::vector<float> values = floats_of(sums.data);
        const std::vector<float> rows = floats_of(counts->data);
        const size_t columns = values.size() / rows.size();
        for (size_t stack = 0; stack < rows.size(); ++stack)
            if (!to_means(std::span(values).subspan(stack * columns, columns), rows[stack])) {
                problems.add(shown(name) + " has sums or counts that are negative or not finite");
                break;
            }
        matrix.importance.emplace(name, std::move(values));
    }
    if (matrix.importance.empty()) problems.add("it has no sums");
    TRY(problems.report(path));
    for (const std::string_view dataset :
         file.metadata().texts("imatrix.datasets").value_or(std::span<const std::string_view>()))
        matrix.datasets.emplace_back(dataset);
    matrix.chunk_count = file.metadata().integer("imatrix.chunk_count").value_or(0);
    matrix.chunk_tokens = file.metadata().integer("imatrix.chunk_size").value_or(0);
    return matrix;
}

// The older form: a count of entries; each is a name, the number of calls, and per column the mean square times that
// number, all in 32-bit integers and floats. Behind them perhaps the number of chunks and one data set's name.
class LegacyReader {
public:
    explicit LegacyReader(const MappedFile& file) : file_(file) {}

    Result<Imatrix> read() {
        Imatrix matrix;
        const int32_t entries = TRY(integer("the number of entries"));
        if (entries < 1) return wrong(fmt::format("it says it has {} entries", entries));
        Problems problems;
        for (int32_t entry = 0; entry < entries; ++entry) {
            std::string name = TRY(text("a weight's name"));
            const int32_t calls = TRY(integer("a number of calls")), columns = TRY(integer("a number of columns"));
            if (columns < 1) return wrong(fmt::format("{} has {} columns", shown(name), columns));
            std::vector<float> values = floats_of(TRY(take(uint64_t(columns) * sizeof(float), "columns")));
            if (!to_means(values, float(std::max(calls, 0))))
                problems.add(shown(name) + " has values that are negative or not finite");
            if (!matrix.importance.emplace(std::move(name), std::move(values)).second)
                problems.add("a weight's name stands in it twice");
        }
        TRY(problems.report(file_.path()));
        if (at_ < file_.bytes().size()) {
            matrix.chunk_count = TRY(integer("the number of chunks"));
            matrix.datasets.push_back(TRY(text("the data set's name")));
        }
        return matrix;
    }

private:
    std::unexpected<Error> wrong(std::string why) const {
        return fail(ErrorKind::bad_file, fmt::format("{} is no importance matrix: {}", file_.path(), std::move(why)),
                    kMakeAgain);
    }
    // Copied by reading: the file may become shorter at any time.
    Result<std::vector<std::byte>> take(uint64_t count, const char* what) {
        if (count > file_.bytes().size() - at_)
            return wrong(fmt::format("it ends at byte {} within {}", file_.bytes().size(), what));
        std::vector<std::byte> bytes(count);
        TRY(file_.read_at(at_, bytes));
        at_ += count;
        return bytes;
    }
    Result<int32_t> integer(const char* what) {
        int32_t value = 0;
        std::memcpy(&value, TRY(take(sizeof value, what)).data(), sizeof value);
        return value;
    }
    Result<std::string> text(const char* what) {
        const int32_t length = TRY(integer(what));
        if (length < 0) return wrong(fmt::format("{} has {} bytes", what, length));
        const std::vector<std::byte> bytes = TRY(take(uint64_t(length), what));
        return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }

    const MappedFile& file_;
    uint64_t at_ = 0;
};

}  // namespace

Result<Imatrix> read_imatrix(const std::string& path) {
    const MappedFile file = TRY(MappedFile::open(path));
    char magic[4] = {};
    TRY(file.read_at(0, std::as_writable_bytes(std::span(magic)).first(std::min<size_t>(4, file.bytes().size()))));
    if (std::memcmp(magic, "GGUF", 4) == 0) return read_gguf_form(path);
    return LegacyReader(file).read();
}

Result<> write_imatrix(const std::string& path, const std::map<std::string, InputSums, std::less<>>& sums,
                       const ImatrixSource& source) {
    GgufWriter writer(path);
    writer.set_text("general.type", "imatrix");
    writer.set("imatrix.datasets", MetadataValue::texts_of({source.dataset}));
    writer.set("imatrix.chunk_count", uint32_t(std::clamp<int64_t>(source.chunk_count, 0, UINT32_MAX)));
    writer.set("imatrix.chunk_size", uint32_t(std::clamp<int64_t>(source.chunk_tokens, 0, UINT32_MAX)));
    for (const auto& [name, one] : sums) {
        const int64_t stacks = int64_t(one.rows.size()), columns = int64_t(one.squares.size()) / stacks;
        const bool is_stack = stacks > 1;
        writer.declare(name + std::string(kSums), DType::f32,
                       is_stack ? std::vector<int64_t>{stacks, columns} : std::vector<int64_t>{columns});
        writer.declare(name + std::string(kCounts), DType::f32,
                       is_stack ? std::vector<int64_t>{stacks, 1} : std::vector<int64_t>{1});
    }
    TRY(writer.start());
    for (const auto& [name, one] : sums) {
        const std::vector<float> squares(one.squares.begin(), one.squares.end());
        const std::vector<float> counts(one.rows.begin(), one.rows.end());
        TRY(writer.write(std::as_bytes(std::span(squares))));
        TRY(writer.write(std::as_bytes(std::span(counts))));
    }
    return writer.finish();
}

}  // namespace hearth
