#include "gguf_check.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "files/gguf.h"
#include "promise.h"
#include "tensor/decode.h"

namespace hearth {

namespace {

void use_metadata(const Metadata& metadata) {
    std::set<std::string_view> keys;
    for (const auto& [key, value] : metadata.entries()) {
        promise(keys.insert(key).second, "keys are unique");
        promise(metadata.find(key) == &value, "every key is found");
        promise(value.printable().size() <= 4 * 60, "printable is short");
        (void)value.type_text();
        (void)value.integer(), (void)value.number(), (void)value.boolean(), (void)value.text();
        size_t bytes = 0;
        if (const auto texts = value.texts())
            for (const std::string_view text : *texts) bytes += text.size();
        if (const auto integers = value.integers()) promise(integers->size() == value.count(), "all integers come");
        if (const auto numbers = value.numbers()) promise(numbers->size() == value.count(), "all numbers come");
        promise(bytes <= size_t{1} << 40, "texts have sizes");
    }
    (void)metadata.to_json(100).dump();
}

void use_tensors(const Checkpoint& checkpoint) {
    for (const StoredTensor& tensor : checkpoint.tensors()) {
        promise(checkpoint.find(tensor.name) == &tensor, "every tensor is found");
        promise(!tensor.shape.empty() && tensor.shape.size() <= 4, "one to four dimensions");
        const DTypeInfo& type = info(tensor.type);
        promise(tensor.elements() >= 0 && tensor.shape.back() % type.block_elements == 0, "rows are whole blocks");
        promise(int64_t(tensor.data.size()) == row_bytes(tensor.type, tensor.elements()), "data has the shape's size");
        const int64_t count = std::min<int64_t>(tensor.elements(), 4096 / type.block_elements * type.block_elements);
        std::vector<float> values(size_t(count) + 1);
        decode(tensor.type, tensor.data.data(), count, values.data());
        std::vector<std::byte> copy(std::min<size_t>(tensor.data.size(), 100));
        promise(checkpoint.read(tensor, tensor.data.size() - copy.size(), copy).has_value(), "data can be read");
        promise(copy.empty() ||
                    std::memcmp(copy.data(), tensor.data.data() + tensor.data.size() - copy.size(), copy.size()) == 0,
                "reading and mapping agree");
        promise(!checkpoint.read(tensor, tensor.data.size() + 1, {}).has_value(), "nothing beyond the end can be read");
        checkpoint.release(tensor);
    }
}

}  // namespace

std::string check_gguf(std::span<const std::byte> bytes) {
    const int fd = memfd_create("gguf", MFD_CLOEXEC);
    promise(fd >= 0 && write(fd, bytes.data(), bytes.size()) == ssize_t(bytes.size()), "a memory file can be made");
    const auto opened = open_gguf("/proc/self/fd/" + std::to_string(fd));
    close(fd);
    if (!opened) {
        promise(!opened.error().what.empty(), "a refusal has words");
        return opened.error().line();
    }
    promise(opened->check_whole().has_value(), "the file is whole");
    use_metadata(opened->metadata());
    use_tensors(*opened);
    return {};
}

}  // namespace hearth
