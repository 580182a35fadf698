// What a file says about texts that are read for an embedding or a score: how their rows are pooled, and which tokens
// go around a text or between the two halves of a pair.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/vocabulary.h"
#include "files/checkpoint.h"
#include "ops/ops.h"

namespace hearth {

// What a file was made for, as far as it says so.
enum class FileUse : uint8_t { text, embeddings, scores };
FileUse use_of(const Checkpoint& checkpoint);
std::string_view name_of(FileUse use);     // "an embedding model"
std::string_view command_of(FileUse use);  // the one that uses such a file: "embed"

class TextReader {
public:
    static Result<TextReader> make(Checkpoint checkpoint);

    // The file's own choice; absent: it does not say, or wants none.
    std::optional<Pooling> pooling() const { return pooling_; }
    bool is_ranker() const { return is_ranker_; }  // made for scores, not for embeddings
    bool is_causal() const { return is_causal_; }
    int64_t context_tokens() const { return context_tokens_; }  // what the model was made for
    const std::string& name() const { return name_; }           // general.name, perhaps empty
    const Tokenizer& tokenizer() const { return *tokenizer_; }
    const Checkpoint& checkpoint() const { return checkpoint_; }

    // A text with what the model expects around it. `pooling`: where the last token stands for the text, that is an end
    // token, even if the file forgot to say so. Control tokens written in the text stay text.
    Result<std::vector<int32_t>> text(std::string_view text, Pooling pooling) const;

    // A query and a document as a reranker reads them: by the file's template, or with separators between them.
    Result<std::vector<int32_t>> pair(std::string_view query, std::string_view document) const;
    // For files without a classification head that judge by the words "yes" and "no": the prompt they were trained on.
    Result<std::vector<int32_t>> question(std::string_view query, std::string_view document) const;

private:
    TextReader() = default;
    Result<std::vector<int32_t>> fill(std::string_view form, std::string_view query, std::string_view document) const;

    Checkpoint checkpoint_;  // the tokenizer looks into it
    std::unique_ptr<Tokenizer> tokenizer_;
    std::optional<Pooling> pooling_;
    bool is_ranker_ = false, is_causal_ = true;
    int64_t context_tokens_ = 0;
    std::string name_, pair_form_;
};

}  // namespace hearth
