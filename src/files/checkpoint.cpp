#include "files/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
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
    return maker_ ? maker_->check_whole() : Result<>();
}

void Checkpoint::release(const StoredTensor& tensor) const {
    if (tensor.made >= 0)
        maker_->release(tensor.made);
    else
        files_[size_t(tensor.part)].release(tensor.file_offset, tensor.data.size());
}

void Checkpoint::release(const StoredTensor& tensor, uint64_t offset, uint64_t count) const {
    if (tensor.made < 0) files_[size_t(tensor.part)].release(tensor.file_offset + offset, count);
}

Result<TensorBytes> Checkpoint::bytes(const StoredTensor& tensor) const {
    if (is_mapped(tensor)) return TensorBytes(tensor.data);
    Pages pages = TRY(Pages::allocate(size_t(tensor.bytes())));
    TRY(maker_->make(tensor.made, 0, tensor.rows(), {pages.data(), size_t(tensor.bytes())}));
    return TensorBytes(std::move(pages));
}

Result<> Checkpoint::read(const StoredTensor& tensor, uint64_t offset, std::span<std::byte> out) const {
    const uint64_t size = uint64_t(tensor.bytes());
    if (offset > size || out.size() > size - offset)
        return fail(ErrorKind::bad_request, fmt::format("{} has {} bytes, bytes {} to {} were asked for", tensor.name,
                                                        size, offset, offset + out.size()));
    if (tensor.made < 0) return files_[size_t(tensor.part)].read_at(tensor.file_offset + offset, out);
    if (out.empty()) return {};
    const uint64_t row = uint64_t(row_bytes(tensor.type, tensor.shape.back()));
    const uint64_t first = offset / row, last = (offset + out.size() - 1) / row;
    if (offset % row == 0 && out.size() % row == 0)
        return maker_->make(tensor.made, int64_t(first), int64_t(last - first + 1), out);
    std::vector<std::byte> whole((last - first + 1) * row);
    TRY(maker_->make(tensor.made, int64_t(first), int64_t(last - first + 1), whole));
    std::memcpy(out.data(), whole.data() + (offset - first * row), out.size());
    return {};
}

void Checkpoint::sort_names() {
    by_name_.resize(tensors_.size());
    std::iota(by_name_.begin(), by_name_.end(), 0u);
    std::ranges::sort(by_name_, {}, [&](uint32_t tensor) { return std::string_view(tensors_[tensor].name); });
}

Checkpoint Checkpoint::adopt(Format format, Metadata metadata, std::vector<MappedFile> files,
                             std::vector<StoredTensor> tensors) {
    Checkpoint out;
    out.format_ = std::move(format);
    out.metadata_ = std::move(metadata);
    out.files_ = std::move(files);
    out.tensors_ = std::move(tensors);
    out.sort_names();
    return out;
}

Checkpoint Checkpoint::adopt(Format format, Metadata metadata, std::vector<StoredTensor> tensors,
                             std::shared_ptr<const TensorMaker> maker) {
    Checkpoint out = adopt(std::move(format), std::move(metadata), {}, std::move(tensors));
    out.maker_ = std::move(maker);
    return out;
}

}  // namespace hearth
