import assert from "node:assert/strict";
import {test} from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import {becomes_quiet, model, sum, url, weather} from "./world.mjs";

const client = new Anthropic({baseURL: url, apiKey: process.env.HEARTH_KEY ?? "none", maxRetries: 0});
const asked = (content, more = {}) => ({model, max_tokens: 500, temperature: 0, messages: [{role: "user", content}], ...more});
const tool = {name: weather.name, description: weather.description, input_schema: weather.parameters};

test("an answer", async () => {
    const answer = await client.messages.create(asked(sum.question));
    assert.equal(answer.type, "message");
    assert.equal(answer.role, "assistant");
    assert.deepEqual(answer.content.map((block) => block.type), ["text"]);
    assert.equal(answer.content[0].text, sum.answer);
    assert.equal(answer.stop_reason, "end_turn");
    assert.ok(answer.usage.input_tokens > 5 && answer.usage.output_tokens > 5);
});

test("the same, streamed", async () => {
    let text = "";
    const stream = client.messages.stream(asked(sum.question)).on("text", (piece) => { text += piece; });
    const whole = await stream.finalMessage();
    assert.equal(text, sum.answer);
    assert.equal(whole.content[0].text, sum.answer);
    assert.equal(whole.stop_reason, "end_turn");
    assert.ok(whole.usage.output_tokens > 5);
});

test("thinking is a block of its own", async () => {
    for (const more of [{}, {stream: true}]) {
        const wanted = asked(sum.question, {max_tokens: 3000, temperature: 1, top_k: 1, thinking: {type: "enabled", budget_tokens: 1024}});
        const answer = more.stream ? await client.messages.stream(wanted).finalMessage() : await client.messages.create(wanted);
        assert.deepEqual(answer.content.map((block) => block.type), ["thinking", "text"]);
        assert.match(answer.content[0].thinking, /carry/);
        assert.equal(answer.content[1].text, sum.answer);
    }
});

test("a loop with a tool", async () => {
    const messages = [{role: "user", content: weather.question}];
    for (const stream of [false, true]) {
        const wanted = {model, max_tokens: 500, temperature: 0, messages, tools: [tool], tool_choice: {type: "any"}};
        const called = stream ? await client.messages.stream(wanted).finalMessage() : await client.messages.create(wanted);
        assert.equal(called.stop_reason, "tool_use");
        const call = called.content.find((block) => block.type === "tool_use");
        assert.equal(call.name, weather.name);
        assert.deepEqual(call.input, {city: "Paris"});
        const answer = await client.messages.create({model, max_tokens: 500, temperature: 0, tools: [tool], messages: [...messages, {role: "assistant", content: called.content},
            {role: "user", content: [{type: "tool_result", tool_use_id: call.id, content: JSON.stringify(weather.result)}]}]});
        assert.match(answer.content[0].text, /11|rain/);
    }
});

test("a system text, stops, and the count of tokens", async () => {
    const wanted = asked(sum.question, {system: "Be brief.", stop_sequences: ["="]});
    const {input_tokens} = await client.messages.countTokens({model, system: wanted.system, messages: wanted.messages});
    const answer = await client.messages.create(wanted);
    assert.equal(answer.usage.input_tokens + (answer.usage.cache_read_input_tokens ?? 0) + (answer.usage.cache_creation_input_tokens ?? 0), input_tokens);
    assert.equal(answer.stop_reason, "stop_sequence");
    assert.equal(answer.stop_sequence, "=");
});

test("models", async () => {
    const ids = [];
    for await (const one of client.models.list()) ids.push(one.id);
    assert.ok(ids.includes(model));
});

test("mistakes are told in the client's own words", async () => {
    await assert.rejects(client.messages.create(asked("hi", {model: "nosuch"})), (error) => error instanceof Anthropic.NotFoundError && error.error?.error?.type === "not_found_error");
    await assert.rejects(client.messages.create(asked("hi", {max_tokens: -1})), (error) => error instanceof Anthropic.BadRequestError && error.error?.error?.type === "invalid_request_error");
});

test("an answer nobody waits for any more", async () => {
    const stream = client.messages.stream(asked("Tell me a story", {max_tokens: 3000, temperature: 1}));
    await new Promise((done) => stream.once("text", done));
    stream.abort();
    await assert.rejects(stream.finalMessage());
    await becomes_quiet();
});
