#include "engine/fingerprint.h"

#include <sys/stat.h>

#include <algorithm>

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

// When a file was last written to, by a clock that nobody can set back: reading gigabytes to find a changed weight
// would take longer than what is kept saves.
void add_file_stamp(Checksum& sum, const std::string& path) {
    struct stat info {};
    const bool is_known = stat(path.c_str(), &info) == 0;
    const auto add_time = [&](const timespec& time) {
        sum.add(uint64_t(time.tv_sec));
        sum.add(uint64_t(time.tv_nsec));
    };
    sum.add(uint64_t(is_known));
    sum.add(uint64_t(info.st_size));
    add_time(info.st_mtim);
    add_time(info.st_ctim);
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

// The metadata, all names and shapes, a sample of every tensor, and when the files were written.
uint64_t model_checksum(const Checkpoint& checkpoint) {
    constexpr size_t kSample = 4096;
    Checksum sum;
    add_metadata(sum, checkpoint.metadata());
    for (const StoredTensor& tensor : checkpoint.tensors()) {
        sum.add(tensor.name);
        sum.add(uint64_t(tensor.type));
        for (const auto size : tensor.shape) sum.add(uint64_t(size));
        if (!checkpoint.is_mapped(tensor)) continue;
        sum.add(tensor.data.first(std::min(kSample, tensor.data.size())));
        sum.add(tensor.data.last(std::min(kSample, tensor.data.size())));
    }
    for (const std::string& path : checkpoint.format().parts) add_file_stamp(sum, path);
    return sum.value();
}

}  // namespace

Result<std::string> fingerprint(const LoadedModel& loaded) {
    const EngineOptions& options = loaded.options;
    const uint64_t build = TRY(build_checksum());
    const ModelInfo& info = loaded.model->info();
    return fmt::format("build {:016x}, model {:016x}, {} {}, {}, {}, kv {}", build, model_checksum(loaded.checkpoint),
                       info.architecture, info.chosen_by_context, options.device,
                       options.isa.empty() ? kernel_row() : options.isa, name_of(options.kv_type));
}

}  // namespace hearth
