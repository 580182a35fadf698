#include "library/quantise_file.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <regex>
#include <thread>

#include "base/text_format.h"
#include "files/gguf_writer.h"
#include "files/problems.h"
#include "library/disk.h"
#include "library/mixes.h"
#include "library/quantise_budget.h"
#include "tensor/decode.h"
#include "tensor/quantise.h"

namespace hearth {

namespace {

bool is_quantised(DType type) {
    return info(type).is_weight && info(type).block_elements > 1;
}
bool is_float(DType type) {
    return type == DType::f32 || type == DType::f16 || type == DType::bf16 || type == DType::f64;
}
bool is_matrix(const StoredTensor& tensor) {
    return !is_never_quantised(tensor.name, tensor.shape.size());
}

// Types that models are trained in: a file of them is an original, not somebody's approximation.
bool is_original(DType type) {
    return type == DType::mxfp4 || type == DType::nvfp4;
}

int64_t padded(int64_t bytes) {
    return (bytes + 31) / 32 * 32;
}

int64_t first_number(const Metadata& metadata, const std::string& key) {
    if (const auto one = metadata.integer(key)) return *one;
    const auto many = metadata.integers(key);
    return many && !many->empty() ? many->front() : 0;
}

MixFacts facts_of(const Metadata& metadata, bool has_imatrix) {
    const std::string_view architecture = metadata.text("general.architecture").value_or("");
    const auto number = [&](const char* name) {
        return first_number(metadata, fmt::format("{}.{}", architecture, name));
    };
    return {.architecture = architecture,
            .layers = number("block_count"),
            .heads = number("attention.head_count"),
            .kv_heads = number("attention.head_count_kv"),
            .experts = number("expert_count"),
            .has_imatrix = has_imatrix};
}

// "a.weight, b.weight and 12 more"
std::string listed(const std::vector<std::string_view>& names) {
    const size_t shown = std::min<size_t>(names.size(), 3);
    std::string text = fmt::format("{}", fmt::join(names.begin(), names.begin() + int64_t(shown), ", "));
    if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
    return text;
}

struct Keep {
    std::regex pattern;
    std::string text;
    std::optional<DType> type;  // nothing: as stored
    bool was_used = false;
    std::vector<std::string_view> numbers, small, indivisible;  // tensors it must not have matched
};

Result<std::vector<Keep>> compiled(std::span<const KeepRule> rules) {
    std::vector<Keep> keeps;
    for (const KeepRule& rule : rules) {
        Keep keep{.text = rule.pattern};
        try {
            keep.pattern = std::regex(rule.pattern);
        } catch (const std::regex_error& error) {
            return fail(ErrorKind::bad_request,
                        fmt::format("\"{}\" is no regular expression: {}", rule.pattern, error.what()),
                        "write for example --keep 'attn_v=q6_k'");
        }
        if (rule.type != "keep") {
            const DTypeInfo* type = find_dtype(std::string_view(rule.type));
            if (!type || !can_quantise(type->type))
                return fail(ErrorKind::bad_request, fmt::format("no weight type is called \"{}\"", rule.type),
                            "a type such as q6_k, q8_0 or f16, or \"keep\" for the type the tensor has");
            keep.type = type->type;
        }
        keeps.push_back(std::move(keep));
    }
    return keeps;
}

// Everything that decides about types, and all that is wrong, gathered for one report.
class Planner {
public:
    Planner(const Checkpoint& source, const QuantiseOptions& options)
        : source_(source), options_(options), facts_(facts_of(source.metadata(), options.imatrix != nullptr)) {}

    Result<QuantisePlan> plan() {
        const std::string kind(source_.metadata().text("general.type").value_or("model"));
        if (kind == "imatrix" || kind == "adapter")
            return fail(ErrorKind::bad_request, fmt::format("this file is an {}, no model", kind),
                        "name the model itself");
        if (source_.tensors().empty())
            return fail(ErrorKind::bad_file, "this file holds no tensors", "name the file with the model's weights");
        std::string name = options_.type;
        for (char& c : name) c = char(std::tolower(static_cast<unsigned char>(c)));
        const bool is_budget = name == "hq4" || name == "hq5";
        if (options_.target_bytes > 0 && !is_budget)
            return fail(ErrorKind::bad_request, fmt::format("--size is for hq4 and hq5, {} has the size it has", name),
                        "use --type hq4 --size ..., or leave --size away");
        mix_ = TRY(find_mix(is_budget ? (name == "hq4" ? "q4_k_m" : "q5_k_m") : name));
        keeps_ = TRY(compiled(options_.keep));
        TRY(choose_by_mix(!is_budget));
        if (is_budget) TRY(choose_by_budget(name == "hq4" ? 4 : 5));
        TRY(check_requantising());
        TRY(check_importance());
        report_keeps();
        if (!problems_.empty()) {
            auto report = problems_.report("cannot quantise", "");
            report.error().kind = ErrorKind::bad_request;
            return report;
        }
        return assembled(is_budget ? name : std::string(mix_.name));
    }

private:
    const StoredTensor& tensor(size_t i) const { return source_.tensors()[i]; }

    Keep* rule_for(const StoredTensor& stored) {
        for (Keep& keep : keeps_)
            if (std::regex_search(stored.name, keep.pattern)) return &keep;
        return nullptr;
    }

    Result<> choose_by_mix(bool notes_stand_ins) {
        std::vector<MixTensor> asked;
        std::vector<std::vector<int64_t>> whole_shapes;  // as if every row were a multiple of any block
        for (const StoredTensor& stored : source_.tensors()) {
            // What is stored quantised is judged as if it were not; whether that may change comes later.
            asked.push_back({stored.name, stored.shape, is_quantised(stored.type) ? DType::f32 : stored.type});
            whole_shapes.push_back(stored.shape);
            if (!whole_shapes.back().empty()) whole_shapes.back().back() = (stored.shape.back() + 255) / 256 * 256;
        }
        types_ = TRY(choose_types(mix_, asked, facts_));
        for (size_t i = 0; i < asked.size(); ++i) asked[i].shape = whole_shapes[i];
        const std::vector<DType> wanted = TRY(choose_types(mix_, asked, facts_));
        std::vector<std::string_view> stand_ins;
        for (size_t i = 0; i < types_.size(); ++i) {
            const StoredTensor& stored = tensor(i);
            if (!is_float(stored.type) && !is_quantised(stored.type)) types_[i] = stored.type;  // whole numbers
            if (is_original(stored.type)) types_[i] = stored.type;
            if (Keep* keep = rule_for(stored)) {
                keep->was_used = true;
                apply(*keep, i);
            } else if (types_[i] != wanted[i] && is_matrix(stored) && !is_original(stored.type)) {
                stand_ins.push_back(stored.name);
            }
        }
        if (notes_stand_ins && !stand_ins.empty())
            notes_.push_back(fmt::format("rows that are no multiple of the block take the next type that fits: {}",
                                         listed(stand_ins)));
        return {};
    }

    void apply(Keep& keep, size_t i) {
        const StoredTensor& stored = tensor(i);
        types_[i] = keep.type.value_or(stored.type);
        if (types_[i] == stored.type) return;
        if (!is_float(stored.type) && !is_quantised(stored.type))
            keep.numbers.push_back(stored.name);
        else if (!is_matrix(stored) && types_[i] != DType::f32)
            keep.small.push_back(stored.name);
        else if (stored.shape.back() % info(types_[i]).block_elements)
            keep.indivisible.push_back(stored.name);
    }

    void report_keeps() {
        for (const Keep& keep : keeps_) {
            const std::string asked = fmt::format("--keep {}={}", keep.text, keep.type ? name_of(*keep.type) : "keep");
            if (!keep.was_used) problems_.add(asked + " matches no tensor of this file, or an earlier --keep took all");
            if (!keep.numbers.empty())
                problems_.add(
                    fmt::format("{} means what holds whole numbers, no weights: {}", asked, listed(keep.numbers)));
            if (!keep.small.empty())
                problems_.add(
                    fmt::format("{} means small tensors that decide much (norms, biases, routers, convolutions); "
                                "they can be f32 or \"keep\": {}",
                                asked, listed(keep.small)));
            if (!keep.indivisible.empty())
                problems_.add(fmt::format("{} needs rows that are multiples of {} values, other rows have {}", asked,
                                          info(*keep.type).block_elements, listed(keep.indivisible)));
        }
    }

    Result<> choose_by_budget(int level) {
        BudgetFacts facts{.layers = std::max<int64_t>(facts_.layers, 1),
                          .is_tied = source_.find("output.weight") == nullptr,
                          .level = level,
                          .target_bytes = options_.target_bytes,
                          .threads = options_.threads};
        if (facts.target_bytes == 0) {
            for (size_t i = 0; i < types_.size(); ++i) facts.target_bytes += padded(bytes_of(i));
        } else {
            facts.target_bytes -= header_guess();
        }
        std::vector<BudgetTensor> asked;
        for (size_t i = 0; i < types_.size(); ++i) {
            const StoredTensor& stored = tensor(i);
            const bool has_choice = is_matrix(stored) && is_float(stored.type) && !rule_for(stored);
            const bool may_again = is_matrix(stored) && is_quantised(stored.type) && !is_original(stored.type) &&
                                   options_.allow_requantise && !rule_for(stored);
            asked.push_back({&stored, usable_importance(stored), types_[i], has_choice || may_again});
        }
        BudgetChoice choice = TRY(choose_for_budget(source_, asked, facts, options_.progress));
        types_ = std::move(choice.types);
        for (std::string& note : choice.notes) notes_.push_back(std::move(note));
        return {};
    }

    // Texts and tables in front of the data: what the vocabulary takes, mostly.
    int64_t header_guess() const {
        const auto first = std::ranges::min(source_.tensors(), {}, &StoredTensor::file_offset);
        return int64_t(first.file_offset) + 4096;
    }

    Result<> check_requantising() {
        std::vector<std::string_view> again, originals;
        DType from = DType::f32;
        for (size_t i = 0; i < types_.size(); ++i) {
            const StoredTensor& stored = tensor(i);
            if (!is_quantised(stored.type)) continue;
            if (types_[i] == stored.type) {
                if (is_original(stored.type)) originals.push_back(stored.name);
                continue;
            }
            if (again.empty()) from = stored.type;
            again.push_back(stored.name);
        }
        if (!originals.empty())
            notes_.push_back(
                fmt::format("stored in the type the model was trained in, and kept: {}", listed(originals)));
        if (again.empty()) return {};
        if (!options_.allow_requantise)
            return fail(ErrorKind::bad_request,
                        fmt::format("{} tensors are quantised already ({} is {}): their errors would add up",
                                    again.size(), again.front(), name_of(from)),
                        "start from the bf16 or f16 file, or say --allow-requantize");
        notes_.push_back(fmt::format("quantised a second time, errors add up: {}", listed(again)));
        return {};
    }

    const std::vector<float>* usable_importance(const StoredTensor& stored) const {
        const std::vector<float>* found = options_.imatrix ? options_.imatrix->find(stored.name) : nullptr;
        if (!found || stored.shape.empty()) return nullptr;
        const size_t columns = size_t(stored.shape.back()), planes = size_t(planes_of(stored));
        return found->size() == columns || found->size() == columns * planes ? found : nullptr;
    }

    static int64_t planes_of(const StoredTensor& stored) {
        int64_t planes = 1;
        for (size_t d = 0; d + 2 < stored.shape.size(); ++d) planes *= stored.shape[d];
        return planes;
    }

    Result<> check_importance() {
        std::vector<std::string_view> needing, missing;
        for (size_t i = 0; i < types_.size(); ++i) {
            const StoredTensor& stored = tensor(i);
            if (types_[i] == stored.type || !is_matrix(stored)) continue;
            const bool is_looked_up = stored.name.find("token_embd") != std::string::npos;
            if (needs_importance(types_[i]) && !is_looked_up && stored.name != "output.weight")
                needing.push_back(stored.name);
            if (!options_.imatrix || !is_quantised(types_[i])) continue;
            const std::vector<float>* found = options_.imatrix->find(stored.name);
            if (found && !usable_importance(stored))
                problems_.add(
                    fmt::format("the importance matrix has {} columns for {}, the tensor {}: it was made from "
                                "another model",
                                found->size(), stored.name, stored.shape.back() * planes_of(stored)));
            if (!found && !is_looked_up && stored.name != "output.weight") missing.push_back(stored.name);
        }
        if (!options_.imatrix && (!needing.empty() || mix_.needs_imatrix))
            return fail(ErrorKind::bad_request,
                        fmt::format("{} has too few bits to be good without an importance matrix", mix_.name),
                        "make one with `hearth imatrix MODEL TEXT OUT` and pass --imatrix OUT");
        if (!missing.empty())
            notes_.push_back(fmt::format("not in the importance matrix, all columns count alike: {}", listed(missing)));
        return {};
    }

    int64_t bytes_of(size_t i) const { return row_bytes(types_[i], tensor(i).elements()); }

    QuantisePlan assembled(const std::string& name) {
        QuantisePlan plan;
        plan.type = name;
        plan.notes = notes_;
        plan.source_bytes = int64_t(source_.format().total_bytes);
        plan.bytes = header_guess();
        bool has_quantised = false;
        int64_t used = 0;
        for (size_t i = 0; i < types_.size(); ++i) {
            const StoredTensor& stored = tensor(i);
            QuantisedTensor out{.source = &stored, .type = types_[i], .bytes = bytes_of(i)};
            if (types_[i] != stored.type && uses_importance(types_[i])) out.importance = usable_importance(stored);
            used += out.importance != nullptr;
            has_quantised |= is_quantised(types_[i]);
            plan.weights += stored.elements();
            plan.bytes += padded(out.bytes);
            plan.tensors.push_back(out);
        }
        for (const Metadata::Entry& entry : source_.metadata().entries())
            if (!entry.key.starts_with("split.")) plan.metadata.set(entry.key, entry.value);
        plan.metadata.set("general.file_type", MetadataValue::of(mix_.file_type));
        if (has_quantised) plan.metadata.set("general.quantization_version", MetadataValue::of(uint32_t{2}));
        if (options_.imatrix && used > 0) {
            const Imatrix& imatrix = *options_.imatrix;
            const std::string file = std::filesystem::path(options_.imatrix_path).filename();
            plan.metadata.set("quantize.imatrix.file", MetadataValue::text_of(file));
            if (!imatrix.datasets.empty())
                plan.metadata.set("quantize.imatrix.dataset", MetadataValue::text_of(imatrix.datasets.front()));
            plan.metadata.set("quantize.imatrix.entries_count", MetadataValue::of(uint32_t(imatrix.importance.size())));
            if (imatrix.chunk_count > 0)
                plan.metadata.set("quantize.imatrix.chunks_count", MetadataValue::of(uint32_t(imatrix.chunk_count)));
        }
        return plan;
    }

    const Checkpoint& source_;
    const QuantiseOptions& options_;
    const MixFacts facts_;
    Mix mix_{};
    std::vector<Keep> keeps_;
    std::vector<DType> types_;
    std::vector<std::string> notes_;
    Problems problems_;
};

// Rows of one plane of one tensor; of a tensor that stays as it is, bytes.
struct Piece {
    size_t tensor;
    int64_t first, count;  // rows, or bytes
};

constexpr int64_t kPieceValues = 512 * 1024;
constexpr int64_t kPieceBytes = 4 << 20;

std::vector<Piece> cut(const QuantisePlan& plan) {
    std::vector<Piece> pieces;
    for (size_t i = 0; i < plan.tensors.size(); ++i) {
        const StoredTensor& source = *plan.tensors[i].source;
        if (plan.tensors[i].type == source.type) {
            const int64_t bytes = source.bytes();
            for (int64_t at = 0; at < bytes; at += kPieceBytes)
                pieces.push_back({i, at, std::min(kPieceBytes, bytes - at)});
            continue;
        }
        const int64_t columns = source.shape.back(), rows = columns > 0 ? source.elements() / columns : 0;
        const int64_t plane = source.shape.size() > 2 ? source.shape[source.shape.size() - 2] : rows;
        const int64_t step = std::max<int64_t>(kPieceValues / std::max<int64_t>(columns, 1), 1);
        for (int64_t first = 0; first < rows; first += plane)
            for (int64_t row = 0; row < plane; row += step)
                pieces.push_back({i, first + row, std::min(step, plane - row)});
    }
    return pieces;
}

// What one thread works with.
class PieceMaker {
public:
    PieceMaker(const Checkpoint& source, const QuantisePlan& plan) : source_(source), plan_(plan) {}

    Result<> make(const Piece& piece, std::vector<std::byte>& out) {
        const QuantisedTensor& tensor = plan_.tensors[piece.tensor];
        const StoredTensor& stored = *tensor.source;
        if (tensor.type == stored.type) {
            out.resize(size_t(piece.count));
            return source_.read(stored, uint64_t(piece.first), out);
        }
        const int64_t columns = stored.shape.back(), count = piece.count * columns;
        raw_.resize(size_t(row_bytes(stored.type, count)));
        TRY(source_.read(stored, uint64_t(row_bytes(stored.type, columns)) * uint64_t(piece.first), raw_));
        values_.resize(size_t(count));
        decode(stored.type, raw_.data(), count, values_.data());
        if (const int64_t bad = first_not_finite(values_); bad >= 0)
            return fail(ErrorKind::bad_file,
                        fmt::format("{} holds {} in row {}, column {}", stored.name, values_[size_t(bad)],
                                    piece.first + bad / columns, bad % columns),
                        "the model is damaged: fetch it again");
        if (tensor.type == DType::f16) {
            const auto large = std::ranges::find_if(values_, [](float v) { return std::fabs(v) >= 65520; });
            if (large != values_.end())
                return fail(ErrorKind::unsupported, fmt::format("{} holds {}, more than f16 can", stored.name, *large),
                            "choose bf16, or --keep this tensor");
        }
        std::span<const float> importance;
        if (tensor.importance) {
            const int64_t plane = stored.shape.size() > 2 ? piece.first / stored.shape[stored.shape.size() - 2] : 0;
            if (piece.tensor != importance_tensor_ || plane != importance_plane_) {
                const bool is_per_plane = int64_t(tensor.importance->size()) > columns;
                importance_ =
                    TRY(prepared_importance(std::span(*tensor.importance)
                                                .subspan(is_per_plane ? size_t(plane * columns) : 0, size_t(columns))));
                importance_tensor_ = piece.tensor;
                importance_plane_ = plane;
            }
            importance = importance_;
        }
        out.resize(size_t(row_bytes(tensor.type, count)));
        quantise(tensor.type, {values_, columns, importance}, out.data());
        return {};
    }

private:
    const Checkpoint& source_;
    const QuantisePlan& plan_;
    std::vector<std::byte> raw_;
    std::vector<float> values_, importance_;
    size_t importance_tensor_ = SIZE_MAX;
    int64_t importance_plane_ = -1;
};

// Threads make pieces, at most a few ahead of the one that is to be written; the caller takes them in order.
class Pipeline {
public:
    Pipeline(const Checkpoint& source, const QuantisePlan& plan, std::span<const Piece> pieces, int threads)
        : source_(source), plan_(plan), pieces_(pieces), slots_(size_t(2 * threads + 2)) {
        for (int t = 0; t < threads; ++t) workers_.emplace_back([this] { work(); });
    }
    ~Pipeline() {
        {
            std::lock_guard lock(mutex_);
            is_stopped_ = true;
        }
        changed_.notify_all();
    }

    // The bytes of piece `index`, which must be the one after the last that was taken; nothing when it is not ready
    // within a little while.
    Result<std::optional<std::vector<std::byte>>> take(size_t index) {
        std::unique_lock lock(mutex_);
        Slot& slot = slots_[index % slots_.size()];
        if (!changed_.wait_for(lock, std::chrono::milliseconds(50), [&] { return slot.is_ready; }))
            return std::optional<std::vector<std::byte>>();
        if (slot.error) return std::unexpected(*slot.error);
        slot.is_ready = false;
        taken_ = index + 1;
        std::optional<std::vector<std::byte>> bytes(std::move(slot.bytes));
        changed_.notify_all();
        return bytes;
    }

private:
    struct Slot {
        std::vector<std::byte> bytes;
        std::optional<Error> error;
        bool is_ready = false;
    };

    void work() {
        PieceMaker maker(source_, plan_);
        std::unique_lock lock(mutex_);
        while (true) {
            changed_.wait(lock,
                          [&] { return is_stopped_ || next_ == pieces_.size() || next_ < taken_ + slots_.size(); });
            if (is_stopped_ || next_ == pieces_.size()) return;
            const size_t index = next_++;
            lock.unlock();
            std::vector<std::byte> bytes;
            auto made = maker.make(pieces_[index], bytes);
            lock.lock();
            Slot& slot = slots_[index % slots_.size()];
            slot.bytes = std::move(bytes);
            if (!made) slot.error = made.error();
            slot.is_ready = true;
            changed_.notify_all();
        }
    }

    const Checkpoint& source_;
    const QuantisePlan& plan_;
    const std::span<const Piece> pieces_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Slot> slots_;
    size_t next_ = 0, taken_ = 0;
    bool is_stopped_ = false;
    std::vector<std::jthread> workers_;  // joined first
};

}  // namespace

Result<QuantisePlan> plan_quantise(const Checkpoint& source, const QuantiseOptions& options) {
    return Planner(source, options).plan();
}

Result<> write_quantised(const Checkpoint& source, const QuantisePlan& plan, const std::string& path, int threads,
                         const QuantiseProgress& progress) {
    std::error_code ignored;
    for (const std::string& part : source.format().parts)
        if (std::filesystem::equivalent(part, path, ignored))
            return fail(ErrorKind::bad_request, path + " is the file that is read", "choose another name");
    TRY(check_room(path, plan.bytes, "choose another disk or a smaller type"));
    GgufWriter writer(path);
    for (const Metadata::Entry& entry : plan.metadata.entries()) writer.set(entry.key, entry.value);
    for (const QuantisedTensor& tensor : plan.tensors)
        writer.declare(tensor.source->name, tensor.type, tensor.source->shape);
    TRY(writer.start());
    const std::vector<Piece> pieces = cut(plan);
    double total = 0, done = 0;
    for (const QuantisedTensor& tensor : plan.tensors) total += double(tensor.source->elements());
    {
        Pipeline pipeline(source, plan, pieces, std::max(threads, 1));
        for (size_t index = 0; index < pieces.size();) {
            const auto bytes = TRY(pipeline.take(index));
            if (bytes) {
                TRY(writer.write(*bytes));
                const QuantisedTensor& tensor = plan.tensors[pieces[index].tensor];
                done += double(bytes->size()) / double(std::max<int64_t>(tensor.bytes, 1)) *
                        double(tensor.source->elements());
                ++index;
            }
            if (progress && !progress(total > 0 ? done / total : 1))
                return fail(ErrorKind::cancelled, path + " was not finished: cancelled");
        }
    }
    return writer.finish();
}

Result<int64_t> parse_size(std::string_view text) {
    const auto bad = [&] {
        return fail(ErrorKind::bad_request, fmt::format("\"{}\" is no size", text), "write for example 1.2G or 800M");
    };
    const std::string copy(text);
    char* end = nullptr;
    const double number = std::strtod(copy.c_str(), &end);
    std::string unit(end);
    for (char& c : unit) c = char(std::tolower(static_cast<unsigned char>(c)));
    const double factor = unit.empty() || unit == "b"   ? 1
                          : unit == "k" || unit == "kb" ? 1e3
                          : unit == "m" || unit == "mb" ? 1e6
                          : unit == "g" || unit == "gb" ? 1e9
                          : unit == "kib"               ? 0x1p10
                          : unit == "mib"               ? 0x1p20
                          : unit == "gib"               ? 0x1p30
                                                        : 0;
    if (end == copy.c_str() || factor == 0 || !(number > 0) || number * factor > 1e18) return bad();
    return int64_t(number * factor);
}

}  // namespace hearth
