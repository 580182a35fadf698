// hearth inspect metadata | tensors: what a model file says about itself and what lies in it.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>

#include "base/text_format.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "engine/loaded_model.h"
#include "tensor/decode.h"

namespace hearth::cli {

namespace {

struct FileOptions {
    std::string file, dump, out;
    bool json = false;
};

Json format_json(const Checkpoint& checkpoint) {
    Json parts = Json::array();
    for (const std::string& part : checkpoint.format().parts) parts.push(part);
    Json format = Json::object();
    format.set("version", int64_t(checkpoint.format().version));
    format.set("alignment", checkpoint.format().alignment);
    format.set("bytes", checkpoint.format().total_bytes);
    format.set("parts", std::move(parts));
    return format;
}

Result<> inspect_metadata(const FileOptions& options) {
    const Checkpoint checkpoint = TRY(open_checkpoint(options.file));
    if (options.json) {
        Json all = Json::object();
        all.set("format", format_json(checkpoint));
        all.set("metadata", checkpoint.metadata().to_json());
        return write_out(all.dump(1) + "\n");
    }
    size_t widest = 0;
    for (const auto& entry : checkpoint.metadata().entries()) widest = std::max(widest, entry.key.size());
    const Checkpoint::Format& format = checkpoint.format();
    std::string text = format.version == 0
                           ? "Hugging Face directory"
                           : fmt::format("GGUF version {}, alignment {}", format.version, format.alignment);
    text += fmt::format(", {} in {} file{}\n", bytes_text(format.total_bytes), format.parts.size(),
                        format.parts.size() == 1 ? "" : "s");
    for (const auto& [key, value] : checkpoint.metadata().entries())
        text += one_line(fmt::format("{:<{}}  {:<16}  {}", valid_utf8(key), std::min<size_t>(widest, 60),
                                     value.type_text(), value.printable())) +
                "\n";
    return write_out(text);
}

Result<> dump_tensor(const Checkpoint& checkpoint, const FileOptions& options) {
    const StoredTensor* tensor = checkpoint.find(options.dump);
    if (!tensor)
        return fail(ErrorKind::not_found, "there is no tensor " + options.dump,
                    "`hearth inspect tensors` lists what is there");
    std::ofstream file(options.out, std::ios::binary);
    if (!file) return fail(ErrorKind::bad_file, fmt::format("cannot write {}: {}", options.out, std::strerror(errno)));
    const DTypeInfo& type = info(tensor->type);
    constexpr int64_t kElements = 1 << 20;  // a multiple of every block
    std::vector<std::byte> blocks;
    std::vector<float> values;
    for (int64_t done = 0; done < tensor->elements(); done += kElements) {
        const int64_t count = std::min(kElements, tensor->elements() - done);
        blocks.resize(size_t(row_bytes(type.type, count)));
        values.resize(size_t(count));
        TRY(checkpoint.read(*tensor, uint64_t(row_bytes(type.type, done)), blocks));
        decode(type.type, blocks.data(), count, values.data());
        file.write(reinterpret_cast<const char*>(values.data()), std::streamsize(values.size() * sizeof(float)));
    }
    file.close();
    if (!file) return fail(ErrorKind::bad_file, "cannot write " + options.out, "is the disk full?");
    return {};
}

Result<> inspect_tensors(const FileOptions& options) {
    if (options.dump.empty() != options.out.empty())
        return fail(ErrorKind::bad_request, "--dump NAME and --out FILE belong together", "give both");
    const Checkpoint checkpoint = TRY(open_checkpoint(options.file));
    if (!options.dump.empty()) return dump_tensor(checkpoint, options);

    std::map<std::string, std::pair<int64_t, uint64_t>> by_type;
    int64_t elements = 0;
    Json list = Json::array();
    std::string text;
    for (const StoredTensor& tensor : checkpoint.tensors()) {
        auto& [count, bytes] = by_type[std::string(name_of(tensor.type))];
        ++count, bytes += uint64_t(tensor.bytes()), elements += tensor.elements();
        if (options.json) {
            Json shape = Json::array();
            for (const int64_t size : tensor.shape) shape.push(size);
            Json entry = Json::object();
            entry.set("name", tensor.name);
            entry.set("type", name_of(tensor.type));
            entry.set("shape", std::move(shape));
            entry.set("bytes", tensor.bytes());
            entry.set("part", tensor.part);
            entry.set("offset", tensor.file_offset);
            list.push(std::move(entry));
        } else {
            text += one_line(fmt::format("{:<44}  {:<8}  {:<24}  {:>10}", valid_utf8(tensor.name), name_of(tensor.type),
                                         fmt::format("{}", fmt::join(tensor.shape, " x ")),
                                         bytes_text(uint64_t(tensor.bytes())))) +
                    "\n";
        }
    }
    if (options.json) {
        Json all = Json::object();
        all.set("format", format_json(checkpoint));
        all.set("elements", elements);
        all.set("tensors", std::move(list));
        return write_out(all.dump(1) + "\n");
    }
    text += fmt::format("\n{} tensors, {} elements; shapes are written outermost first\n", checkpoint.tensors().size(),
                        elements);
    for (const auto& [type, sum] : by_type)
        text += fmt::format("{:<8} {:>5} tensors  {:>10}\n", type, sum.first, bytes_text(sum.second));
    return write_out(text);
}

}  // namespace

void add_inspect_file(Command& inspect) {
    const auto add = [&](const char* name, const char* text, Result<> (*run)(const FileOptions&)) {
        auto options = std::make_shared<FileOptions>();
        Command command = inspect.add_command(name, text);
        add_model_argument(command, "FILE", options->file,
                           "A GGUF file (of a split model any part) or a Hugging Face directory")
            .required();
        command.add_flag("--json", options->json, "As JSON");
        command.runs([options, run] { return run(*options); });
        return std::pair(command, options);
    };
    add("metadata", "The key-value pairs of a model file", inspect_metadata);
    auto [tensors, options] = add("tensors", "The tensors of a model file", inspect_tensors);
    tensors.add("--dump", options->dump, "Write this tensor's values ...");
    tensors.add("--out", options->out, "... as raw f32 to this file");
}

}  // namespace hearth::cli
