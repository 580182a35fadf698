#include "library/synth.h"

#include <algorithm>
#include <filesystem>
#include <random>

#include "base/os.h"
#include "base/text_format.h"
#include "files/gguf.h"
#include "files/gguf_writer.h"
#include "library/disk.h"
#include "library/mixes.h"
#include "library/shapes/shape.h"
#include "library/vocabularies.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kAlignment = 32;
constexpr const char* kMemoryDirectory = "/dev/shm";
constexpr const char* kScratchPrefix = "hearth-synth-";

int64_t padded(int64_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

MetadataValue to_metadata(const ShapeValue& value) {
    struct Convert {
        MetadataValue operator()(bool v) const { return MetadataValue::of(v); }
        MetadataValue operator()(int64_t v) const { return MetadataValue::of(uint32_t(v)); }
        MetadataValue operator()(double v) const { return MetadataValue::of(float(v)); }
        MetadataValue operator()(const std::string& v) const { return MetadataValue::text_of(v); }
        MetadataValue operator()(const std::vector<int32_t>& v) const { return MetadataValue::of(v); }
        MetadataValue operator()(const std::vector<std::string>& v) const { return MetadataValue::texts_of(v); }
        MetadataValue operator()(const std::vector<bool>& v) const {
            const auto flags = std::make_unique<bool[]>(v.size());
            std::ranges::copy(v, flags.get());
            return MetadataValue::of(std::span<const bool>(flags.get(), v.size()));
        }
    };
    return std::visit(Convert{}, value);
}

// The size of everything before the tensor data, as GgufWriter lays it out.
int64_t header_bytes(const Metadata& metadata, std::span<const SynthTensor> tensors) {
    int64_t bytes = 4 + 4 + 8 + 8;
    for (const Metadata::Entry& entry : metadata.entries()) {
        bytes += 8 + int64_t(entry.key.size()) + 4;
        if (const auto text = entry.value.text())
            bytes += 8 + int64_t(text->size());
        else if (const auto texts = entry.value.texts()) {
            bytes += 4 + 8;
            for (std::string_view text : *texts) bytes += 8 + int64_t(text.size());
        } else {
            bytes += int64_t(entry.value.packed().size()) + (entry.value.type() == MetadataType::array ? 12 : 0);
        }
    }
    for (const SynthTensor& tensor : tensors)
        bytes += 8 + int64_t(tensor.name.size()) + 4 + 8 * int64_t(tensor.shape.size()) + 4 + 8;
    return padded(bytes);
}

Result<Shape> adjusted(const CatalogueEntry& entry, const SynthOptions& options) {
    Shape shape = *entry.shape;
    if (options.layers != 0) {
        shape.kinds = fewer_layers(shape, options.layers);
        if (shape.kinds.empty())
            return fail(ErrorKind::bad_request,
                        fmt::format("{} cannot be cut to {} layers", entry.name, options.layers),
                        fmt::format("ask for {} to {}", fewest_layers(*entry.shape), entry.layers));
    }
    if (options.has_drafting_layer) {
        if (!shape.can_draft)
            return fail(ErrorKind::bad_request, entry.name + " has no drafting layer",
                        "the qwen3.5 models have one; leave the option out for others");
        shape.drafting_layers = 1;
    }
    return shape;
}

Result<std::vector<DType>> types_of(const ModelBuilder& model, const Shape& shape, const Mix& mix) {
    // What is not quantised stands in the type of the unquantised file it would have been made from.
    const bool is_plain = info(mix.base).block_elements == 1;
    std::vector<MixTensor> tensors;
    for (const BuiltTensor& tensor : model.tensors())
        tensors.push_back({tensor.name, tensor.shape, tensor.only.value_or(is_plain ? mix.base : DType::bf16)});
    const bool starts_with_attention = shape.kinds[0] != 'M' && shape.kinds[0] != 'C' && shape.kinds[0] != 'E';
    const MixFacts facts{.architecture = shape.architecture,
                         .layers = shape.layers() + shape.drafting_layers,
                         .heads = shape.heads,
                         .kv_heads = starts_with_attention ? shape.kv_heads : 0,
                         .experts = shape.experts};
    return choose_types(mix, tensors, facts);
}

// Directories of processes that were killed before they could clean up.
void remove_leftovers(const std::string& directory) {
    std::error_code ignored;
    for (fs::directory_iterator at(directory, ignored), end; at != end && !ignored; at.increment(ignored)) {
        const std::string name = at->path().filename();
        if (!name.starts_with(kScratchPrefix)) continue;
        const std::string process = name.substr(std::string_view(kScratchPrefix).size(),
                                                name.rfind('-') - std::string_view(kScratchPrefix).size());
        const bool is_number =
            !process.empty() && std::ranges::all_of(process, [](char c) { return c >= '0' && c <= '9'; });
        if (is_number && !fs::exists("/proc/" + process, ignored)) fs::remove_all(at->path(), ignored);
    }
}

// A directory that only we know of, removed with everything in it.
class ScratchDirectory {
public:
    static Result<ScratchDirectory> below(const std::string& parent) {
        std::error_code error;
        fs::create_directories(parent, error);
        std::random_device random;
        const std::string process = fs::read_symlink("/proc/self", error).string();
        const std::string path =
            fmt::format("{}/{}{}-{:08x}{:08x}", parent, kScratchPrefix, process, random(), random());
        // An existing directory would be somebody else's: never written into.
        if (!fs::create_directory(path, error) || error)
            return fail(ErrorKind::device, fmt::format("cannot create {}: {}", path, error.message()),
                        "check the permissions of the directory");
        fs::permissions(path, fs::perms::owner_all, error);
        ScratchDirectory scratch;
        scratch.path_ = path;
        return scratch;
    }
    ScratchDirectory(ScratchDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    ~ScratchDirectory() {
        std::error_code ignored;
        if (!path_.empty()) fs::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }

private:
    ScratchDirectory() = default;
    std::string path_;
};

}  // namespace

int64_t SynthTensor::elements() const {
    int64_t product = 1;
    for (int64_t dimension : shape) product *= dimension;
    return product;
}

Result<SynthPlan> plan_synth(const CatalogueEntry& entry, std::string_view type, const SynthOptions& options) {
    const Shape shape = TRY(adjusted(entry, options));
    const Mix mix = TRY(find_mix(type));
    const ModelBuilder model = ModelBuilder::built(shape);
    const std::vector<DType> types = TRY(types_of(model, shape, mix));

    SynthPlan plan{.name = entry.name, .type = std::string(mix.name), .seed = options.seed, .layers = shape.layers()};
    bool is_quantised = false;
    for (size_t i = 0; i < types.size(); ++i) {
        const BuiltTensor& tensor = model.tensors()[i];
        plan.tensors.push_back({tensor.name, tensor.shape, types[i], tensor.fill});
        plan.parameters += tensor.elements();
        plan.tensor_bytes += padded(plan.tensors.back().bytes());
        is_quantised |= info(types[i]).block_elements > 1;
    }
    Metadata& metadata = plan.metadata;
    metadata.set("general.architecture", MetadataValue::text_of(shape.architecture));
    metadata.set("general.type", MetadataValue::text_of("model"));
    metadata.set("general.name", MetadataValue::text_of("Random " + entry.aliases.front()));
    metadata.set("general.file_type", MetadataValue::of(mix.file_type));
    if (is_quantised) metadata.set("general.quantization_version", MetadataValue::of(uint32_t{2}));
    for (const auto& [key, value] : model.keys()) metadata.set(key, to_metadata(value));
    write_vocabulary(*find_vocabulary(shape.vocabulary), metadata);
    plan.bytes = header_bytes(metadata, plan.tensors) + plan.tensor_bytes;
    return plan;
}

Result<> write_synth(const SynthPlan& plan, const std::string& path, const SynthProgress& progress) {
    TRY(check_room(path, plan.bytes, "choose another disk, a smaller type or fewer layers"));
    GgufWriter writer(path);
    for (const Metadata::Entry& entry : plan.metadata.entries()) writer.set(entry.key, entry.value);
    for (const SynthTensor& tensor : plan.tensors) writer.declare(tensor.name, tensor.type, tensor.shape);
    TRY(writer.start());
    std::vector<std::byte> buffer;
    int64_t done = plan.bytes - plan.tensor_bytes;
    for (const SynthTensor& tensor : plan.tensors) {
        const int64_t total = tensor.bytes(), step = piece_bytes(tensor.type);
        for (int64_t at = 0; at < total; at += step) {
            buffer.resize(size_t(std::min(step, total - at)));
            fill_piece(tensor.fill, tensor.type, tensor.name, plan.seed, at / step, buffer);
            TRY(writer.write(buffer));
            done += int64_t(buffer.size());
            if (progress && !progress(done, plan.bytes))
                return fail(ErrorKind::cancelled, path + " was not finished: cancelled");
        }
        done += padded(total) - total;
    }
    return writer.finish();
}

Result<SynthPlace> choose_synth_place(const SynthPlan& plan, const std::string& scratch_directory) {
    const int64_t memory = int64_t(memory_available_bytes()),
                  in_memory = free_bytes_for(std::string(kMemoryDirectory) + "/").value_or(0);
    if (plan.bytes <= in_memory && plan.bytes <= memory / 5 * 2) return SynthPlace{kMemoryDirectory, true};
    std::error_code error;
    fs::create_directories(scratch_directory, error);
    const int64_t on_disk = TRY(free_bytes_for(scratch_directory + "/"));
    if (plan.bytes <= on_disk) return SynthPlace{scratch_directory, false};
    return fail(ErrorKind::out_of_memory,
                fmt::format("{} as {} takes {}: too much for {} of free memory, and {} are free in {}", plan.name,
                            plan.type, bytes_text(uint64_t(plan.bytes)), bytes_text(uint64_t(memory)),
                            bytes_text(uint64_t(on_disk)), scratch_directory),
                "try a smaller type or fewer layers");
}

Result<Checkpoint> open_synth(const SynthPlan& plan, const SynthPlace& place, const SynthProgress& progress) {
    remove_leftovers(place.directory);
    const ScratchDirectory scratch = TRY(ScratchDirectory::below(place.directory));
    const std::string path = scratch.path() + "/model.gguf";
    TRY(write_synth(plan, path, progress));
    return open_gguf(path);  // the mapping outlives the name, which goes with `scratch`
}

}  // namespace hearth
