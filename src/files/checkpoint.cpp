#include "files/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace hearth {

const StoredTensor* Checkpoint::find(std::string_view name) const {
    const auto at = std::ranges::lower_bound(by_name_, name, {},
                                             [&](uint32_t tensor) { return std::string_view(tensors_[tensor].name); });
    return at == by_name_.end() || tensors_[*at].name != name ? nullptr : &tensors_[*at];
}

Result<> Checkpoint::check_whole() const {
    for (const MappedFile& file : files_)
        if (!file.still_whole())
            return fail(ErrorKind::bad_file, fmt::format("{} became shorter while it was in use", file.path()),
                        "download it again, and do not overwrite model files that are loaded");
    return {};
}

void Checkpoint::release(const StoredTensor& tensor) const {
    files_[size_t(tensor.part)].release(tensor.file_offset, tensor.data.size());
}

Result<> Checkpoint::read(const StoredTensor& tensor, uint64_t offset, std::span<std::byte> out) const {
    if (offset > tensor.data.size() || out.size() > tensor.data.size() - offset)
        return fail(ErrorKind::bad_request, fmt::format("{} has {} bytes, bytes {} to {} were asked for", tensor.name,
                                                        tensor.data.size(), offset, offset + out.size()));
    return files_[size_t(tensor.part)].read_at(tensor.file_offset + offset, out);
}

Checkpoint Checkpoint::adopt(Format format, Metadata metadata, std::vector<MappedFile> files,
                             std::vector<StoredTensor> tensors) {
    Checkpoint out;
    out.format_ = std::move(format);
    out.metadata_ = std::move(metadata);
    out.files_ = std::move(files);
    out.tensors_ = std::move(tensors);
    out.by_name_.resize(out.tensors_.size());
    std::iota(out.by_name_.begin(), out.by_name_.end(), 0u);
    std::ranges::sort(out.by_name_, {}, [&](uint32_t tensor) { return std::string_view(out.tensors_[tensor].name); });
    return out;
}

}  // namespace hearth
