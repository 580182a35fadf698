// hearth inspect tokens: text to ids and back, one text or thousands of cases.
#include <iostream>
#include <memory>
#include <sstream>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "engine/loaded_model.h"
#include "engine/vocabulary.h"

namespace hearth::cli {

namespace {

struct TokensOptions {
    std::string model, compat = "published";
    bool special = false, bos = false, json = false, decode = false, jsonl = false;
};

Json ids_json(const std::vector<int32_t>& ids) {
    Json list = Json::array();
    for (const int32_t id : ids) list.push(id);
    Json object = Json::object();
    object.set("ids", std::move(list));
    return object;
}

std::optional<std::string> bytes_of_hex(std::string_view hex) {
    if (hex.size() % 2 != 0) return std::nullopt;
    std::string bytes;
    for (size_t i = 0; i < hex.size(); i += 2) {
        const auto digit = [&](char c) {
            return c >= '0' && c <= '9'   ? c - '0'
                   : c >= 'a' && c <= 'f' ? c - 'a' + 10
                   : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                          : -1;
        };
        const int high = digit(hex[i]), low = digit(hex[i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        bytes += char(high * 16 + low);
    }
    return bytes;
}

// One line of the --jsonl protocol. What is wrong with a line is its own answer; the other lines go on.
Json answer_line(const Tokenizer& tokenizer, const TokensOptions& options, const std::string& line) {
    const auto problem = [](std::string text) {
        Json object = Json::object();
        object.set("error", std::move(text));
        return object;
    };
    const auto request = Json::parse(line);
    if (!request) return problem(request.error().what);
    if (!request->is_object()) return problem("not an object");
    EncodeOptions encode{.parse_special = options.special, .add_special = options.bos};
    std::optional<std::string> text;
    for (const auto& [key, value] : request->members()) {
        if (key == "text" && value.is_string())
            text = value.as_string();
        else if (key == "hex" && value.is_string())
            text = bytes_of_hex(value.as_string());
        else if (key == "special" && value.is_bool())
            encode.parse_special = value.as_bool();
        else if (key == "bos" && value.is_bool())
            encode.add_special = value.as_bool();
        else
            return problem("unknown field or wrong type: " + key);
    }
    if (!text) return problem("needs \"text\", or \"hex\" with an even number of hexadecimal digits");
    std::vector<int32_t> ids;
    if (auto encoded = tokenizer.encode(*text, encode, ids); !encoded) return problem(encoded.error().line());
    return ids_json(ids);
}

Result<> decode_ids(const Tokenizer& tokenizer, const TokensOptions& options) {
    std::istringstream words(TRY(read_stdin()));
    std::vector<int32_t> ids;
    for (std::string word; words >> word;) {
        char* end = nullptr;
        const long id = std::strtol(word.c_str(), &end, 10);
        const bool is_number = end != word.c_str();
        if (*end == ',') ++end;
        if (!is_number || *end || id < 0 || id >= tokenizer.size())
            return fail(ErrorKind::bad_request, fmt::format("\"{}\" is no id of this vocabulary (0 to {})",
                                                            word.substr(0, 40), tokenizer.size() - 1));
        ids.push_back(int32_t(id));
    }
    const std::string text = tokenizer.decode(ids, options.special);
    if (!options.json) return write_out(text);
    Json object = Json::object();
    object.set("text", text);
    return write_out(object.dump() + "\n");
}

Result<> inspect_tokens(const TokensOptions& options) {
    const Checkpoint checkpoint = TRY(open_checkpoint(options.model));
    const auto tokenizer = TRY(load_tokenizer(
        checkpoint, options.compat == "llama.cpp" ? TokenizerCompat::llama_cpp : TokenizerCompat::published));
    if (options.jsonl) {
        for (std::string line; std::getline(std::cin, line);)
            TRY(write_out(answer_line(*tokenizer, options, line).dump() + "\n"));
        return {};
    }
    if (options.decode) return decode_ids(*tokenizer, options);
    std::vector<int32_t> ids;
    TRY(tokenizer->encode(TRY(read_stdin()), {.parse_special = options.special, .add_special = options.bos}, ids));
    if (options.json) return write_out(ids_json(ids).dump() + "\n");
    std::string text;
    for (const int32_t id : ids) text += fmt::format("{}\n", id);
    return write_out(text);
}

}  // namespace

void add_inspect_tokens(Command& inspect) {
    auto options = std::make_shared<TokensOptions>();
    Command command = inspect.add_command("tokens", "Text on standard input -> token ids");
    add_model_argument(command, "MODEL", options->model, "A GGUF file or a Hugging Face directory").required();
    command.add_flag("--special", options->special,
                     "Texts of special tokens become those tokens; with --decode: show them");
    command.add_flag("--bos", options->bos, "Add the tokens that this vocabulary puts around a text");
    command.add_flag("--decode", options->decode, "The other way: ids -> text");
    command.add_flag("--json", options->json, "As JSON");
    command.add_flag("--jsonl", options->jsonl,
                     "An object a line in ({\"text\"|\"hex\", \"special\", \"bos\"}), {\"ids\"} a line out");
    command.add("--tokenizer-compat", options->compat, "Whose word split where they differ: published, llama.cpp")
        .one_of({"published", "llama.cpp"});
    command.runs([options] { return inspect_tokens(*options); });
}

}  // namespace hearth::cli
