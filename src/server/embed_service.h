// Texts that are read, for their vectors or for how well they answer a query. As Service (service.h) runs answers, but
// nothing is sampled, and what comes of it comes at once.
#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "server/service.h"

namespace hearth::server {

struct EmbedJob {
    using Text = std::variant<std::string, std::vector<int32_t>>;  // a text, or its tokens as they are
    std::string model;                                             // a name that clients use
    std::vector<Text> texts;
    std::string field = "input";  // where they stood, for errors
    std::string role;             // "query" or "passage": what the model wants in front of such texts comes there
    bool truncates = false;       // what is too long is cut, and a note says so; else it is refused
    bool normalises = true;       // vectors have the length one
    int64_t dimensions = 0;       // of every vector, cut before its length is made one; 0: all
    Turn turn;
    Identity identity;
};

struct RerankJob {
    std::string model, query;
    std::vector<std::string> documents;
    Turn turn;
    Identity identity;
};

struct TextsRead {
    std::string model;                        // as it is called here
    std::vector<std::vector<float>> vectors;  // of an EmbedJob: one a text, in their order
    std::vector<double> scores;               // of a RerankJob: one a document, in their order
    int64_t tokens = 0;                       // of all of them
    std::vector<std::string> notes;           // what a person should know about the result
};

// Once, on a worker thread.
using TextsSink = std::function<void(const ApiResult<TextsRead>&)>;

// Makes the tokens on the calling thread, or on a worker once the model is loaded; the rest goes on without the caller.
void read_texts(Service& service, EmbedJob job, TextsSink sink, const WhenGone& when_gone);
void read_texts(Service& service, RerankJob job, TextsSink sink, const WhenGone& when_gone);

}  // namespace hearth::server
