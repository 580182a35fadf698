#include "huggingface/tokenizer.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <unordered_map>

#include "base/text_format.h"
#include "files/safetensors.h"

namespace hearth::huggingface {

namespace {

constexpr uint64_t kMaxTokenizerBytes = 128 << 20;
constexpr int64_t kMaxTokens = 1 << 22;
constexpr std::string_view kLowLine = "\u2581";  // stands for a blank
enum : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

bool exists(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
}

std::string text_member(const Json* object, std::string_view key) {
    const Json* found = object ? object->find(key) : nullptr;
    return found && found->is_string() ? found->as_string() : "";
}
std::optional<bool> flag_member(const Json* object, std::string_view key) {
    const Json* found = object ? object->find(key) : nullptr;
    return found && found->is_bool() ? std::optional(found->as_bool()) : std::nullopt;
}

bool is_byte_name(std::string_view text) {
    const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
    return text.size() == 6 && text.starts_with("<0x") && text[5] == '>' && hex(text[3]) && hex(text[4]);
}

// One kind of node anywhere in a pipeline of normalisers, pre-tokenizers, decoders or post-processors.
const Json* find_step(const Json* node, std::string_view type, int depth = 0) {
    if (!node || !node->is_object() || depth > 4) return nullptr;
    if (text_member(node, "type") == type) return node;
    for (const char* list : {"normalizers", "pretokenizers", "decoders", "processors"})
        if (const Json* items = node->find(list); items && items->is_array())
            for (const Json& item : items->items())
                if (const Json* found = find_step(&item, type, depth + 1)) return found;
    return nullptr;
}

class JsonReader {
public:
    JsonReader(const Json& json, Config& config, const TokenizerChoice& choice)
        : json_(json), config_(config), choice_(choice) {}

    Pieces run() {
        const Json* model = json_.find("model");
        const std::string type = text_member(model, "type");
        read_vocabulary(model);
        read_added();
        if (type == "BPE" || (type.empty() && model && model->find("merges")))
            read_bpe(*model);
        else if (type == "WordPiece")
            read_word_pieces();
        else if (type == "Unigram")
            read_unigram();
        else
            problem(fmt::format("model.type is \"{}\", expected BPE, WordPiece or Unigram",
                                valid_utf8(type.substr(0, 40))));
        read_surroundings();
        return std::move(out_);
    }

private:
    void problem(std::string text) { config_.problem("tokenizer.json: " + std::move(text)); }

    void put(std::string text, int64_t id, int32_t type) {
        if (id < 0 || id >= kMaxTokens) return problem(fmt::format("token id {} makes no sense", id));
        if (id >= int64_t(out_.tokens.size())) {
            out_.tokens.resize(size_t(id) + 1);
            out_.types.resize(size_t(id) + 1, kUnused);
        }
        if (out_.types[size_t(id)] == kNormal && type == kNormal)
            return problem(fmt::format("token id {} is given twice", id));
        out_.tokens[size_t(id)] = std::move(text);
        out_.types[size_t(id)] = type;
    }

    void read_vocabulary(const Json* model) {
        const Json* vocabulary = model ? model->find("vocab") : nullptr;
        if (vocabulary && vocabulary->is_object()) {
            for (const auto& [text, id] : vocabulary->members()) put(text, id.as_int(-1), kNormal);
        } else if (vocabulary && vocabulary->is_array()) {
            for (const Json& item : vocabulary->items()) {
                const bool is_pair = item.is_array() && item.items().size() == 2 && item.items()[0].is_string() &&
                                     item.items()[1].is_number();
                if (!is_pair) return problem("model.vocab has an entry that is no pair of text and number");
                put(item.items()[0].as_string(), int64_t(out_.tokens.size()), kNormal);
                out_.scores.push_back(float(item.items()[1].as_double()));
            }
        } else {
            problem("there is no model.vocab");
        }
        if (out_.tokens.empty()) problem("the vocabulary is empty");
    }

    void read_added() {
        const Json* added = json_.find("added_tokens");
        if (!added || !added->is_array()) return;
        for (const Json& token : added->items()) {
            const Json *id = token.find("id"), *content = token.find("content");
            if (!id || !content || !content->is_string()) {
                problem("added_tokens has an entry without id or content");
                continue;
            }
            const bool is_special = flag_member(&token, "special").value_or(false);
            put(content->as_string(), id->as_int(-1), is_special ? kControl : kUserDefined);
        }
    }

    void read_bpe(const Json& model) {
        const Json* pre = json_.find("pre_tokenizer");
        const bool is_bytes = find_step(pre, "ByteLevel") || find_step(json_.find("decoder"), "ByteLevel");
        read_merges(model);
        if (is_bytes) {
            out_.model = "gpt2";
            const bool is_whole_first = flag_member(&model, "ignore_merges").value_or(false);
            out_.pre = pre ? pretokenizer_name(*pre, is_whole_first) : "";
            if (out_.pre.empty())
                problem("pre_tokenizer cuts words in a way this build does not know");
            else if (!choice_.pre.empty())
                out_.pre = choice_.pre;
            return;
        }
        for (size_t id = 0; id < out_.tokens.size(); ++id)
            if (out_.types[id] == kNormal && is_byte_name(out_.tokens[id])) out_.types[id] = kByte;
        mark_unknown(text_member(&model, "unk_token"));
        if (choice_.keeps_merges) {
            out_.model = "gemma4";
        } else {
            out_.model = "llama";
            merges_to_scores();
        }
        const Json* space = find_step(json_.find("normalizer"), "Prepend");
        const Json* metaspace = find_step(pre, "Metaspace");
        const std::string scheme = text_member(metaspace, "prepend_scheme");
        out_.add_space_prefix =
            space != nullptr ||
            (metaspace &&
             (scheme.empty() ? flag_member(metaspace, "add_prefix_space").value_or(true) : scheme != "never"));
    }

    void read_merges(const Json& model) {
        const Json* merges = model.find("merges");
        if (!merges || !merges->is_array()) return problem("there are no model.merges");
        out_.merges.reserve(merges->items().size());
        const auto without_blanks = [](const std::string& part) {
            if (part.find(' ') == std::string::npos) return part;
            std::string out;
            for (const char c : part) c == ' ' ? out += "\u0120" : out += c;
            return out;
        };
        for (const Json& merge : merges->items()) {
            if (merge.is_string()) {
                out_.merges.push_back(merge.as_string());
            } else if (merge.is_array() && merge.items().size() == 2 && merge.items()[0].is_string() &&
                       merge.items()[1].is_string()) {
                out_.merges.push_back(without_blanks(merge.items()[0].as_string()) + " " +
                                      without_blanks(merge.items()[1].as_string()));
            } else {
                return problem("model.merges has an entry that is no pair");
            }
        }
    }

    // The ranks were made from scores, highest first, so the negative rank of a piece's first merge orders as its
    // score.
    void merges_to_scores() {
        std::unordered_map<std::string_view, float> score;
        std::vector<std::string> joined(out_.merges.size());
        for (size_t rank = 0; rank < out_.merges.size(); ++rank) {
            const std::string& merge = out_.merges[rank];
            const size_t gap = merge.find(' ', 1);
            if (gap == std::string::npos) continue;
            joined[rank] = merge.substr(0, gap) + merge.substr(gap + 1);
            score.emplace(joined[rank], -float(rank));
        }
        for (size_t id = 0; id < out_.tokens.size(); ++id) {
            const auto found = score.find(out_.tokens[id]);
            out_.scores.push_back(found != score.end() ? found->second : -float(out_.merges.size()));
        }
        out_.merges.clear();
    }

    void mark_unknown(const std::string& text) {
        for (size_t id = 0; id < out_.tokens.size() && !text.empty(); ++id)
            if (out_.tokens[id] == text) out_.types[id] = kUnknown;
    }

    void read_word_pieces() {
        out_.model = "bert";
        const Json* normalizer = find_step(json_.find("normalizer"), "BertNormalizer");
        out_.lowercase = flag_member(normalizer, "lowercase");
        out_.strip_accents = flag_member(normalizer, "strip_accents");
        // Files mark the beginning of a word, the publication its continuation.
        for (size_t id = 0; id < out_.tokens.size(); ++id) {
            std::string& text = out_.tokens[id];
            if (out_.types[id] == kControl || out_.types[id] == kUnused) continue;
            text = text.starts_with("##") ? text.substr(2) : std::string(kLowLine) + text;
        }
    }

    void read_unigram() {
        out_.model = "t5";
        const Json* model = json_.find("model");
        if (const Json* unknown = model->find("unk_id");
            unknown && unknown->as_int(-1) >= 0 && unknown->as_int(-1) < int64_t(out_.types.size()))
            out_.types[size_t(unknown->as_int())] = kUnknown;
        const Json* normalizer = json_.find("normalizer");
        out_.charsmap = from_base64(text_member(find_step(normalizer, "Precompiled"), "precompiled_charsmap"));
        const Json* metaspace = find_step(json_.find("pre_tokenizer"), "Metaspace");
        const std::string scheme = text_member(metaspace, "prepend_scheme");
        out_.add_space_prefix = metaspace && (scheme.empty() ? flag_member(metaspace, "add_prefix_space").value_or(true)
                                                             : scheme != "never");
        out_.remove_extra_whitespaces = find_step(normalizer, "Replace") != nullptr ||
                                        find_step(json_.find("pre_tokenizer"), "WhitespaceSplit") != nullptr;
    }

    // What the post-processor puts around one text.
    void read_surroundings() {
        const Json* processor = json_.find("post_processor");
        if (const Json* form = find_step(processor, "TemplateProcessing")) {
            const Json* single = form->find("single");
            if (!single || !single->is_array()) return;
            bool before = true;
            for (const Json& item : single->items()) {
                const std::string id = text_member(item.find("SpecialToken"), "id");
                if (item.find("Sequence")) before = false;
                if (!id.empty()) (before ? out_.first : out_.last) = id;
            }
        }
        for (const char* type : {"BertProcessing", "RobertaProcessing"})
            if (const Json* form = find_step(processor, type)) {
                const auto first_item = [&](const char* key) {
                    const Json* pair = form->find(key);
                    return pair && pair->is_array() && !pair->items().empty() && pair->items()[0].is_string()
                               ? pair->items()[0].as_string()
                               : std::string();
                };
                out_.first = first_item("cls"), out_.last = first_item("sep");
            }
    }

    const Json& json_;
    Config& config_;
    const TokenizerChoice& choice_;
    Pieces out_;
};

// tokenizer_config.json writes a role as a text or as an object with its content.
std::string role_text(const Config& config, std::string_view role) {
    const Json* found = config.find(role);
    if (found && found->is_object()) found = found->find("content");
    return found && found->is_string() ? found->as_string() : "";
}

// Types that tokenizer_config.json knows better than a SentencePiece model: added_tokens_decoder.
void apply_added_decoder(const Config& config, Pieces& pieces) {
    const Json* decoder = config.find("added_tokens_decoder");
    if (!decoder || !decoder->is_object()) return;
    for (const auto& [key, token] : decoder->members()) {
        char* end = nullptr;
        const long id = std::strtol(key.c_str(), &end, 10);
        const std::string content = text_member(&token, "content");
        if (*end || id < 0 || id >= kMaxTokens || content.empty()) continue;
        if (size_t(id) >= pieces.tokens.size()) {
            pieces.tokens.resize(size_t(id) + 1);
            pieces.types.resize(size_t(id) + 1, kUnused);
            pieces.scores.resize(size_t(id) + 1, -1000);
        }
        if (pieces.types[size_t(id)] == kUnknown) continue;
        pieces.tokens[size_t(id)] = content;
        pieces.types[size_t(id)] = flag_member(&token, "special").value_or(false) ? kControl : kUserDefined;
    }
}

void fill_up(Pieces& pieces, const TokenizerChoice& choice, Config& config) {
    if (choice.rows > 0 && int64_t(pieces.tokens.size()) > choice.rows)
        config.problem(fmt::format("the tokenizer has {} tokens, the embedding table only {} rows",
                                   pieces.tokens.size(), choice.rows));
    const size_t size = std::max(pieces.tokens.size(), size_t(std::clamp<int64_t>(choice.rows, 0, kMaxTokens)));
    pieces.tokens.resize(size);
    pieces.types.resize(size, kUnused);
    if (!pieces.scores.empty()) pieces.scores.resize(size, -1000);
    for (size_t id = 0; id < size; ++id)
        if (pieces.types[id] == kUnused && pieces.tokens[id].empty()) pieces.tokens[id] = fmt::format("[PAD{}]", id);
}

class Roles {
public:
    Roles(Translation& to, const Config& config, const Pieces& pieces) : to_(to), config_(config), pieces_(pieces) {
        for (size_t id = 0; id < pieces.tokens.size(); ++id)
            if (pieces.types[id] != kUnused || !ids_.contains(pieces.tokens[id]))
                ids_.insert_or_assign(pieces.tokens[id], int64_t(id));
    }

    std::optional<int64_t> by_text(const std::string& text) const {
        const auto found = ids_.find(text);
        return text.empty() || found == ids_.end() ? std::nullopt : std::optional(found->second);
    }
    // The role's text in tokenizer_config.json, else its number in config.json.
    std::optional<int64_t> id(const std::string& role) const {
        if (const auto found = by_text(role_text(config_, role + "_token"))) return found;
        const Json* number = to_.config.find(role + "_token_id");
        if (number && number->is_array() && !number->items().empty()) number = &number->items()[0];
        const int64_t value = number ? number->as_int(-1) : -1;
        return value >= 0 && value < int64_t(pieces_.tokens.size()) ? std::optional(value) : std::nullopt;
    }

private:
    Translation& to_;
    const Config& config_;
    const Pieces& pieces_;
    std::unordered_map<std::string_view, int64_t> ids_;
};

MetadataValue words_of(const std::vector<int32_t>& values) {
    return MetadataValue::of(values);
}

void write_roles(Translation& to, const Config& config, const Config& generation, const Pieces& pieces) {
    const Roles roles(to, config, pieces);
    const auto set_id = [&](const char* key, std::optional<int64_t> id) {
        if (id) to.metadata.set(std::string("tokenizer.ggml.") + key + "_token_id", MetadataValue::of(uint32_t(*id)));
    };
    const auto set_flag = [&](const char* key, std::optional<bool> flag) {
        if (flag) to.metadata.set(std::string("tokenizer.ggml.") + key, MetadataValue::of(*flag));
    };
    const auto first = roles.by_text(pieces.first), last = roles.by_text(pieces.last);
    std::optional<int64_t> bos = roles.id("bos"), eos = roles.id("eos");
    std::optional<int64_t> separator = roles.by_text(role_text(config, "sep_token"));
    if (pieces.model == "bert") {
        if (const auto cls = roles.by_text("[CLS]"); !bos) bos = cls;
        if (const auto cls = roles.id("cls")) bos = cls;
        if (!separator) separator = roles.by_text("[SEP]");
        if (!eos) eos = separator;
        set_id("cls", bos);
    } else if (last && last != separator) {
        eos = last;  // Embedding models end a text with another token than a conversation
    }
    set_id("bos", bos);
    set_id("eos", eos);
    // BERT's names for the roles are always the same, whether a file repeats them or not.
    const auto named = [&](const char* role, const char* usual) {
        const std::string text = role_text(config, role);
        return roles.by_text(text.empty() && pieces.model == "bert" ? usual : text);
    };
    set_id("unknown", named("unk_token", "[UNK]"));
    set_id("seperator", separator);  // the key's own spelling
    set_id("padding", roles.id("pad") ? roles.id("pad") : named("pad_token", "[PAD]"));
    set_id("mask", named("mask_token", "[MASK]"));

    // All ids that end an answer, beyond the first.
    std::vector<int32_t> ends;
    for (const Config* file : {&generation, static_cast<const Config*>(&to.config)})
        if (const Json* list = file->find("eos_token_id"); list && ends.empty()) {
            const Json::Array one{*list};
            for (const Json& item : list->is_array() ? list->items() : one)
                if (const int64_t id = item.as_int(-1); id >= 0 && id < int64_t(pieces.tokens.size()))
                    ends.push_back(int32_t(id));
        }
    if (!ends.empty() && (ends.size() > 1 || ends[0] != eos)) {
        to.metadata.set("tokenizer.ggml.eos_token_ids", words_of(ends));
        if (!eos) set_id("eos", ends[0]);
    }

    const auto given = [&](const char* key, std::optional<bool> by_processor) -> std::optional<bool> {
        const Json* flag = config.find(key);
        if (flag && flag->is_bool() && (flag->as_bool() || !by_processor)) return flag->as_bool();
        return by_processor;
    };
    const bool is_processed = !pieces.first.empty() || !pieces.last.empty();
    const bool is_words = pieces.model == "bert";  // always between [CLS] and [SEP]
    set_flag("add_bos_token", given("add_bos_token", is_words         ? std::optional(true)
                                                     : pieces.add_bos ? pieces.add_bos
                                                     : is_processed   ? std::optional(first && first == bos)
                                                                      : std::optional(false)));
    set_flag("add_eos_token", given("add_eos_token", is_words              ? std::optional(true)
                                                     : pieces.add_eos      ? pieces.add_eos
                                                     : last && last == eos ? std::optional(true)
                                                                           : std::nullopt));
    set_flag("add_space_prefix", pieces.model == "gpt2" ? std::nullopt : pieces.add_space_prefix);
    set_flag("remove_extra_whitespaces", pieces.model == "t5" ? pieces.remove_extra_whitespaces : std::nullopt);
    set_flag("normalizer.lowercase", pieces.lowercase);
    set_flag("normalizer.strip_accents", pieces.strip_accents);
}

Result<> write_templates(Translation& to, const std::string& directory, const Config& config) {
    constexpr uint64_t kMaxTemplateBytes = 4 << 20;
    std::string main;
    std::vector<std::string> names;
    if (exists(directory + "/chat_template.jinja")) {
        main = TRY(read_small_file(directory + "/chat_template.jinja", kMaxTemplateBytes));
    } else if (exists(directory + "/chat_template.json")) {
        const Config file = TRY(Config::read(directory, "chat_template.json"));
        if (const Json* text = file.find("chat_template"); text && text->is_string()) main = text->as_string();
    }
    if (const Json* found = config.find("chat_template")) {
        if (found->is_string() && main.empty()) main = found->as_string();
        if (found->is_array())
            for (const Json& item : found->items()) {
                const std::string name = text_member(&item, "name"), text = text_member(&item, "template");
                const bool is_plain = !name.empty() && std::ranges::all_of(name, [](char c) {
                    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
                });
                if (name == "default") {
                    if (main.empty()) main = text;
                } else if (is_plain && name.size() < 64) {
                    names.push_back(name);
                    to.metadata.set("tokenizer.chat_template." + name, MetadataValue::text_of(text));
                }
            }
    }
    if (!names.empty()) to.metadata.set("tokenizer.chat_templates", MetadataValue::texts_of(std::move(names)));
    if (!main.empty()) to.metadata.set("tokenizer.chat_template", MetadataValue::text_of(std::move(main)));
    return {};
}

// What tokenizer_config.json says of Mistral's vocabularies, which always hold these.
Json tekken_roles() {
    Json roles = Json::object();
    roles.set("bos_token", "<s>");
    roles.set("eos_token", "</s>");
    roles.set("unk_token", "<unk>");
    roles.set("pad_token", "<pad>");
    roles.set("add_bos_token", true);
    roles.set("add_eos_token", false);
    return roles;
}

Result<Pieces> read_pieces(Translation& to, const std::string& directory, const TokenizerChoice& choice,
                           const Config& config) {
    const std::string json_path = directory + "/tokenizer.json", model_path = directory + "/tokenizer.model";
    std::optional<Pieces> from_json;
    if (exists(json_path)) {
        const std::string text = TRY(read_small_file(json_path, kMaxTokenizerBytes));
        const auto json = Json::parse(text, 40);
        if (!json || !json->is_object())
            return fail(ErrorKind::bad_file, json_path + (json ? " holds no object" : " is " + json.error().what),
                        "download it again");
        from_json = JsonReader(*json, to.config, choice).run();
        // Pieces that are merged by score: the real scores stand in tokenizer.model.
        if (from_json->model != "llama" || !exists(model_path)) return std::move(*from_json);
    }
    if (!from_json && !exists(model_path) && exists(directory + "/vocab.txt") && choice.may_be_words)
        return read_vocab_txt(directory + "/vocab.txt", config);
    if (!from_json && !exists(model_path) && exists(directory + "/tekken.json"))
        return read_tekken(directory + "/tekken.json", choice.rows);
    if (!exists(model_path))
        return fail(ErrorKind::not_found, directory + " has neither tokenizer.json nor tokenizer.model",
                    "download the whole repository");
    Pieces pieces = TRY(read_sentencepiece(model_path));
    if (from_json) {
        // What was added later (chat markers) is only in tokenizer.json.
        for (size_t id = 0; id < from_json->tokens.size(); ++id) {
            const int32_t type = from_json->types[id];
            if (id >= pieces.tokens.size()) {
                pieces.tokens.push_back(from_json->tokens[id]);
                pieces.types.push_back(type);
                pieces.scores.push_back(-1000);
            } else if ((type == kControl || type == kUserDefined) && pieces.types[id] != kUnknown) {
                pieces.tokens[id] = from_json->tokens[id];
                pieces.types[id] = type;
            }
        }
        pieces.first = from_json->first, pieces.last = from_json->last;
    } else {
        apply_added_decoder(config, pieces);
        if (!config.has("add_bos_token")) pieces.add_bos = pieces.model == "llama";
    }
    return pieces;
}

}  // namespace

std::string from_base64(std::string_view text) {
    std::string out;
    uint32_t bits = 0;
    int count = 0;
    for (const char c : text) {
        const int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                          : c >= 'a' && c <= 'z' ? c - 'a' + 26
                          : c >= '0' && c <= '9' ? c - '0' + 52
                          : c == '+'             ? 62
                          : c == '/'             ? 63
                                                 : -1;
        if (value < 0) continue;
        bits = bits << 6 | uint32_t(value);
        if (++count == 4) {
            for (int shift = 16; shift >= 0; shift -= 8) out += char(bits >> shift & 255);
            bits = 0, count = 0;
        }
    }
    if (count == 3) out += char(bits >> 10 & 255), out += char(bits >> 2 & 255);
    if (count == 2) out += char(bits >> 4 & 255);
    return out;
}

Result<> write_tokenizer(Translation& to, const std::string& directory, const TokenizerChoice& choice) {
    Config config(Json::object(), "tokenizer_config.json"), generation(Json::object(), "generation_config.json");
    if (exists(directory + "/tokenizer_config.json"))
        config = TRY(Config::read(directory, "tokenizer_config.json"));
    else if (exists(directory + "/tekken.json") && !exists(directory + "/tokenizer.json"))
        config = Config(tekken_roles(), "tekken.json");
    if (exists(directory + "/generation_config.json"))
        generation = TRY(Config::read(directory, "generation_config.json"));
    Pieces pieces = TRY(read_pieces(to, directory, choice, config));
    fill_up(pieces, choice, to.config);

    Metadata& out = to.metadata;
    out.set("tokenizer.ggml.model", MetadataValue::text_of(pieces.model));
    if (!pieces.pre.empty() || pieces.model == "llama" || pieces.model == "t5" || pieces.model == "bert")
        out.set("tokenizer.ggml.pre", MetadataValue::text_of(pieces.pre.empty() ? "default" : pieces.pre));
    write_roles(to, config, generation, pieces);
    out.set("tokenizer.ggml.tokens", MetadataValue::texts_of(std::move(pieces.tokens)));
    out.set("tokenizer.ggml.token_type", words_of(pieces.types));
    if (!pieces.scores.empty()) out.set("tokenizer.ggml.scores", MetadataValue::of(pieces.scores));
    if (!pieces.merges.empty()) out.set("tokenizer.ggml.merges", MetadataValue::texts_of(std::move(pieces.merges)));
    if (!pieces.charsmap.empty())
        out.set("tokenizer.ggml.precompiled_charsmap",
                MetadataValue::of(std::vector<uint8_t>(pieces.charsmap.begin(), pieces.charsmap.end())));
    return write_templates(to, directory, config);
}

}  // namespace hearth::huggingface
