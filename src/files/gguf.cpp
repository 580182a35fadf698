// Sets of parts: NAME-00001-of-0000N.gguf, counted from 1 in the name and from 0 in the key split.no. Part 1 has all
// the metadata.
#include "files/gguf.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "files/gguf_part.h"

namespace hearth {

namespace {

struct PartName {
    std::string prefix;  // everything before "-00001-of-00003.gguf"
    int64_t number = 0, count = 0;

    std::string path(int64_t wanted) const { return fmt::format("{}-{:05}-of-{:05}.gguf", prefix, wanted, count); }
};

// Nothing when the path does not end like a part's.
std::optional<PartName> part_name(const std::string& path) {
    constexpr size_t kSuffix = std::string_view("-00001-of-00003.gguf").size();
    if (path.size() <= kSuffix) return std::nullopt;
    const std::string_view suffix = std::string_view(path).substr(path.size() - kSuffix);
    if (suffix[0] != '-' || suffix.substr(6, 4) != "-of-" || suffix.substr(15) != ".gguf") return std::nullopt;
    PartName name{path.substr(0, path.size() - kSuffix)};
    const auto digits = [](std::string_view text, int64_t& out) {
        return std::from_chars(text.data(), text.data() + text.size(), out).ptr == text.data() + text.size() && out > 0;
    };
    if (!digits(suffix.substr(1, 5), name.number) || !digits(suffix.substr(10, 5), name.count)) return std::nullopt;
    return name;
}

Result<Checkpoint> assemble(std::vector<GgufPart> parts) {
    Checkpoint::Format format{.version = parts[0].version, .alignment = parts[0].alignment};
    std::vector<MappedFile> files;
    std::vector<StoredTensor> tensors;
    for (size_t i = 0; i < parts.size(); ++i) {
        format.parts.push_back(parts[i].file.path());
        format.total_bytes += parts[i].file.bytes().size();
        for (StoredTensor& tensor : parts[i].tensors) {
            tensor.part = int(i);
            tensors.push_back(std::move(tensor));
        }
        files.push_back(std::move(parts[i].file));
    }
    return Checkpoint::adopt(std::move(format), std::move(parts[0].metadata), std::move(files), std::move(tensors));
}

void check_set(const std::vector<GgufPart>& parts, Problems& problems) {
    struct Place {
        std::string_view name;
        size_t part;
    };
    std::vector<Place> names;
    for (size_t part = 0; part < parts.size(); ++part)
        for (const StoredTensor& tensor : parts[part].tensors) names.push_back({tensor.name, part});
    std::ranges::sort(names, {}, [](const Place& place) { return std::pair(place.name, place.part); });
    for (size_t i = 1; i < names.size(); ++i)
        if (names[i].name == names[i - 1].name)
            problems.add(fmt::format("tensor {} is in part {} and again in part {}", quoted(names[i].name),
                                     names[i - 1].part + 1, names[i].part + 1));
    const auto total = parts[0].metadata.integer("split.tensors.count");
    if (total && *total != int64_t(names.size()))
        problems.add(fmt::format("split.tensors.count is {}, the parts hold {} tensors", *total, names.size()));
}

Result<Checkpoint> open_set(GgufPart named, const PartName& name) {
    Problems problems;
    std::vector<GgufPart> parts;
    for (int64_t number = 1; number <= name.count; ++number) {
        if (number == name.number) {
            parts.push_back(std::move(named));
            continue;
        }
        auto part = read_gguf_part(name.path(number));
        if (!part) {
            problems.add(fmt::format("part {} of {}: {}", number, name.count, part.error().what));
            continue;
        }
        const auto no = part->metadata.integer("split.no"), count = part->metadata.integer("split.count");
        if (no != number - 1 || count != name.count)
            problems.add(fmt::format("part {} of {}: {} says split.no {} and split.count {}, expected {} and {}",
                                     number, name.count, part->file.path(), no ? fmt::to_string(*no) : "nothing",
                                     count ? fmt::to_string(*count) : "nothing", number - 1, name.count));
        parts.push_back(std::move(*part));
    }
    if (problems.empty()) check_set(parts, problems);
    if (!problems.empty())
        return problems.report(name.path(1),
                               "all parts of one download must lie in the same directory under their own names");
    return assemble(std::move(parts));
}

}  // namespace

Result<Checkpoint> open_gguf(const std::string& path) {
    GgufPart part = TRY(read_gguf_part(path));
    const MetadataValue* split = part.metadata.find("split.count");
    const int64_t count = split ? split->integer().value_or(0) : 1;
    if (count == 1 || (split && count == 0 && split->integer())) {
        std::vector<GgufPart> parts;
        parts.push_back(std::move(part));
        return assemble(std::move(parts));
    }
    const int64_t no = part.metadata.integer("split.no").value_or(-1);
    if (count < 1 || count > 99999 || no < 0 || no >= count)
        return fail(ErrorKind::bad_file, fmt::format("{} says it is part number {} (from 0) of {}", path, no, count),
                    "download it again");
    const auto name = part_name(path);
    if (!name || name->number != no + 1 || name->count != count)
        return fail(ErrorKind::bad_file,
                    fmt::format("{} is part {} of {} of a split model, but is not named so", path, no + 1, count),
                    fmt::format("rename the parts to NAME-{:05}-of-{:05}.gguf and so on", no + 1, count));
    return open_set(std::move(part), *name);
}

}  // namespace hearth
