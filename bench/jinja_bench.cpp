// Time to parse a chat template and to render a conversation with it. The template is one of our own, as long and as
// winding as published ones with tools and thinking are; HEARTH_TEMPLATE names another file.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "text/jinja.h"

namespace hearth {
namespace {

constexpr const char* kTemplate = R"({%- macro shown(content) -%}
    {%- if content is string -%}{{ content }}
    {%- elif content is iterable -%}
        {%- for part in content -%}{{ part.text if part.type == 'text' else '<image>' }}{%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
{%- set ns = namespace(last=-1) -%}
{%- for m in messages -%}{%- if m.role == 'user' -%}{%- set ns.last = loop.index0 -%}{%- endif -%}{%- endfor -%}
{%- if tools -%}
<|im_start|>system
You may call these functions:
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|im_end|>
{% endif -%}
{%- for m in messages -%}
    {%- set content = shown(m.content) | trim -%}
    {%- if m.role == 'assistant' -%}
        {%- set thought = '' -%}
        {%- if m.reasoning_content is string -%}{%- set thought = m.reasoning_content -%}
        {%- elif '</think>' in content -%}
            {%- set thought = content.split('</think>')[0].split('<think>')[-1].strip('\n') -%}
            {%- set content = content.split('</think>')[-1].lstrip('\n') -%}
        {%- endif -%}
        {{- '<|im_start|>' + m.role + '\n' -}}
        {%- if loop.index0 > ns.last -%}{{- '<think>\n' + thought + '\n</think>\n\n' -}}{%- endif -%}
        {{- content -}}
        {%- for call in m.tool_calls or [] -%}
            {{- '\n<tool_call>\n<function=' + call.function.name + '>\n' -}}
            {%- for key, value in call.function.arguments | items -%}
                {{- '<parameter=' + key + '>\n' ~ (value | tojson if value is mapping else value | string) ~ '\n</parameter>\n' -}}
            {%- endfor -%}
            {{- '</function>\n</tool_call>' -}}
        {%- endfor -%}
        {{- '<|im_end|>\n' -}}
    {%- else -%}
        {{- '<|im_start|>' + m.role + '\n' + content + '<|im_end|>\n' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n<think>\n' -}}{%- endif -%})";

std::string source() {
    const char* path = std::getenv("HEARTH_TEMPLATE");
    if (!path) return kTemplate;
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

JinjaVariables conversation(int64_t messages) {
    Json::Array list;
    for (int64_t i = 0; i < messages; ++i) {
        const std::string text =
            fmt::format("Message {}: what is the weather in town {} on a day like this?\nTell me.", i, i * 7);
        Json message = Json::Object{{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", text}};
        if (i % 10 == 5)
            message.set("tool_calls",
                        Json::Array{Json::Object{
                            {"function", Json::Object{{"name", "weather"},
                                                      {"arguments", Json::Object{{"city", "Köln"}, {"days", 3}}}}}}});
        list.push_back(std::move(message));
    }
    Json tool = Json::Object{
        {"type", "function"},
        {"function",
         Json::Object{
             {"name", "weather"},
             {"description", "The weather of a city"},
             {"parameters", Json::Object{{"type", "object"},
                                         {"properties", Json::Object{{"city", Json::Object{{"type", "string"}}}}}}}}}};
    JinjaVariables variables;
    variables.trusted = {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"add_generation_prompt", true}};
    variables.input = {{"messages", std::move(list)}, {"tools", Json::Array{tool, tool}}};
    return variables;
}

void parse(benchmark::State& state) {
    const std::string text = source();
    for (auto _ : state) benchmark::DoNotOptimize(JinjaTemplate::parse(text));
}
BENCHMARK(parse)->Name("jinja/parse")->Unit(benchmark::kMillisecond);

void render(benchmark::State& state) {
    const auto made = JinjaTemplate::parse(source());
    const JinjaVariables variables = conversation(state.range(0));
    const std::tm now{.tm_mday = 1, .tm_year = 126};
    if (const auto rendered = made->render(variables, now); !rendered)
        state.SkipWithError(rendered.error().what.c_str());
    for (auto _ : state) benchmark::DoNotOptimize(made->render(variables, now));
}
BENCHMARK(render)->Name("jinja/render")->Arg(2)->Arg(100)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace hearth
BENCHMARK_MAIN();
