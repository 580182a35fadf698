// The table of vocabularies and the made-up words. The words are merges of frequent letters, so that any English text
// becomes about as many tokens as with a real vocabulary of few merges, and every id can be reached.
#include "library/vocabularies.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/byte_alphabet.h"
#include "huggingface/tokenizer.h"

namespace hearth {
namespace {

enum TokenType : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

// Special, yet part of the visible text.
constexpr std::string_view kVisible[] = {
    "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>",          "</think>", "<|channel>",
    "<channel|>",  "<|tool_call>", "<tool_call|>",    "<|tool_response>", "<tool_response|>", "<|\"|>",
};
constexpr std::string_view kLetters = "etaoinshrdlucmfwypvbgkjqxz";  // most frequent first

std::vector<std::string> byte_alphabet() {
    std::vector<std::string> letters;
    for (int byte = 0; byte < 256; ++byte) letters.push_back(byte_letter(uint8_t(byte)));
    return letters;
}

struct Merge {
    std::string left, right;
};

// In order of rank: pairs of letters, then four-letter words, both also with a blank before them.
std::vector<Merge> make_merges(const std::string& blank, size_t wanted) {
    struct Pair {
        std::string text;
        size_t rank;
    };
    std::vector<Pair> pairs;
    for (size_t a = 0; a < kLetters.size(); ++a)
        for (size_t b = 0; b < kLetters.size(); ++b) pairs.push_back({{kLetters[a], kLetters[b]}, a + b});
    std::ranges::stable_sort(pairs, {}, &Pair::rank);
    std::vector<Merge> merges;
    merges.reserve(wanted);
    const auto full = [&] { return merges.size() >= wanted; };
    const auto add = [&](std::string left, std::string right) {
        if (!full()) merges.push_back({std::move(left), std::move(right)});
    };
    for (const Pair& pair : pairs) add(pair.text.substr(0, 1), pair.text.substr(1));
    for (const Pair& pair : pairs) add(blank, pair.text);
    for (char letter : kLetters) add(blank, {letter});
    for (size_t total = 0; total + 1 < 2 * pairs.size() && !full(); ++total) {
        const size_t first = total < pairs.size() ? 0 : total - pairs.size() + 1;
        for (size_t i = first; i < std::min(total + 1, pairs.size()); ++i) {
            add(pairs[i].text, pairs[total - i].text);
            add(blank + pairs[i].text, pairs[total - i].text);
        }
    }
    return merges;
}

using Texts = std::vector<std::string_view>;
using Ids = std::map<int64_t, std::string>;

Ids at(const std::vector<std::pair<int64_t, Texts>>& runs) {
    Ids ids;
    for (const auto& [first, texts] : runs) {
        int64_t id = first;
        for (std::string_view text : texts) ids.emplace(id++, text);
    }
    return ids;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
    return text;
}

// A minimal chat template; ROLE and TEXT stand for the parts of a message.
std::string chat(std::string message, const std::string& answer, const std::string& start = "") {
    message = replaced(replaced(std::move(message), "ROLE", "{{ m['role'] }}"), "TEXT", "{{ m['content'] }}");
    return start + "{% for m in messages %}" + message + "{% endfor %}{% if add_generation_prompt %}" + answer +
           "{% endif %}";
}

std::string chatml(const std::string& start = "") {
    return chat("<|im_start|>ROLE\nTEXT<|im_end|>\n", "<|im_start|>assistant\n", start);
}

const Texts kQwen25 = {
    "<|endoftext|>",  "<|im_start|>",   "<|im_end|>",    "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>",    "<|quad_start|>", "<|quad_end|>",  "<|vision_start|>",     "<|vision_end|>",     "<|vision_pad|>",
    "<|image_pad|>",  "<|video_pad|>",  "<tool_call>",   "</tool_call>",         "<|fim_prefix|>",     "<|fim_middle|>",
    "<|fim_suffix|>", "<|fim_pad|>",    "<|repo_name|>", "<|file_sep|>"};
const Texts kQwen3More = {"<tool_response>", "</tool_response>", "<think>", "</think>"};

Vocabulary qwen(std::string name, std::string pre, int64_t size, int64_t words, bool has_thinking) {
    Ids special = at({{words, kQwen25}});
    if (has_thinking) special.merge(at({{words + int64_t(kQwen25.size()), kQwen3More}}));
    return {.name = std::move(name),
            .model = "gpt2",
            .pre = std::move(pre),
            .size = size,
            .first_word = 0,
            .end_of_words = words,
            .special = std::move(special),
            .roles = {{"bos", "<|endoftext|>"}, {"eos", "<|im_end|>"}, {"padding", "<|endoftext|>"}},
            .spare_front = "[PAD",
            .spare_back = "]",
            .chat_template = chatml()};
}

Vocabulary gemma(std::string name, std::string model, Ids special, std::string chat_template) {
    return {.name = std::move(name),
            .model = std::move(model),
            .pre = "",
            .size = 262144,
            .first_word = 494,
            .end_of_words = 255999,
            .special = std::move(special),
            .roles = {{"bos", "<bos>"}, {"eos", "<eos>"}, {"unknown", "<unk>"}, {"padding", "<pad>"}},
            .spare_front = "<unused",
            .spare_back = ">",
            .adds_bos = true,
            .chat_template = std::move(chat_template)};
}

Vocabulary tekken(std::string name, std::string pre, Ids special, std::string eos, std::string padding,
                  std::string chat_template) {
    return {.name = std::move(name),
            .model = "gpt2",
            .pre = std::move(pre),
            .size = 131072,
            .first_word = 1000,
            .end_of_words = 131072,
            .special = std::move(special),
            .roles = {{"bos", "<s>"}, {"eos", std::move(eos)}, {"unknown", "<unk>"}, {"padding", std::move(padding)}},
            .spare_front = "<SPECIAL_",
            .spare_back = ">",
            .adds_bos = true,
            .chat_template = std::move(chat_template)};
}

// Texts of these end with a token of their own; the chat form is still there, but nobody asks for it.
Vocabulary qwen_for_texts(std::string name, int64_t size) {
    constexpr int64_t kWords = 151643;
    const bool has_thinking = size > kWords + int64_t(kQwen25.size());
    Vocabulary v = qwen(std::move(name), "qwen2", size, kWords, has_thinking);
    v.roles = {{"bos", "<|endoftext|>"}, {"eos", "<|endoftext|>"}, {"padding", "<|endoftext|>"}};
    v.adds_eos = true;
    return v;
}

std::vector<std::pair<std::string, std::string>> word_piece_roles() {
    return {{"bos", "[CLS]"},       {"eos", "[SEP]"},     {"unknown", "[UNK]"},
            {"seperator", "[SEP]"}, {"padding", "[PAD]"}, {"mask", "[MASK]"}};
}

Vocabulary word_pieces(std::string name, int64_t size) {
    return {.name = std::move(name),
            .model = "bert",
            .pre = "jina-v2-en",
            .size = size,
            .first_word = 999,
            .end_of_words = 30522,
            .special = at({{0, {"[PAD]"}}, {100, {"[UNK]", "[CLS]", "[SEP]", "[MASK]"}}}),
            .roles = word_piece_roles(),
            .spare_front = "[unused",
            .spare_back = "]",
            .adds_bos = true,
            .adds_eos = true,
            .segments = 2};
}

Vocabulary xlm_roberta(std::string name, int64_t size) {
    return {.name = std::move(name),
            .model = "t5",
            .pre = "default",
            .size = size,
            .first_word = 4,
            .end_of_words = 250001,
            .special = at({{0, {"<s>", "<pad>", "</s>", "<unk>"}}, {250001, {"<mask>"}}}),
            .roles = {{"bos", "<s>"},
                      {"eos", "</s>"},
                      {"unknown", "<unk>"},
                      {"seperator", "</s>"},
                      {"padding", "<pad>"},
                      {"mask", "<mask>"}},
            .adds_bos = true,
            .adds_eos = true,
            .segments = 1};
}

std::vector<Vocabulary> make_vocabularies() {
    std::vector<Vocabulary> list;
    list.push_back(qwen("qwen3.5", "qwen35", 248320, 248044, true));
    list.push_back(qwen("qwen3", "qwen2", 151936, 151643, true));
    list.push_back(qwen("qwen2.5", "qwen2", 151936, 151643, false));
    list.push_back(qwen("qwen2.5-7b", "qwen2", 152064, 151643, false));
    list.push_back(qwen_for_texts("qwen3-embedding", 151669));
    list.push_back(qwen_for_texts("qwen3-embedding-4b", 151665));
    list.push_back(qwen_for_texts("qwen3-reranker", 151669));
    list.back().adds_eos = false;
    list.back().rerank_template =
        "<|im_start|>user\n<Query>: {query}\n<Document>: {document}<|im_end|>\n<|im_start|>assistant\n";
    list.push_back(word_pieces("bert", 30522));
    list.push_back(word_pieces("bert-nomic", 30528));
    list.push_back(xlm_roberta("xlm-r", 250002));
    list.push_back(xlm_roberta("xlm-r-nomic", 250048));
    list.push_back({.name = "modernbert",
                    .model = "gpt2",
                    .pre = "modern-bert",
                    .size = 50368,
                    .first_word = 2,
                    .end_of_words = 50254,
                    .special = at({{0, {"|||IP_ADDRESS|||", "<|padding|>"}},
                                   {50279, {"<|endoftext|>", "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"}}}),
                    .roles = word_piece_roles(),
                    .spare_front = "[unused",
                    .spare_back = "]",
                    .adds_bos = true,
                    .adds_eos = true});
    list.push_back(gemma(
        "gemma4", "gemma4",
        at({{0, {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>"}},
            {46,
             {"<|tool>", "<tool|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", "<|\"|>"}},
            {98, {"<|think|>"}},
            {100, {"<|channel>", "<channel|>"}},
            {105, {"<|turn>", "<turn|>"}},
            {255999, {"<|image>", "<|audio>"}},
            {258880, {"<|image|>", "<|audio|>", "<image|>", "<audio|>", "<|video|>"}}}),
        chat("<|turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\nTEXT<turn|>\n", "<|turn>model\n",
             "{{ bos_token }}")));
    list.push_back(
        gemma("gemma3", "llama",
              at({{0, {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>"}},
                  {105, {"<start_of_turn>", "<end_of_turn>"}},
                  {255999, {"<start_of_image>", "<end_of_image>"}}}),
              chat("<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\nTEXT<end_of_turn>\n",
                   "<start_of_turn>model\n", "{{ bos_token }}")));
    list.push_back(list.back());  // as Gemma 3, and texts end with a token too
    list.back().name = "embeddinggemma";
    list.back().adds_eos = true;
    list.push_back(
        tekken("nemotron3", "pixtral",
               at({{0, {"<unk>", "<s>", "</s>"}}, {10, {"<|im_start|>", "<|im_end|>", "<think>", "</think>"}}}),
               "<|im_end|>", "<unk>", chatml()));
    list.push_back(tekken("nemotron2", "pixtral",
                          at({{0, {"<unk>", "<s>", "</s>"}}, {10, {"<SPECIAL_10>", "<SPECIAL_11>", "<SPECIAL_12>"}}}),
                          "<SPECIAL_12>", "<unk>",
                          chat("{% if m['role'] == 'system' %}<SPECIAL_10>System\nTEXT\n{% elif m['role'] == 'user' "
                               "%}<SPECIAL_11>User\nTEXT\n"
                               "{% else %}<SPECIAL_11>Assistant\nTEXT\n<SPECIAL_12>\n{% endif %}",
                               "<SPECIAL_11>Assistant\n<think>\n")));
    list.push_back(
        tekken("mistral", "tekken",
               at({{0, Texts(huggingface::tekken_special_tokens().begin(), huggingface::tekken_special_tokens().end())},
                   {32, {"[ARGS]", "[CALL_ID]", "[THINK]", "[/THINK]"}}}),
               "</s>", "<pad>",
               chat("{% if m['role'] == 'system' %}[SYSTEM_PROMPT]TEXT[/SYSTEM_PROMPT]{% elif m['role'] == 'user' %}"
                    "[INST]TEXT[/INST]{% else %}TEXT{{ eos_token }}{% endif %}",
                    "", "{{ bos_token }}")));
    list.push_back(
        {.name = "llama3",
         .model = "gpt2",
         .pre = "llama-bpe",
         .size = 128256,
         .end_of_words = 128000,
         .special =
             at({{128000, {"<|begin_of_text|>", "<|end_of_text|>"}},
                 {128004, {"<|finetune_right_pad_id|>"}},
                 {128006, {"<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>"}}}),
         .roles = {{"bos", "<|begin_of_text|>"}, {"eos", "<|eot_id|>"}, {"padding", "<|finetune_right_pad_id|>"}},
         .adds_bos = true,
         .chat_template = chat("<|start_header_id|>ROLE<|end_header_id|>\n\nTEXT<|eot_id|>",
                               "<|start_header_id|>assistant<|end_header_id|>\n\n", "{{ bos_token }}")});
    list.push_back({.name = "smollm3",
                    .model = "gpt2",
                    .pre = "smaug-bpe",
                    .size = 128256,
                    .end_of_words = 128000,
                    .special = at({{128000, {"<|begin_of_text|>", "<|end_of_text|>", "<think>", "</think>"}},
                                   {128011, {"<|im_start|>", "<|im_end|>"}}}),
                    .roles = {{"bos", "<|begin_of_text|>"}, {"eos", "<|im_end|>"}, {"padding", "<|im_end|>"}},
                    .chat_template = chatml()});
    list.push_back({.name = "lfm2",
                    .model = "gpt2",
                    .pre = "lfm2",
                    .size = 65536,
                    .first_word = 512,
                    .end_of_words = 64400,
                    .special = at({{0,
                                    {"<|pad|>", "<|startoftext|>", "<|endoftext|>", "<|fim_pre|>", "<|fim_mid|>",
                                     "<|fim_suf|>", "<|im_start|>", "<|im_end|>", "<|tool_list_start|>",
                                     "<|tool_list_end|>", "<|tool_call_start|>", "<|tool_call_end|>",
                                     "<|tool_response_start|>", "<|tool_response_end|>"}}}),
                    .roles = {{"bos", "<|startoftext|>"}, {"eos", "<|im_end|>"}, {"padding", "<|pad|>"}},
                    .spare_front = "<|reserved_",
                    .adds_bos = true,
                    .chat_template = chatml("{{ bos_token }}")});
    list.push_back(
        {.name = "phi4-mini",
         .model = "gpt2",
         .pre = "gpt-4o",
         .size = 200064,
         .end_of_words = 199998,
         .special = at({{199999, {"<|endoftext|>"}},
                        {200018, {"<|endofprompt|>", "<|assistant|>", "<|end|>", "<|user|>", "<|system|>"}}}),
         .roles = {{"bos", "<|endoftext|>"}, {"eos", "<|endoftext|>"}, {"padding", "<|endoftext|>"}},
         .chat_template = chat("<|ROLE|>TEXT<|end|>", "<|assistant|>")});
    list.push_back(
        {.name = "phi4",
         .model = "gpt2",
         .pre = "dbrx",
         .size = 100352,
         .end_of_words = 100256,
         .special = at({{100257, {"<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"}},
                        {100264, {"<|im_start|>", "<|im_end|>", "<|im_sep|>"}}}),
         .roles = {{"bos", "<|endoftext|>"}, {"eos", "<|im_end|>"}, {"padding", "<|endoftext|>"}},
         .spare_front = "<|dummy_",
         .chat_template = chat("<|im_start|>ROLE<|im_sep|>TEXT<|im_end|>", "<|im_start|>assistant<|im_sep|>")});
    list.push_back({.name = "gpt-oss",
                    .model = "gpt2",
                    .pre = "gpt-4o",
                    .size = 201088,
                    .end_of_words = 199998,
                    .special = at({{199998, {"<|startoftext|>", "<|endoftext|>"}},
                                   {200002, {"<|return|>", "<|constrain|>"}},
                                   {200005, {"<|channel|>", "<|start|>", "<|end|>", "<|message|>"}},
                                   {200012, {"<|call|>"}}}),
                    .roles = {{"bos", "<|startoftext|>"}, {"eos", "<|return|>"}, {"padding", "<|endoftext|>"}},
                    .chat_template = chat("<|start|>ROLE<|message|>TEXT<|end|>", "<|start|>assistant")});
    return list;
}

int32_t type_of_special(const std::string& text) {
    if (text == "<unk>") return kUnknown;
    return std::ranges::find(kVisible, text) != std::end(kVisible) ? kUserDefined : kControl;
}

struct Tokens {
    std::vector<std::string> texts, merges;
    std::vector<int32_t> types;
};

void put(Tokens& out, int64_t id, std::string text, int32_t type) {
    out.texts[size_t(id)] = std::move(text);
    out.types[size_t(id)] = type;
}

// SentencePiece and WordPiece write a blank as a character of its own, the byte alphabet as a letter like others.
bool has_byte_alphabet(const Vocabulary& v) {
    return v.model == "gpt2";
}

bool is_gemma(const Vocabulary& v) {
    return v.model == "llama" || v.model == "gemma4";
}

// What words are merged from, the blank aside.
std::vector<std::string> letters_of(const Vocabulary& v, const std::string& blank) {
    if (has_byte_alphabet(v)) return byte_alphabet();
    std::vector<std::string> letters;
    if (v.model != "bert") letters.push_back(blank);
    for (int c = 33; c < 127; ++c) letters.push_back({char(c)});
    // Words that begin with one of the letters of `make_merges` are among the merges.
    if (v.model == "bert")
        for (int c = 33; c < 127; ++c)
            if (kLetters.find(char(c)) == kLetters.npos) letters.push_back(blank + char(c));
    return letters;
}

Tokens make_tokens(const Vocabulary& v) {
    Tokens out{std::vector<std::string>(size_t(v.size)), {}, std::vector<int32_t>(size_t(v.size), kNormal)};
    for (const auto& [id, text] : v.special) put(out, id, text, type_of_special(text));
    if (is_gemma(v)) {
        // Runs of newlines are pieces of their own; the score-merging tokenizer cuts them out beforehand.
        const int32_t type = v.model == "llama" ? kUserDefined : kNormal;
        for (int length = 1; length < 32; ++length) put(out, 106 + length, std::string(size_t(length), '\n'), type);
        for (int byte = 0; byte < 256; ++byte) put(out, 238 + byte, fmt::format("<0x{:02X}>", byte), kByte);
    }
    const std::string blank = has_byte_alphabet(v) ? byte_letter(' ') : "\xE2\x96\x81";
    int64_t id = v.first_word;
    for (std::string& letter : letters_of(v, blank)) put(out, id++, std::move(letter), kNormal);
    for (Merge& merge : make_merges(blank, size_t(v.end_of_words - id))) {
        out.merges.push_back(merge.left + " " + merge.right);
        out.texts[size_t(id++)] = merge.left + merge.right;
    }
    for (int64_t spare = 0; spare < v.size; ++spare)
        if (out.texts[size_t(spare)].empty())
            put(out, spare, v.spare_front + std::to_string(spare) + v.spare_back, kUnused);
    return out;
}

}  // namespace

const Vocabulary* find_vocabulary(std::string_view name) {
    static const std::vector<Vocabulary> list = make_vocabularies();
    const auto found = std::ranges::find(list, name, &Vocabulary::name);
    return found == list.end() ? nullptr : &*found;
}

void write_vocabulary(const Vocabulary& v, Metadata& metadata) {
    Tokens tokens = make_tokens(v);
    const auto set = [&](std::string_view key, MetadataValue value) {
        metadata.set("tokenizer.ggml." + std::string(key), std::move(value));
    };
    set("model", MetadataValue::text_of(v.model));
    set("tokens", MetadataValue::texts_of(std::move(tokens.texts)));
    set("token_type", MetadataValue::of(tokens.types));
    if (has_byte_alphabet(v) || v.model == "gemma4") set("merges", MetadataValue::texts_of(std::move(tokens.merges)));
    set("add_bos_token", MetadataValue::of(v.adds_bos));
    if (v.adds_eos) set("add_eos_token", MetadataValue::of(true));
    if (v.segments > 0) set("token_type_count", MetadataValue::of(uint32_t(v.segments)));
    if (is_gemma(v) || v.model == "t5") {
        // Merging takes the highest score first. Of cuts the sum counts, so a word costs little more than a letter.
        std::vector<float> scores;
        for (int64_t id = 0; id < v.size; ++id) scores.push_back(is_gemma(v) ? -float(id) : -8 - 1e-5f * float(id));
        set("scores", MetadataValue::of(scores));
        set("add_space_prefix", MetadataValue::of(v.model == "t5"));
    }
    if (v.model == "t5") set("remove_extra_whitespaces", MetadataValue::of(true));
    if (v.model == "llama") set("pre", MetadataValue::text_of("default"));
    if (!v.pre.empty()) set("pre", MetadataValue::text_of(v.pre));
    for (const auto& [role, text] : v.roles)
        for (const auto& [id, special] : v.special)
            if (special == text) set(role + "_token_id", MetadataValue::of(uint32_t(id)));
    if (!v.chat_template.empty()) metadata.set("tokenizer.chat_template", MetadataValue::text_of(v.chat_template));
    if (!v.rerank_template.empty())
        metadata.set("tokenizer.chat_template.rerank", MetadataValue::text_of(v.rerank_template));
}

}  // namespace hearth
