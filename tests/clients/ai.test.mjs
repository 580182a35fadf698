import assert from "node:assert/strict";
import {test} from "node:test";
import {createOpenAICompatible} from "@ai-sdk/openai-compatible";
import {generateObject, generateText, embedMany, stepCountIs, streamText, tool} from "ai";
import {z} from "zod";
import {becomes_quiet, model as name, person, sum, url, weather} from "./world.mjs";

const provider = createOpenAICompatible({name: "hearth", baseURL: `${url}/v1`, apiKey: process.env.HEARTH_KEY ?? "none", supportsStructuredOutputs: true, includeUsage: true});
const model = provider(name), temperature = 0, maxRetries = 0;

test("an answer, whole and streamed", async () => {
    const whole = await generateText({model, temperature, maxRetries, prompt: sum.question});
    assert.equal(whole.text, sum.answer);
    assert.equal(whole.finishReason, "stop");
    const stream = streamText({model, temperature, maxRetries, prompt: sum.question});
    let text = "";
    for await (const piece of stream.textStream) text += piece;
    assert.equal(text, sum.answer);
    assert.ok((await stream.usage).outputTokens > 5);
});

test("thoughts arrive as reasoning", async () => {
    const answer = await generateText({model, temperature, maxRetries, prompt: sum.question, providerOptions: {hearth: {reasoningEffort: "low"}}});
    assert.match(answer.reasoningText, /carry/);
    assert.equal(answer.text, sum.answer);
});

test("a loop with a tool", async () => {
    const cities = [];
    const tools = {[weather.name]: tool({description: weather.description, inputSchema: z.object({city: z.string()}),
        execute: async ({city}) => (cities.push(city), weather.result)})};
    const answer = await generateText({model, temperature, maxRetries, prompt: weather.question, tools, stopWhen: stepCountIs(3)});
    assert.match(answer.text, /11|rain/);
    const stream = streamText({model, temperature, maxRetries, prompt: weather.question, tools, stopWhen: stepCountIs(3)});
    let text = "";
    for await (const piece of stream.textStream) text += piece;
    assert.match(text, /11|rain/);
    assert.deepEqual(cities, ["Paris", "Paris"]);
});

test("an object that satisfies a schema", async () => {
    const {object} = await generateObject({model, temperature, maxRetries, prompt: person.question, schema: z.object({name: z.string(), age: z.number().int()})});
    assert.deepEqual(Object.keys(object).sort(), ["age", "name"]);
});

test("embeddings", async () => {
    const {embeddings} = await embedMany({model: provider.textEmbeddingModel(name), values: ["one text", "another"], maxRetries});
    assert.equal(embeddings.length, 2);
});

test("an answer nobody waits for any more", async () => {
    const stop = new AbortController();
    const stream = streamText({model, temperature: 1.5, maxRetries, prompt: "Tell me a story", maxOutputTokens: 3000, abortSignal: stop.signal, onError() {}});
    for await (const _ of stream.textStream) stop.abort();
    await becomes_quiet();
});
