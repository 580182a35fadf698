#include "library/convert.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "huggingface/directory.h"
#include "tensor/decode.h"
#include "tensor/quantise.h"

namespace hearth {

namespace {

// Every tensor in the type it has.
QuantisePlan plan_as_stored(const Checkpoint& source) {
    constexpr int64_t kAlignment = 32;
    QuantisePlan plan;
    plan.type = "as stored";
    plan.bytes = plan.source_bytes = int64_t(source.format().total_bytes);
    for (const StoredTensor& tensor : source.tensors()) {
        plan.tensors.push_back({.source = &tensor, .type = tensor.type, .bytes = tensor.bytes()});
        plan.weights += tensor.elements();
        plan.bytes += kAlignment + 64;  // padding, and the tensor's line in the table
    }
    for (const Metadata::Entry& entry : source.metadata().entries()) plan.metadata.set(entry.key, entry.value);
    return plan;
}

class QuantisingMaker final : public TensorMaker {
public:
    QuantisingMaker(Checkpoint source, int threads) : source_(std::move(source)), threads_(std::max(1, threads)) {}
    const Checkpoint& source() const { return source_; }
    void set_types(std::vector<DType> types) { types_ = std::move(types); }

    Result<> make(int64_t made, int64_t first, int64_t count, std::span<std::byte> out) const override {
        const StoredTensor& tensor = source_.tensors()[size_t(made)];
        const DType type = types_[size_t(made)];
        const int64_t width = tensor.shape.back(), from_row = row_bytes(tensor.type, width);
        if (type == tensor.type) return source_.read(tensor, uint64_t(first * from_row), out);
        const int64_t to_row = row_bytes(type, width), step = std::max<int64_t>(1, (1 << 18) / width);
        std::atomic<int64_t> next{0};
        std::mutex mutex;
        std::optional<Error> failure;
        const auto work = [&] {
            std::vector<std::byte> raw;
            std::vector<float> values;
            for (int64_t at; (at = next.fetch_add(step)) < count;) {
                const int64_t rows = std::min(step, count - at);
                raw.resize(size_t(rows * from_row));
                auto got = source_.read(tensor, uint64_t((first + at) * from_row), raw);
                values.resize(size_t(rows * width));
                if (got) {
                    decode(tensor.type, raw.data(), rows * width, values.data());
                    if (first_not_finite(values) >= 0)
                        got = fail(ErrorKind::bad_file, tensor.name + " holds numbers that are not finite",
                                   "the model is damaged: fetch it again");
                }
                if (!got) {
                    std::lock_guard lock(mutex);
                    failure = got.error();
                    next = count;
                    return;
                }
                quantise(type, {values, width, {}}, out.data() + at * to_row);
            }
        };
        {
            std::vector<std::jthread> helpers;
            for (int i = 1; i < threads_ && i * step < count; ++i) helpers.emplace_back(work);
            work();
        }
        if (failure) return std::unexpected(*failure);
        return {};
    }
    void release(int64_t made) const override { source_.release(source_.tensors()[size_t(made)]); }
    Result<> check_whole() const override { return source_.check_whole(); }

private:
    Checkpoint source_;
    std::vector<DType> types_;
    int threads_;
};

}  // namespace

Result<Conversion> plan_conversion(const std::string& directory, const std::string& type) {
    if (!huggingface::is_directory(directory))
        return fail(ErrorKind::bad_request, directory + " is no directory",
                    "name a Hugging Face directory; for GGUF files there is `hearth quantize`");
    auto opened = TRY(huggingface::open_directory(directory));
    Conversion conversion{std::move(opened.checkpoint), {}, std::move(opened.notes)};
    conversion.plan =
        type.empty() ? plan_as_stored(conversion.source) : TRY(plan_quantise(conversion.source, {.type = type}));
    return conversion;
}

Result<Checkpoint> quantised_view(Checkpoint source, const std::string& type, int threads) {
    auto maker = std::make_shared<QuantisingMaker>(std::move(source), threads);
    const Checkpoint& from = maker->source();
    QuantisePlan plan = TRY(plan_quantise(from, {.type = type}));
    Checkpoint::Format format = from.format();
    std::vector<StoredTensor> tensors;
    std::vector<DType> types;
    for (const QuantisedTensor& planned : plan.tensors) {
        StoredTensor tensor{.name = planned.source->name, .type = planned.type, .shape = planned.source->shape};
        tensor.made = planned.source - from.tensors().data();
        if (planned.type == planned.source->type) tensor.data = planned.source->data;
        format.total_bytes = format.total_bytes - uint64_t(planned.source->bytes()) + uint64_t(tensor.bytes());
        tensors.push_back(std::move(tensor));
    }
    types.resize(tensors.size());
    for (const StoredTensor& tensor : tensors) types[size_t(tensor.made)] = tensor.type;
    maker->set_types(std::move(types));
    // Values of the keys may be views into what the source keeps: it lives as long as its maker.
    return Checkpoint::adopt(std::move(format), std::move(plan.metadata), std::move(tensors), std::move(maker));
}

}  // namespace hearth
