import assert from "node:assert/strict";
import {test} from "node:test";
import OpenAI from "openai";
import {zodResponseFormat} from "openai/helpers/zod";
import {z} from "zod";
import {becomes_quiet, endless, is_person, model, person, sum, url, weather} from "./world.mjs";

const client = new OpenAI({baseURL: `${url}/v1`, apiKey: process.env.HEARTH_KEY ?? "none", maxRetries: 0});
const ask = (content, more = {}) => client.chat.completions.create({model, temperature: 0, messages: [{role: "user", content}], ...more});
const tool = {type: "function", function: {name: weather.name, description: weather.description, parameters: weather.parameters}};

test("an answer", async () => {
    const answer = await ask(sum.question);
    assert.equal(answer.object, "chat.completion");
    assert.equal(answer.choices[0].message.content, sum.answer);
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.ok(answer.usage.prompt_tokens > 5 && answer.usage.completion_tokens > 5);
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

test("the same, streamed", async () => {
    let text = "", finish, usage;
    for await (const chunk of await ask(sum.question, {stream: true, stream_options: {include_usage: true}})) {
        assert.equal(chunk.object, "chat.completion.chunk");
        text += chunk.choices[0]?.delta.content ?? "";
        finish = chunk.choices[0]?.finish_reason ?? finish;
        usage = chunk.usage ?? usage;
    }
    assert.equal(text, sum.answer);
    assert.equal(finish, "stop");
    assert.ok(usage.completion_tokens > 5);
});

test("several answers, a limit, log probabilities", async () => {
    const answer = await ask(sum.question, {n: 2, max_tokens: 3, logprobs: true, top_logprobs: 2});
    assert.equal(answer.choices.length, 2);
    for (const choice of answer.choices) {
        assert.equal(choice.finish_reason, "length");
        assert.equal(choice.logprobs.content.length, 3);
        assert.equal(choice.logprobs.content[0].top_logprobs.length, 2);
        assert.ok(sum.answer.startsWith(choice.message.content));
    }
});

test("thinking is told apart", async () => {
    const answer = await ask(sum.question, {reasoning_effort: "low"});
    assert.equal(answer.choices[0].message.content, sum.answer);
    assert.match(answer.choices[0].message.reasoning_content, /carry/);
    assert.ok(answer.usage.completion_tokens_details.reasoning_tokens > 0);
});

test("a loop with a tool", async () => {
    const messages = [{role: "user", content: weather.question}];
    const called = await client.chat.completions.create({model, temperature: 0, messages, tools: [tool], tool_choice: "required"});
    assert.equal(called.choices[0].finish_reason, "tool_calls");
    const [call] = called.choices[0].message.tool_calls;
    assert.equal(call.function.name, weather.name);
    assert.deepEqual(JSON.parse(call.function.arguments), {city: "Paris"});
    messages.push(called.choices[0].message, {role: "tool", tool_call_id: call.id, content: JSON.stringify(weather.result)});
    const answer = await client.chat.completions.create({model, temperature: 0, messages, tools: [tool]});
    assert.match(answer.choices[0].message.content, /11|rain/);
});

test("the client's own tool runner, streamed", async () => {
    const cities = [];
    const runner = client.chat.completions.runTools({model, temperature: 0, stream: true, messages: [{role: "user", content: weather.question}],
        tools: [{type: "function", function: {...tool.function, parse: JSON.parse, function: ({city}) => (cities.push(city), JSON.stringify(weather.result))}}]});
    assert.match(await runner.finalContent(), /11|rain/);
    assert.deepEqual(cities, ["Paris"]);
});

test("an answer that satisfies a schema", async () => {
    const format = zodResponseFormat(z.object({name: z.string(), age: z.number().int()}), "person");
    const answer = await client.chat.completions.parse({model, temperature: 0, messages: [{role: "user", content: person.question}], response_format: format});
    is_person(answer.choices[0].message.parsed);
    const any = await ask(person.question, {response_format: {type: "json_object"}});
    assert.equal(typeof JSON.parse(any.choices[0].message.content), "object");
});

test("completions of plain text", async () => {
    const answer = await client.completions.create({model, prompt: "Once upon a time", max_tokens: 4, temperature: 0, logprobs: 1});
    assert.equal(answer.object, "text_completion");
    assert.ok(answer.choices[0].text.length > 0);
    assert.equal(answer.choices[0].logprobs.tokens.length, 4);
});

test("embeddings, as numbers and in base64", async () => {
    const floats = await client.embeddings.create({model, input: ["one text", "another"], encoding_format: "float"});
    assert.equal(floats.data.length, 2);
    const packed = await client.embeddings.create({model, input: ["one text", "another"], encoding_format: "base64"});
    const numbers = typeof packed.data[1].embedding === "string"
        ? [...new Float32Array(Uint8Array.from(Buffer.from(packed.data[1].embedding, "base64")).buffer)] : packed.data[1].embedding;
    assert.deepEqual(numbers.map(Math.fround), floats.data[1].embedding.map(Math.fround));
    assert.notDeepEqual(floats.data[0].embedding, floats.data[1].embedding);
});

test("responses that follow each other", async () => {
    const first = await client.responses.create({model, temperature: 0, input: sum.question});
    assert.equal(first.status, "completed");
    assert.equal(first.output_text, sum.answer);
    const second = await client.responses.create({model, temperature: 0, input: "What is 2 + 3?", previous_response_id: first.id});
    assert.equal(second.output_text, "2 + 3 = 5");
    assert.ok(second.usage.input_tokens > first.usage.input_tokens + first.usage.output_tokens);
    assert.equal((await client.responses.retrieve(first.id)).output_text ?? sum.answer, sum.answer);
    await client.responses.delete(first.id);
    await assert.rejects(client.responses.retrieve(first.id), {status: 404});
    let text = "", done;
    for await (const event of await client.responses.create({model, temperature: 0, input: sum.question, stream: true})) {
        if (event.type === "response.output_text.delta") text += event.delta;
        if (event.type === "response.completed") done = event.response;
    }
    assert.equal(text, sum.answer);
    assert.equal(done.status, "completed");
});

test("models", async () => {
    const ids = [];
    for await (const one of client.models.list()) ids.push(one.id);
    assert.ok(ids.includes(model));
    assert.equal((await client.models.retrieve(model)).id, model);
    await assert.rejects(client.models.retrieve("nosuch"), {status: 404});
});

test("mistakes are told in the client's own words", async () => {
    await assert.rejects(ask("hi", {model: "nosuch"}), (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found");
    await assert.rejects(ask("hi", {temperature: -1}), (error) => error instanceof OpenAI.BadRequestError && error.param === "temperature");
});

test("an answer nobody waits for any more", async () => {
    const stream = await ask("Tell me a story", {stream: true, ...endless});
    let chunks = 0;
    for await (const _ of stream) if (++chunks === 20) break; // the client closes the connection
    assert.equal(chunks, 20);
    await becomes_quiet();
    assert.equal((await ask(sum.question)).choices[0].message.content, sum.answer);
});
