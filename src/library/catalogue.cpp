// The list itself is spread over shapes/*.cpp, a table per family.
#include "library/catalogue.h"

#include <algorithm>
#include <cctype>
#include <numeric>

#include "library/mixes.h"
#include "library/shapes/shape.h"

namespace hearth {
namespace {

// Other spellings that people use. Separators and case are forgiven everywhere, so only other words are listed.
constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
    {"nemotron3-nano:30b-a3b", "nemotron3-nano:30b"},
    {"qwen3.5:35b-a3b", "qwen3.5:35b"},
    {"qwen3.5:122b-a10b", "qwen3.5:122b"},
    {"qwen3.5:397b-a17b", "qwen3.5:397b"},
    {"qwen3:30b-a3b", "qwen3:30b"},
    {"gemma4:26b-a4b", "gemma4:26b"},
    {"phi4-mini:3.8b", "phi4-mini"},
    {"phi4:14b", "phi4"},
    {"smollm3:3b", "smollm3"},
    {"mistral-small:24b", "mistral-small"},
    {"mistral-small:24b", "mistral-small3.2"},
    {"devstral-small2:24b", "devstral-small2"},
    {"llama3.1:8b", "llama3.1"},
    {"gpt-oss:20b", "gpt-oss"},
    // Released under names of their own, with the same shapes.
    {"qwen3.5:27b", "qwen3.6:27b"},
    {"qwen3.5:35b-a3b", "qwen3.6:35b-a3b"},
    {"qwen3.5:35b-a3b", "qwen3.6:35b"},
    {"mistral-small:24b", "magistral-small:24b"},
    {"mistral-small:24b", "devstral-small:24b"},
    {"mistral-small4:119b", "mistral-small4"},
    {"lfm2:8b-a1b", "lfm2:8b"},
    {"embeddinggemma:300m", "embeddinggemma"},
    {"bge-m3:567m", "bge-m3"},
    {"bge-reranker-v2-m3:568m", "bge-reranker-v2-m3"},
    {"all-minilm:22m", "all-minilm"},
    {"all-minilm:22m", "all-minilm-l6-v2"},
    {"bge-small:33m", "bge-small"},
    {"bge-small:33m", "bge-small-en-v1.5"},
    {"bge-base:109m", "bge-base"},
    {"bge-base:109m", "bge-base-en-v1.5"},
    {"bge-large:335m", "bge-large"},
    {"bge-large:335m", "bge-large-en-v1.5"},
    {"nomic-embed:v1.5", "nomic-embed-text:v1.5"},
    {"nomic-embed:v2-moe", "nomic-embed-text:v2-moe"},
    {"modernbert:base", "gte-modernbert:base"},
    {"gemma4:e2b-drafter", "gemma4:e2b-assistant"},
    {"gemma4:e4b-drafter", "gemma4:e4b-assistant"},
    {"gemma4:12b-drafter", "gemma4:12b-assistant"},
    {"gemma4:26b-a4b-drafter", "gemma4:26b-a4b-assistant"},
    {"gemma4:31b-drafter", "gemma4:31b-assistant"},
};

std::string folded(std::string_view name) {
    std::string text;
    for (unsigned char c : name)
        if (c != ':' && c != '-' && c != '_' && c != ' ') text += char(std::tolower(c));
    return text;
}

std::vector<CatalogueEntry> make_catalogue() {
    std::vector<CatalogueEntry> entries;
    for (auto family : {qwen35_shapes, gemma4_shapes, nemotron_shapes, decoder_shapes, mistral4_shapes, gemma3_shapes,
                        lfm2_shapes, encoder_shapes})
        for (Shape& shape : family()) {
            shape.full_layers = shape.layers();
            CatalogueEntry entry{.name = shape.name,
                                 .architecture = shape.architecture,
                                 .layers = shape.layers(),
                                 .context = shape.context,
                                 .purpose = shape.purpose,
                                 .can_draft = shape.can_draft,
                                 .drafts_for = shape.drafts_for};
            std::string dashed = shape.name;
            std::ranges::replace(dashed, ':', '-');
            entry.aliases.push_back(dashed);
            for (const auto& [name, alias] : kAliases)
                if (name == shape.name) entry.aliases.emplace_back(alias);
            const ModelBuilder model = ModelBuilder::built(shape);
            for (const BuiltTensor& tensor : model.tensors()) entry.parameters += tensor.elements();
            entry.shape = std::make_shared<const Shape>(std::move(shape));
            entries.push_back(std::move(entry));
        }
    return entries;
}

const CatalogueEntry* exact(std::string_view name) {
    const std::string wanted = folded(name);
    for (const CatalogueEntry& entry : catalogue()) {
        if (folded(entry.name) == wanted) return &entry;
        for (const std::string& alias : entry.aliases)
            if (folded(alias) == wanted) return &entry;
    }
    return nullptr;
}

size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 0; i < a.size(); ++i) {
        size_t diagonal = std::exchange(row[0], i + 1);
        for (size_t j = 0; j < b.size(); ++j) {
            const size_t change = diagonal + (a[i] != b[j]);
            diagonal = std::exchange(row[j + 1], std::min({change, row[j] + 1, row[j + 1] + 1}));
        }
    }
    return row.back();
}

// Names of the same family first, then those that need the fewest changes of letters.
std::string nearest(std::string_view asked) {
    const std::string wanted = folded(asked.substr(0, 64));
    std::vector<std::pair<size_t, std::string>> ranked;
    for (const CatalogueEntry& entry : catalogue()) {
        const std::string name = folded(entry.name);
        const auto [end, ignored] = std::ranges::mismatch(name, wanted);
        const size_t shared = size_t(end - name.begin());
        ranked.emplace_back(4 * edit_distance(name, wanted) + 40 - std::min<size_t>(4 * shared, 40), entry.name);
    }
    std::ranges::stable_sort(ranked, {}, &std::pair<size_t, std::string>::first);
    std::string text;
    for (size_t i = 0; i < std::min<size_t>(5, ranked.size()); ++i)
        text += fmt::format("{}{}", i ? ", " : "", ranked[i].second);
    return text;
}

}  // namespace

std::span<const CatalogueEntry> catalogue() {
    static const std::vector<CatalogueEntry> entries = make_catalogue();
    return entries;
}

Result<CatalogueMatch> find_in_catalogue(std::string_view name) {
    if (const CatalogueEntry* entry = exact(name)) return CatalogueMatch{entry, {}};
    for (size_t at = name.find_first_of("-:"); at != name.npos; at = name.find_first_of("-:", at + 1)) {
        const CatalogueEntry* entry = exact(name.substr(0, at));
        if (!entry) continue;
        const auto mix = find_mix(name.substr(at + 1));
        if (!mix) continue;
        std::string type(name.substr(at + 1));
        std::ranges::transform(type, type.begin(), [](unsigned char c) { return char(std::tolower(c)); });
        return CatalogueMatch{entry, type};
    }
    return fail(ErrorKind::not_found, fmt::format("no model is called \"{}\" here", name),
                fmt::format("near it: {}", nearest(name)));
}

}  // namespace hearth
