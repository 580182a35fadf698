#include "huggingface/translation.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "base/text_format.h"

namespace hearth::huggingface {

namespace {

std::string replaced(std::string text, std::string_view mark, int64_t number) {
    if (const size_t at = text.find(mark); at != std::string::npos)
        text.replace(at, mark.size(), std::to_string(number));
    return text;
}

std::string shape_text(const std::vector<int64_t>& shape) {
    return fmt::format("{}", fmt::join(shape, " x "));
}

constexpr int64_t kMaxExperts = 4096;

}  // namespace

void Translation::set_counts(std::string_view key, const std::vector<int64_t>& values) {
    put(key, MetadataValue::of(std::vector<int32_t>(values.begin(), values.end())));
}

void Translation::set_flags(std::string_view key, const std::vector<bool>& values) {
    const auto flags = std::make_unique<bool[]>(values.size());
    std::ranges::copy(values, flags.get());
    put(key, MetadataValue::of(std::span<const bool>(flags.get(), values.size())));
}

void Translation::add_names(std::span<const Name> names, int64_t first_layer, int64_t end_layer) {
    for (const Name& name : names)
        if (name.gguf.find("{}") == std::string::npos) add_name(name, 0);
    for (int64_t layer = first_layer; layer < end_layer; ++layer)
        for (const Name& name : names)
            if (name.gguf.find("{}") != std::string::npos) add_name(name, layer);
}

ValuesPtr Translation::stack_experts(const std::string& pattern) {
    std::vector<ValuesPtr> parts;
    for (int64_t expert = 0; expert < std::min(experts, kMaxExperts); ++expert) {
        const std::string name = replaced(pattern, "{e}", expert);
        if (!tensors.has(name)) {
            if (expert > 0)
                config.problem(
                    fmt::format("tensor {} is missing: there are {} experts", hearth::quoted(name), experts));
            return nullptr;
        }
        parts.push_back(tensors.open(name, config));
        if (!parts.back()) return nullptr;
    }
    if (parts.empty()) return nullptr;
    ValuesPtr stack = stacked(std::move(parts));
    if (!stack) config.problem(fmt::format("the experts of {} differ in shape or type", hearth::quoted(pattern)));
    return stack;
}

void Translation::add_name(const Name& name, int64_t layer) {
    const std::string gguf = replaced(name.gguf, "{}", layer), published = replaced(name.published, "{}", layer);
    ValuesPtr values;
    if (published.find("{e}") != std::string::npos) {
        values = stack_experts(published);
    } else if (tensors.has(published)) {
        values = tensors.open(published, config);
    }
    if (!values) return;
    const std::vector<int64_t> shape = values->shape();
    if (name.arrange) values = name.arrange(std::move(values));
    if (!values) {
        config.problem(fmt::format("tensor {} is {}, which does not fit the sizes of {}",
                                   hearth::quoted(tensors.long_name(published)), shape_text(shape), config.file()));
        return;
    }
    const bool is_small = values->shape().size() == 1 || name.is_always_f32;
    add({gguf, is_small ? DType::f32 : values->natural(), std::move(values)});
}

void Translation::add(MadeTensor tensor) {
    if (!tensor.values) return;
    if (tensor.values->shape().size() > 4) {
        config.problem(fmt::format("{} would have {} dimensions", tensor.name, tensor.values->shape().size()));
        return;
    }
    made_.push_back(std::move(tensor));
}

// Factors of blocks go into a tensor beside the weight, from where the product is multiplied with them. Where the model
// has a tensor of that name already, or none can be named, the numbers are written out instead.
void Translation::add_factors() {
    std::vector<MadeTensor> added;
    int64_t written_out = 0, in_blocks = 0;
    for (MadeTensor& tensor : made_) {
        if (tensor.values->natural() != DType::nvfp4) continue;
        const bool is_weight = tensor.name.ends_with(".weight");
        const std::string beside = is_weight ? tensor.name.substr(0, tensor.name.size() - 6) + "scale" : "";
        const auto has_that_name = [&](const MadeTensor& other) { return other.name == beside; };
        if (tensor.type != DType::nvfp4 || !is_weight || std::ranges::any_of(made_, has_that_name)) {
            if (tensor.type == DType::nvfp4) tensor.type = unblocked(tensor.type);
            ++written_out;
            continue;
        }
        ++in_blocks;
        added.push_back({beside, DType::f32, constant(tensor.values->factors())});
    }
    if (in_blocks > 0)
        notes_.push_back(fmt::format("{} tensors keep their NVFP4 codes, with their factors beside them", in_blocks));
    for (MadeTensor& tensor : added) add(std::move(tensor));
    for (const auto& [layout, count] : tensors.quantised()) {
        const int64_t read = layout == "NVFP4" ? written_out : count;
        if (read > 0)
            notes_.push_back(
                fmt::format("{} tensors are stored as {} and read as the numbers they stand for", read, layout));
    }
}

void Translation::finish() {
    add_factors();
    std::map<std::string, std::pair<int64_t, uint64_t>> left;
    for (const std::string& name : tensors.unused()) {
        const auto begins = [&](const std::string& prefix) { return name.starts_with(prefix); };
        const auto ends = [&](const std::string& suffix) { return name.ends_with(suffix); };
        const auto prefix = std::ranges::find_if(left_out_, begins);
        if (prefix != left_out_.end()) {
            auto& [count, bytes] = left[*prefix];
            ++count, bytes += tensors.raw(name)->data.size();
        } else if (std::ranges::none_of(left_out_endings_, ends)) {
            config.problem(fmt::format("tensor {} has no place in a {} model", hearth::quoted(tensors.long_name(name)),
                                       architecture));
        }
    }
    for (const auto& [prefix, sum] : left)
        notes_.push_back(fmt::format("left out: {} tensors {}... ({})", sum.first, prefix, bytes_text(sum.second)));

    std::ranges::sort(made_, {}, [](const MadeTensor& tensor) { return std::string_view(tensor.name); });
    for (size_t i = 1; i < made_.size(); ++i)
        if (made_[i].name == made_[i - 1].name)
            config.problem(fmt::format("{} comes from two tensors of the checkpoint", made_[i].name));
    // Layer by layer, as files are usually written; the tables in front.
    const auto layer_of = [](const MadeTensor& tensor) {
        return tensor.name.starts_with("blk.") ? std::atoll(tensor.name.c_str() + 4) : -1;
    };
    std::ranges::stable_sort(made_, {}, layer_of);

    // The label of the type that most bytes have; loaders take each tensor's own.
    std::map<DType, int64_t> elements;
    for (const MadeTensor& tensor : made_) elements[tensor.type] += tensor.values->elements();
    DType most = DType::f32;
    for (const auto& [type, count] : elements)
        if (count > elements[most]) most = type;
    const uint32_t file_type = most == DType::f16     ? 1
                               : most == DType::bf16  ? 32
                               : most == DType::mxfp4 ? 38
                               : most == DType::nvfp4 ? 39
                                                      : 0;
    metadata.set("general.file_type", MetadataValue::of(file_type));
}

Arrange neighbouring_pairs(int64_t heads) {
    return [heads](ValuesPtr from) -> ValuesPtr {
        const int64_t rows = from->shape().size() == 1 ? from->elements() : from->rows();
        if (heads < 1 || rows % heads != 0 || rows / heads % 2 != 0) return nullptr;
        const int64_t width = rows / heads;
        std::vector<int64_t> order;
        for (int64_t pair = 0; pair < width / 2; ++pair) {
            order.push_back(pair);
            order.push_back(pair + width / 2);
        }
        return with_rows(std::move(from), std::move(order), width);
    };
}

Arrange plus_one() {
    return [](ValuesPtr from) { return mapped(std::move(from), [](float x) { return x + 1; }); };
}

Arrange rows_part(int64_t first, int64_t count, int64_t parts) {
    return [=](ValuesPtr from) -> ValuesPtr {
        if (from->shape().size() == 1 && from->elements() % parts == 0) {
            const int64_t part = from->elements() / parts;
            std::vector<int64_t> order;
            for (int64_t i = 0; i < part * count; ++i) order.push_back(first * part + i);
            return with_rows(std::move(from), std::move(order), part * parts);
        }
        if (from->shape().size() < 2) return nullptr;
        const int64_t rows = from->shape()[from->shape().size() - 2];
        if (rows % parts != 0) return nullptr;
        std::vector<int64_t> order;
        for (int64_t i = 0; i < rows / parts * count; ++i) order.push_back(first * (rows / parts) + i);
        return with_rows(std::move(from), std::move(order), rows);
    };
}

Arrange shaped(std::vector<int64_t> shape) {
    return [shape = std::move(shape)](ValuesPtr from) { return reshaped(std::move(from), shape); };
}

Arrange in_order(std::vector<Arrange> steps) {
    return [steps = std::move(steps)](ValuesPtr from) {
        for (const Arrange& step : steps)
            if (from) from = step(std::move(from));
        return from;
    };
}

RopeSettings read_rope_settings(Config& config, double default_base) {
    RopeSettings rope;
    for (const char* prefix : {"rope_parameters.", "rope_scaling."}) {
        rope.prefix = prefix;
        const std::string object(rope.prefix, 0, rope.prefix.size() - 1);
        if (config.has(object)) break;
    }
    const auto key = [&](const char* name) { return rope.prefix + name; };
    rope.base = config.number_or(config.has(key("rope_theta")) ? key("rope_theta") : "rope_theta", default_base);
    rope.type = config.text_or(config.has(key("rope_type")) ? key("rope_type") : key("type"), "");
    if (rope.type == "default" || rope.type == "mrope") rope.type = "";
    rope.factor = config.number_or(key("factor"), 0);
    rope.original_context = config.number_or(key("original_max_position_embeddings"),
                                             config.number_or("original_max_position_embeddings", 0));
    if (!(rope.base > 0)) config.problem(fmt::format("rope_theta is {}", rope.base));
    if (!rope.type.empty() && rope.type != "longrope" && !(rope.factor > 0))
        config.problem(key("factor") + " is missing or not positive");
    return rope;
}

void write_rope(Translation& to, const RopeSettings& rope) {
    to.set_number("rope.freq_base", rope.base);
    if (rope.type.empty()) return;
    if (rope.type == "linear" || rope.type == "yarn") {
        to.set_text("rope.scaling.type", rope.type);
        to.set_number("rope.scaling.factor", rope.factor);
        if (rope.type == "yarn" && rope.original_context >= 1)
            to.set_count("rope.scaling.original_context_length", int64_t(rope.original_context));
    } else if (rope.type != "llama3" && rope.type != "longrope") {
        to.config.problem(fmt::format("{}type is \"{}\", which this build cannot rotate by", rope.prefix,
                                      valid_utf8(rope.type.substr(0, 40))));
    }
}

void add_llama3_divisors(Translation& to, const RopeSettings& rope, int64_t rotated) {
    if (rope.type != "llama3") return;
    const double low_factor = to.config.number_or(rope.prefix + "low_freq_factor", 1),
                 high_factor = to.config.number_or(rope.prefix + "high_freq_factor", 4);
    const double context = rope.original_context > 0 ? rope.original_context : 8192;
    if (!(low_factor > 0) || !(high_factor > low_factor))
        to.config.problem(rope.prefix + "low_freq_factor and high_freq_factor are no band");
    const double low = context / low_factor, high = context / high_factor;
    std::vector<float> divisors;
    for (int64_t pair = 0; pair < rotated / 2; ++pair) {
        const double wave = 2 * std::numbers::pi * std::pow(rope.base, 2.0 * double(pair) / double(rotated));
        const double t = (context / wave - low_factor) / (high_factor - low_factor);
        divisors.push_back(float(wave < high ? 1.0 : wave > low ? rope.factor : 1 / ((1 - t) / rope.factor + t)));
    }
    to.add("rope_freqs.weight", constant(std::move(divisors)));
}

}  // namespace hearth::huggingface
