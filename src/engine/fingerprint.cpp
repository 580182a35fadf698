#include "engine/fingerprint.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "backends/kv_page.h"
#include "base/checksum.h"
#include "base/mapped_file.h"
#include "engine/machine.h"

namespace hearth {

namespace {

// This program: another build may add in another order.
Result<uint64_t> build_checksum() {
    const MappedFile program = TRY(MappedFile::open("/proc/self/exe"));
    Checksum sum;
    sum.add(program.bytes());
    return sum.value();
}

void add_file_stamp(Checksum& sum, const std::string& path) {
    std::error_code ignored;
    sum.add(path);
    sum.add(uint64_t(std::filesystem::file_size(path, ignored)));
    sum.add(uint64_t(std::filesystem::last_write_time(path, ignored).time_since_epoch().count()));
}

void add_metadata(Checksum& sum, const Metadata& metadata) {
    for (const Metadata::Entry& entry : metadata.entries()) {
        sum.add(entry.key);
        sum.add(entry.value.type_text());
        if (const auto text = entry.value.text())
            sum.add(*text);
        else if (const auto texts = entry.value.texts())
            for (const std::string_view text : *texts) sum.add(text);
        else
            sum.add(entry.value.packed());
    }
}

// The metadata, all names and shapes, and a sample of every tensor: files of gigabytes are not read twice. Of tensors
// that are made while loading, the files they are made from.
uint64_t model_checksum(const Checkpoint& checkpoint) {
    constexpr size_t kSample = 4096;
    Checksum sum;
    add_metadata(sum, checkpoint.metadata());
    bool has_made_ones = false;
    for (const StoredTensor& tensor : checkpoint.tensors()) {
        sum.add(tensor.name);
        sum.add(uint64_t(tensor.type));
        for (const auto size : tensor.shape) sum.add(uint64_t(size));
        if (!checkpoint.is_mapped(tensor)) {
            has_made_ones = true;
            continue;
        }
        sum.add(tensor.data.first(std::min(kSample, tensor.data.size())));
        sum.add(tensor.data.last(std::min(kSample, tensor.data.size())));
    }
    if (has_made_ones)
        for (const std::string& path : checkpoint.format().parts) add_file_stamp(sum, path);
    return sum.value();
}

}  // namespace

Result<std::string> fingerprint(const LoadedModel& loaded) {
    const EngineOptions& options = loaded.options;
    // The context decides the rotation of some families.
    const uint64_t build = TRY(build_checksum());
    return fmt::format("build {:016x}, model {:016x}, {}, {}, {}, kv {}, context {}", build,
                       model_checksum(loaded.checkpoint), loaded.model->info().architecture, options.device,
                       options.isa.empty() ? kernel_row() : options.isa, name_of(options.kv_type),
                       options.context_tokens);
}

}  // namespace hearth
