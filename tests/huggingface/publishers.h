// A recorded GGUF file as the repository it could have come from, family by family.
#pragma once

#include "huggingface/published.h"

namespace hearth::test::publish {

using Change = std::function<Given(const Given&)>;
struct Line {
    const char *gguf, *published;  // {} the layer, {e} the expert
    Change change = {};
};
void move_tensors(const Original& from, Published& to, const std::vector<Line>& lines);
// The same lines, some of them changed or added.
std::vector<Line> with(std::vector<Line> lines, const std::vector<Line>& changed);
Given less_one(const Given& w);
Json object_of(const std::string& text);
// What nearly all config.json files have.
Published started(const Original& from, const char* model_type);

Published llama(const Original& from);
Published smollm3(const Original& from);
Published ministral3(const Original& from);
Published qwen2(const Original& from);
Published qwen3(const Original& from);
Published qwen3moe(const Original& from);
Published phi3(const Original& from);
Published lfm2(const Original& from);
Published gemma3(const Original& from);
Published gemma4(const Original& from);
Published gpt_oss(const Original& from);
Published llama4(const Original& from);
Published nemotron(const Original& from);

}  // namespace hearth::test::publish
