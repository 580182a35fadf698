#include "engine/embedding_prompts.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace hearth {

namespace {

struct Known {
    std::string_view part;  // of the name, in lower case, with blanks and underscores as hyphens
    EmbeddingPrompts prompts;
};

constexpr std::string_view kEnglishQuery = "Represent this sentence for searching relevant passages: ";
constexpr Known kKnown[] = {
    {"nomic-embed", {"search_query: ", "search_document: "}},
    {"bge-m3", {"", ""}},
    {"bge-large-en", {kEnglishQuery, ""}},
    {"bge-base-en", {kEnglishQuery, ""}},
    {"bge-small-en", {kEnglishQuery, ""}},
    {"mxbai-embed", {kEnglishQuery, ""}},
    {"arctic-embed-l-v2", {"query: ", ""}},
    {"arctic-embed-m-v2", {"query: ", ""}},
    {"arctic-embed", {kEnglishQuery, ""}},
    {"e5-", {"query: ", "passage: "}},
    {"minilm", {"", ""}},
    {"gte-", {"", ""}},
    {"qwen3-embedding",
     {"Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:", ""}},
    {"embeddinggemma", {"task: search result | query: ", "title: none | text: "}},
};

}  // namespace

std::optional<EmbeddingPrompts> embedding_prompts(std::string_view name) {
    std::string plain(name);
    std::ranges::transform(plain, plain.begin(),
                           [](unsigned char c) { return c == ' ' || c == '_' ? '-' : char(std::tolower(c)); });
    for (const Known& known : kKnown)
        if (plain.find(known.part) != std::string::npos) return known.prompts;
    return std::nullopt;
}

}  // namespace hearth
