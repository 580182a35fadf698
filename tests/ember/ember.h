// What the tests of Ember share: where it lies, its held-out cases, and when an answer counts as right.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace hearth::test {

std::string ember_file();       // data/ember.gguf: what people run
std::string ember_directory();  // the same weights as they were trained, in bfloat16

struct EmberCase {
    std::string task, prompt, expected, match;
};
// tests/data/ember/NAME, a case in every line.
std::vector<EmberCase> ember_cases(const std::string& name);
std::vector<EmberCase> of_task(std::vector<EmberCase> cases, const std::string& task);

std::unique_ptr<Engine> open_ember(const std::string& path, const EngineOptions& options);
// All cases at once, as far as the engine has sequences; greedily unless `sampling` says otherwise.
std::vector<std::string> ember_answers(Engine& engine, const std::vector<EmberCase>& cases,
                                       const SamplerOptions& sampling);
SamplerOptions greedy();

// As training/evaluate.py decides it: the text behind the thinking, compared as the case says.
bool is_right(const EmberCase& one, const std::string& answer);
double share_right(const std::vector<EmberCase>& cases, const std::vector<std::string>& answers);

// Held-out documents as tokens. Training wanted some of them to be learnt: the answers, not what they answer.
struct EmberDocument {
    std::vector<int32_t> tokens;
    std::vector<bool> is_learnt;
};
std::vector<EmberDocument> ember_documents(const Tokenizer& tokenizer);

}  // namespace hearth::test
