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
bool is_causal(const Checkpoint& checkpoint);
int64_t made_for_tokens(const Checkpoint& checkpoint);  // the context that the model was made for

// How texts become one vector each where nobody chose.
struct PoolingChoice {
    Pooling pooling = Pooling::mean;
    bool is_guess = false;  // the file says nothing, so it is perhaps no embedding model
};
inline constexpr const char* kPoolingGuessed =
    "the file does not say how to pool, so it is perhaps no embedding model; the mean of all tokens is taken";

class TextReader {
public:
    static Result<TextReader> make(Checkpoint checkpoint);  // makes a tokenizer of its own
    // Of a model that is open: both must outlive this.
    static TextReader of(const Checkpoint& checkpoint, const Tokenizer& tokenizer);

    // The file's own choice; absent: it does not say, or wants none.
    std::optional<Pooling> pooling() const { return pooling_; }
    // The file's choice, or the mean. Fails for rerankers.
    Result<PoolingChoice> usual_pooling() const;
    // What the model, known by its name, was trained to find in front of a text; `role`: "query" or "passage".
    Result<std::string> prefix(std::string_view role) const;
    bool is_causal() const { return is_causal_; }
    int64_t context_tokens() const { return context_tokens_; }  // what the model was made for
    const std::string& name() const { return name_; }           // general.name, perhaps empty
    const Tokenizer& tokenizer() const { return *tokenizer_; }
    const Checkpoint& checkpoint() const { return *checkpoint_; }

    // A text with what the model expects around it. `pooling`: where the last token stands for the text, that is an end
    // token, even if the file forgot to say so. Control tokens written in the text stay text.
    Result<std::vector<int32_t>> text(std::string_view text, Pooling pooling) const;

    // A query and a document as a reranker reads them: by the file's template, or with separators between them.
    Result<std::vector<int32_t>> pair(std::string_view query, std::string_view document) const;
    // For files without a classification head that judge by the words "yes" and "no": the prompt they were trained on.
    Result<std::vector<int32_t>> question(std::string_view query, std::string_view document) const;

private:
    TextReader() = default;
    void read_file();
    Result<std::vector<int32_t>> fill(std::string_view form, std::string_view query, std::string_view document) const;

    struct Own {
        Checkpoint checkpoint;  // the tokenizer looks into it
        std::unique_ptr<Tokenizer> tokenizer;
    };
    std::shared_ptr<const Own> own_;  // null: they belong to somebody else
    const Checkpoint* checkpoint_ = nullptr;
    const Tokenizer* tokenizer_ = nullptr;
    std::optional<Pooling> pooling_;
    bool is_ranker_ = false, is_causal_ = true;
    int64_t context_tokens_ = 0;
    std::string name_, pair_form_;
};

}  // namespace hearth
