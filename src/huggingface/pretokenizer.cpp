// tokenizer.json writes its splitting rules out as regular expressions; GGUF files name them. The expressions are
// compared as text: one that nobody has seen is refused rather than approximated.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "huggingface/tokenizer.h"

namespace hearth::huggingface {

namespace {

#define CONTRACTION "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define LEAD "[^\\r\\n\\p{L}\\p{N}]?"
#define BLANKS "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

struct Known {
    std::vector<std::string_view> expressions;  // one split after the other
    std::string_view whole_first, merging;      // the name when whole words are looked up first, and when not
};

const std::vector<Known>& known() {
    static const std::vector<Known> list{
        {{CONTRACTION "|" LEAD "\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" BLANKS}, "llama-bpe", "smaug-bpe"},
        {{CONTRACTION "|" LEAD "\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" BLANKS}, "qwen2", "qwen2"},
        {{CONTRACTION "|" LEAD "[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" BLANKS},
         "qwen35",
         "qwen35"},
        {{LEAD UPPER "*" LOWER "+|" LEAD UPPER "+" LOWER "*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" BLANKS},
         "tekken",
         "tekken"},
        {{LEAD UPPER "*" LOWER "+" CONTRACTION "?|" LEAD UPPER "+" LOWER "*" CONTRACTION
                     "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" BLANKS},
         "gpt-4o",
         "gpt-4o"},
        {{"\\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
          "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
          "?[\\p{P}\\p{S}]+[\\r\\n]*|" BLANKS},
         "deepseek-v3",
         "deepseek-v3"},
        {{"GPT2"}, "gpt-2", "gpt-2"},
        {{"DIGITS", "GPT2"}, "smollm", "smollm"},
    };
    return list;
}

// Spellings of the same expression that different tools write.
std::string plain_spelling(std::string text) {
    const auto replace = [&](std::string_view from, std::string_view to) {
        for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
            text.replace(at, from.size(), to);
    };
    replace("'(?i:[sdmt]|ll|ve|re)", CONTRACTION);
    replace("(?i:[sdmt]|ll|ve|re)", CONTRACTION);
    replace("(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", CONTRACTION);
    return text;
}

void collect(const Json& node, std::vector<std::string>& steps, int depth) {
    const Json* type = node.find("type");
    if (!type || !type->is_string() || depth > 4) {
        steps.push_back("?");
        return;
    }
    const std::string& name = type->as_string();
    if (name == "Sequence") {
        const Json* items = node.find("pretokenizers");
        if (items && items->is_array())
            for (const Json& item : items->items()) collect(item, steps, depth + 1);
    } else if (name == "Split") {
        const Json* pattern = node.find("pattern");
        const Json *regex = pattern ? pattern->find("Regex") : nullptr, *invert = node.find("invert");
        const Json* behavior = node.find("behavior");
        const bool is_removed =
            behavior && behavior->is_string() && behavior->as_string() == "Removed" && invert && invert->is_bool();
        const bool is_isolated = behavior && behavior->is_string() && behavior->as_string() == "Isolated";
        steps.push_back(regex && regex->is_string() && (is_isolated || is_removed) ? plain_spelling(regex->as_string())
                                                                                   : "?");
    } else if (name == "Digits") {
        const Json* individual = node.find("individual_digits");
        steps.push_back(individual && individual->is_bool() && individual->as_bool() ? "DIGITS" : "?");
    } else if (name == "ByteLevel") {
        const Json *regex = node.find("use_regex"), *space = node.find("add_prefix_space");
        if (space && space->is_bool() && space->as_bool()) steps.push_back("?");
        if (!regex || !regex->is_bool() || regex->as_bool()) steps.push_back("GPT2");
    } else {
        steps.push_back("?");
    }
}

}  // namespace

std::string pretokenizer_name(const Json& pre_tokenizer, bool is_whole_first) {
    std::vector<std::string> steps;
    collect(pre_tokenizer, steps, 0);
    for (const Known& entry : known())
        if (std::ranges::equal(entry.expressions, steps))
            return std::string(is_whole_first ? entry.whole_first : entry.merging);
    return "";
}

}  // namespace hearth::huggingface
