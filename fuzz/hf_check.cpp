#include "hf_check.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <vector>

#include "files/safetensors.h"
#include "huggingface/directory.h"
#include "promise.h"

namespace hearth {

namespace {

void write_file(const std::string& path, std::string_view bytes) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), std::streamsize(bytes.size()));
    promise(file.good(), "a scratch file can be written");
}

// Zeros in the shapes of a Llama of one layer, with the names of a few other families beside them in `more`.
std::string tiny_weights() {
    const std::map<std::string, std::vector<int>> shapes{{"embed_tokens.weight", {6, 8}},
                                                         {"norm.weight", {8}},
                                                         {"layers.0.input_layernorm.weight", {8}},
                                                         {"layers.0.post_attention_layernorm.weight", {8}},
                                                         {"layers.0.self_attn.q_proj.weight", {8, 8}},
                                                         {"layers.0.self_attn.k_proj.weight", {4, 8}},
                                                         {"layers.0.self_attn.v_proj.weight", {4, 8}},
                                                         {"layers.0.self_attn.o_proj.weight", {8, 8}},
                                                         {"layers.0.mlp.gate_proj.weight", {16, 8}},
                                                         {"layers.0.mlp.up_proj.weight", {16, 8}},
                                                         {"layers.0.mlp.down_proj.weight", {8, 16}}};
    std::string header = "{";
    size_t at = 0;
    for (const auto& [name, shape] : shapes) {
        size_t bytes = 2;
        std::string sizes;
        for (const int size : shape) bytes *= size_t(size), sizes += (sizes.empty() ? "" : ",") + std::to_string(size);
        header += (at ? ",\"model." : "\"model.") + name + "\":{\"dtype\":\"BF16\",\"shape\":[" + sizes +
                  "],\"data_offsets\":[" + std::to_string(at) + "," + std::to_string(at + bytes) + "]}";
        at += bytes;
    }
    header += "}";
    const uint64_t length = header.size();
    return std::string(reinterpret_cast<const char*>(&length), 8) + header + std::string(at, '\0');
}

// A file with this header whose data are as long as the header says, within bounds: mutations then go into names, types
// and shapes instead of being stopped at the first length.
std::string weights_with(std::string_view header) {
    constexpr std::string_view kKey = "\"data_offsets\":[";
    constexpr size_t kMostBytes = 1 << 16;
    size_t most = 0;
    for (size_t at = 0; (at = header.find(kKey, at)) != std::string_view::npos;) {
        at += kKey.size();
        const size_t comma = header.find(',', at);
        size_t end = 0;
        for (size_t i = comma + 1; comma < header.size() && i < header.size() && std::isdigit(uint8_t(header[i])); ++i)
            end = std::min(kMostBytes, end * 10 + size_t(header[i] - '0'));
        most = std::max(most, end);
    }
    const uint64_t length = header.size();
    std::string file(reinterpret_cast<const char*>(&length), 8);
    file += header;
    for (size_t i = 0; i < most; ++i) file += char(i * 37 & 0x73);
    return file;
}

// One directory per process and purpose, gone with it.
class Scratch {
public:
    explicit Scratch(const std::string& purpose) {
        std::error_code ignored;
        const std::string parent = std::filesystem::exists("/dev/shm", ignored) ? "/dev/shm" : "/tmp";
        path_ = parent + "/hearth-fuzz-hf-" + purpose + "-" + std::to_string(getpid());
        std::filesystem::create_directories(path_);
    }
    ~Scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

void use(const Checkpoint& checkpoint) {
    std::set<std::string_view> names;
    for (const StoredTensor& tensor : checkpoint.tensors()) {
        promise(names.insert(tensor.name).second && checkpoint.find(tensor.name) == &tensor, "names are unique");
        promise(!tensor.shape.empty() && tensor.shape.size() <= 4, "one to four dimensions");
        const auto bytes = checkpoint.bytes(tensor);
        promise(bytes && int64_t(bytes->view().size()) == tensor.bytes(), "all bytes come");
        std::vector<std::byte> piece(size_t(std::min<int64_t>(tensor.bytes(), 33)));
        const uint64_t offset = uint64_t(tensor.bytes()) - piece.size();
        promise(checkpoint.read(tensor, offset, piece).has_value(), "a piece can be read");
        promise(std::memcmp(piece.data(), bytes->view().data() + offset, piece.size()) == 0, "pieces are of the whole");
        checkpoint.release(tensor);
    }
    for (const auto& [key, value] : checkpoint.metadata().entries()) {
        promise(checkpoint.metadata().find(key) == &value, "every key is found");
        (void)value.printable();
    }
    const auto tokens = checkpoint.metadata().texts("tokenizer.ggml.tokens");
    const auto types = checkpoint.metadata().integers("tokenizer.ggml.token_type");
    const StoredTensor* table = checkpoint.find("token_embd.weight");
    promise(tokens && types && table && tokens->size() == types->size() && int64_t(tokens->size()) <= table->rows(),
            "tokens have types and rows of the table");
}

struct NamedFile {
    char letter;
    const char* name;
    bool is_weights = false;
};
constexpr NamedFile kFiles[] = {{'c', "config.json"},
                                {'p', "params.json"},
                                {'t', "tokenizer.json"},
                                {'T', "tokenizer_config.json"},
                                {'k', "tekken.json"},
                                {'v', "vocab.txt"},
                                {'s', "tokenizer.model"},
                                {'g', "generation_config.json"},
                                {'j', "chat_template.jinja"},
                                {'m', "modules.json"},
                                {'P', "1_Pooling/config.json"},
                                {'D', "2_Dense/config.json"},
                                {'d', "2_Dense/model.safetensors", true},
                                {'w', "model.safetensors", true},
                                {'W', "consolidated.safetensors", true}};

std::string open_and_use(const std::string& directory) {
    const auto opened = huggingface::open_directory(directory);
    if (!opened) {
        promise(!opened.error().what.empty(), "a refusal has words");
        return opened.error().line();
    }
    use(opened->checkpoint);
    return {};
}

}  // namespace

std::string check_safetensors(std::span<const std::byte> bytes) {
    const int fd = memfd_create("safetensors", MFD_CLOEXEC);
    promise(fd >= 0 && write(fd, bytes.data(), bytes.size()) == ssize_t(bytes.size()), "a memory file can be made");
    const auto opened = open_safetensors({"/proc/self/fd/" + std::to_string(fd)});
    close(fd);
    if (!opened) {
        promise(!opened.error().what.empty(), "a refusal has words");
        return opened.error().line();
    }
    promise(opened->check_whole().has_value(), "the file is whole");
    unsigned sum = 0;
    for (const RawTensor& tensor : opened->tensors()) {
        promise(opened->find(tensor.name) == &tensor, "every tensor is found");
        promise(tensor.shape.size() <= 8 && tensor.elements() >= 0, "shapes are counted");
        promise(int64_t(tensor.data.size()) * 8 == tensor.elements() * bits_of(tensor.type),
                "data has the shape's size");
        for (const std::byte byte : tensor.data) sum += unsigned(byte);
        opened->release(tensor);
    }
    promise(sum < UINT32_MAX, "data can be read");
    return {};
}

std::string check_hf_config(std::span<const std::byte> bytes) {
    static const Scratch scratch("config");
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const size_t cut = text.find('\0');
    write_file(scratch.path() + "/config.json", text.substr(0, cut));
    const std::string_view behind = cut == std::string_view::npos ? "" : text.substr(cut + 1);
    const size_t second = behind.find('\0');
    write_file(scratch.path() + "/tokenizer.json", behind.substr(0, second));
    write_file(scratch.path() + "/model.safetensors",
               second == std::string_view::npos ? tiny_weights() : weights_with(behind.substr(second + 1)));
    return open_and_use(scratch.path());
}

std::string check_hf_directory(std::span<const std::byte> bytes) {
    static const Scratch scratch("all");
    for (const NamedFile& file : kFiles) {
        const std::filesystem::path path = scratch.path() + "/" + file.name;
        std::error_code ignored;
        std::filesystem::create_directories(path.parent_path(), ignored);
        std::filesystem::remove(path, ignored);
    }
    bool has_weights = false;
    std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    while (!rest.empty()) {
        const std::string_view piece = rest.substr(0, rest.find('\0'));
        rest.remove_prefix(std::min(piece.size() + 1, rest.size()));
        for (const NamedFile& file : kFiles) {
            if (piece.empty() || piece[0] != file.letter) continue;
            const std::string_view text = piece.substr(1);
            write_file(scratch.path() + "/" + file.name, file.is_weights ? weights_with(text) : std::string(text));
            has_weights |= file.letter == 'w' || file.letter == 'W';
        }
    }
    if (!has_weights) write_file(scratch.path() + "/model.safetensors", tiny_weights());
    return open_and_use(scratch.path());
}

}  // namespace hearth
