#include "models/source.h"

#include <algorithm>

#include "tensor/decode.h"

namespace hearth {

namespace {
std::vector<int64_t> without_leading_ones(std::span<const int64_t> shape) {
    const auto first = std::ranges::find_if(shape, [](int64_t size) { return size != 1; });
    return {first, shape.end()};
}

// A shape as people read it, without leading ones.
std::string shape_text(std::span<const int64_t> shape) {
    const auto sizes = without_leading_ones(shape);
    return sizes.empty() ? "1" : fmt::format("{}", fmt::join(sizes, " x "));
}
}  // namespace

void Source::problem(std::string text) {
    problems_.push_back(std::move(text));
}

int64_t Source::integer(std::string_view name, int64_t low, int64_t high) {
    const auto value = metadata().integer(key(name));
    if (!value) problem(fmt::format("{} is missing or no integer", key(name)));
    return value ? integer_or(name, *value, low, high) : low;
}

int64_t Source::integer_or(std::string_view name, int64_t otherwise, int64_t low, int64_t high) {
    const int64_t value = metadata().integer(key(name)).value_or(otherwise);
    if (value >= low && value <= high) return value;
    problem(fmt::format("{} is {}, expected {} to {}", key(name), value, low, high));
    return low;
}

double Source::number(std::string_view name) {
    if (!metadata().number(key(name))) problem(fmt::format("{} is missing or no number", key(name)));
    return number_or(name, 1);
}

double Source::number_or(std::string_view name, double otherwise) {
    const double value = metadata().number(key(name)).value_or(otherwise);
    if (value == value && value >= -3e38 && value <= 3e38) return value;
    problem(fmt::format("{} is not a finite number", key(name)));
    return otherwise;
}

bool Source::flag_or(std::string_view name, bool otherwise) {
    return metadata().boolean(key(name)).value_or(otherwise);
}

std::string Source::text_or(std::string_view name, std::string otherwise) {
    const auto value = metadata().text(key(name));
    return value ? std::string(*value) : std::move(otherwise);
}

std::optional<std::vector<int64_t>> Source::integers(std::string_view name) {
    return metadata().integers(key(name));
}

const StoredTensor* Source::find(const std::string& name, std::initializer_list<int64_t> shape) {
    const std::span<const int64_t> expected(shape.begin(), shape.size());
    const StoredTensor* stored = checkpoint_.find(name);
    if (!stored) {
        problem(fmt::format("{} is missing ({})", name, shape_text(expected)));
        return nullptr;
    }
    if (without_leading_ones(stored->shape) != without_leading_ones(expected)) {
        problem(fmt::format("{} is {}, expected {}", name, shape_text(stored->shape), shape_text(expected)));
        return nullptr;
    }
    return stored;
}

Weight Source::bare_weight(const std::string& name, int64_t out, int64_t in, WeightUse use) {
    const StoredTensor* stored = find(name, {out, in});
    if (!stored) return {};
    if (use != WeightUse::look_up) bytes_per_token_ += double(stored->bytes());
    if (use == WeightUse::multiply && !name.starts_with("output"))
        operations_per_token_ += 2.0 * double(out) * double(in);
    return load(*stored, 1, out, in, use);
}

Weight Source::weight(const std::string& name, int64_t out, int64_t in, WeightUse use) {
    Weight weight = bare_weight(name, out, in, use);
    if (const auto scales = side_scales(name, 1); !scales.empty()) weight.scale = scales[0];
    return weight;
}

Weight Source::experts(const std::string& name, int64_t count, int64_t out, int64_t in, int64_t used_per_token) {
    const StoredTensor* stored = find(name, {count, out, in});
    if (!stored) return {};
    bytes_per_token_ += double(stored->bytes()) * double(used_per_token) / double(count);
    operations_per_token_ += 2.0 * double(out) * double(in) * double(used_per_token);
    Weight stack = load(*stored, count, out, in, WeightUse::multiply);
    if (const auto scales = side_scales(name, count); !scales.empty()) stack.scales = load_floats(scales, 1, count);
    return stack;
}

Weight Source::experts(std::span<const std::string> names, int64_t out, int64_t in, int64_t used_per_token) {
    StoredTensor stack{.name = names[0], .shape = {int64_t(names.size()), out, in}};
    std::vector<std::byte> bytes;
    bool is_whole = true;
    for (const std::string& name : names) {
        const StoredTensor* stored = find(name, {out, in});
        is_whole &= stored != nullptr;
        if (!is_whole) continue;
        if (name == names[0]) stack.type = stored->type;
        if (stored->type != stack.type)
            problem(fmt::format("{} has type {}, {} of the same stack has {}", name, name_of(stored->type), names[0],
                                name_of(stack.type)));
        bytes_per_token_ += double(stored->bytes()) * double(used_per_token) / double(names.size());
        if (backend_.is_planning() || has_problems() || failure_) continue;
        const auto own = checkpoint_.bytes(*stored);
        if (own)
            bytes.insert(bytes.end(), own->view().begin(), own->view().end());
        else
            failure_ = own.error();
    }
    if (!is_whole) return {};
    operations_per_token_ += 2.0 * double(out) * double(in) * double(used_per_token);
    stack.data = bytes;
    return load(stack, int64_t(names.size()), out, in, WeightUse::multiply);
}

// `blk.0.attn_q.scale` beside `blk.0.attn_q.weight`: one factor, or one for each of a stack's matrices.
std::vector<float> Source::side_scales(const std::string& name, int64_t count) {
    if (!name.ends_with(".weight")) return {};
    const StoredTensor* stored = checkpoint_.find(name.substr(0, name.size() - 6) + "scale");
    if (!stored) return {};
    const int64_t values = stored->elements();
    if (values != 1 && values != count) {
        problem(fmt::format("{} is {}, expected {}", stored->name, shape_text(stored->shape),
                            count == 1 ? "1" : fmt::format("1 or {}", count)));
        return {};
    }
    std::vector<float> scales = decoded(*stored);
    if (scales.empty()) return {};
    scales.resize(size_t(count), scales[0]);
    return scales;
}

Weight Source::load(const StoredTensor& stored, int64_t experts, int64_t out, int64_t in, WeightUse use) {
    if (!info(stored.type).is_weight) {
        problem(fmt::format("{} has type {}, which cannot be multiplied with", stored.name, name_of(stored.type)));
        return {};
    }
    // After a first problem the file will be refused: shapes are still checked, but nothing more is copied.
    if (has_problems() || failure_) return {};
    TensorBytes bytes{std::span<const std::byte>()};
    if (!backend_.is_planning()) {
        auto made = checkpoint_.bytes(stored);
        if (!made) {
            failure_ = std::move(made).error();
            return {};
        }
        bytes = std::move(*made);
    }
    // A stack that was put together here is no tensor of the checkpoint's.
    const bool is_own = checkpoint_.find(stored.name) == &stored, is_mapped = is_own && checkpoint_.is_mapped(stored);
    StoredWeight weight{stored.name, stored.type, out, in, experts, bytes.view(), is_mapped, {}};
    // The pages of a large tensor go while it is re-laid, so that it is never in memory twice.
    constexpr int64_t kLargeBytes = 32 << 20;
    if (is_own && stored.bytes() > kLargeBytes)
        weight.was_read = [&](int64_t offset, int64_t count) {
            checkpoint_.release(stored, uint64_t(offset), uint64_t(count));
        };
    auto loaded = backend_.load(weight, use);
    if (!loaded) {
        failure_ = std::move(loaded).error();
        return {};
    }
    loaded->id = next_id_++;
    parameters_ += stored.elements();
    if (!backend_.is_planning() && is_own && !(is_mapped && backend_.uses_mapped_files())) checkpoint_.release(stored);
    loaded_bytes_ += double(stored.bytes());
    if (progress_ && !progress_(loaded_bytes_ / double(checkpoint_.format().total_bytes)))
        failure_ = Error{ErrorKind::cancelled, "stopped", ""};
    return std::move(*loaded);
}

// All values of a tensor; none when its bytes cannot be had.
std::vector<float> Source::decoded(const StoredTensor& stored) {
    const auto bytes = checkpoint_.bytes(stored);
    if (!bytes) {
        failure_ = bytes.error();
        return {};
    }
    std::vector<float> values(size_t(stored.elements()));
    if (!values.empty()) decode(stored.type, bytes->view().data(), stored.elements(), values.data());
    return values;
}

std::vector<float> Source::host_floats(const std::string& name, int64_t count) {
    const StoredTensor* stored = find(name, {count});
    return stored ? decoded(*stored) : std::vector<float>();
}

Tensor Source::floats(const std::string& name, int64_t rows, int64_t width) {
    const StoredTensor* stored = find(name, {rows, width});
    if (!stored || has_problems() || failure_) return {};
    std::vector<float> values = decoded(*stored);
    if (failure_) return {};
    if (float_offset_ != 0)
        for (float& value : values) value += float_offset_;
    parameters_ += stored->elements();
    return load_floats(values, rows, width);
}

Tensor Source::load_floats(std::span<const float> values, int64_t rows, int64_t width) {
    if (has_problems() || failure_) return {};
    auto tensor = backend_.load_floats(values, rows, width);
    if (tensor) return *tensor;
    failure_ = std::move(tensor).error();
    return {};
}

Result<> Source::report() const {
    if (problems_.empty() && failure_) return std::unexpected(*failure_);
    if (problems_.empty()) return {};
    constexpr size_t kShown = 20;
    std::string text =
        fmt::format("the file does not fit {}: {}", architecture_,
                    fmt::join(problems_.begin(), problems_.begin() + std::min(problems_.size(), kShown), "; "));
    if (problems_.size() > kShown) text += fmt::format(" and {} more", problems_.size() - kShown);
    return fail(ErrorKind::bad_file, std::move(text), "download or convert the model again");
}

}  // namespace hearth
