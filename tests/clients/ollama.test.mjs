import assert from "node:assert/strict";
import {test} from "node:test";
import {Ollama} from "ollama";
import {becomes_quiet, is_person, model, person, sum, url, weather} from "./world.mjs";

const client = new Ollama({host: url, headers: process.env.HEARTH_KEY ? {Authorization: `Bearer ${process.env.HEARTH_KEY}`} : {}});
const options = {temperature: 0};
const asked = (content, more = {}) => ({model, options, messages: [{role: "user", content}], ...more});

test("a chat", async () => {
    const answer = await client.chat(asked(sum.question));
    assert.equal(answer.message.role, "assistant");
    assert.equal(answer.message.content, sum.answer);
    assert.equal(answer.done, true);
    assert.equal(answer.done_reason, "stop");
    assert.ok(answer.eval_count > 5 && answer.prompt_eval_count > 5 && answer.total_duration > 0);
});

test("the same, streamed", async () => {
    let text = "", last;
    for await (const part of await client.chat(asked(sum.question, {stream: true}))) text += part.message.content, last = part;
    assert.equal(text, sum.answer);
    assert.equal(last.done, true);
});

test("a text that is continued", async () => {
    const answer = await client.generate({model, prompt: sum.question, options});
    assert.equal(answer.response, sum.answer);
    const raw = await client.generate({model, prompt: "Once upon a time", raw: true, options: {...options, num_predict: 3}});
    assert.ok(raw.response.length > 0);
    assert.equal(raw.done_reason, "length");
});

test("thinking is told apart", async () => {
    const answer = await client.chat(asked(sum.question, {think: true}));
    assert.match(answer.message.thinking, /carry/);
    assert.equal(answer.message.content, sum.answer);
    assert.ok(!(await client.chat(asked(sum.question, {think: false}))).message.thinking);
});

test("a loop with a tool", async () => {
    const tools = [{type: "function", function: {name: weather.name, description: weather.description, parameters: weather.parameters}}];
    const messages = [{role: "user", content: weather.question}];
    const called = await client.chat({model, options, messages, tools});
    assert.deepEqual(called.message.tool_calls.map((call) => call.function), [{name: weather.name, arguments: {city: "Paris"}}]);
    messages.push(called.message, {role: "tool", tool_name: weather.name, content: JSON.stringify(weather.result)});
    assert.match((await client.chat({model, options, messages, tools})).message.content, /11|rain/);
});

test("an answer that satisfies a schema", async () => {
    is_person(JSON.parse((await client.chat(asked(person.question, {format: person.schema}))).message.content));
    assert.equal(typeof JSON.parse((await client.generate({model, prompt: person.question, format: "json", options})).response), "object");
});

test("embeddings", async () => {
    const found = await client.embed({model, input: ["one text", "another"]});
    assert.equal(found.embeddings.length, 2);
    const length = Math.hypot(...found.embeddings[0]);
    assert.ok(Math.abs(length - 1) < 1e-3, `the embedding has length ${length}`);
});

test("what there is", async () => {
    assert.ok((await client.list()).models.some((one) => one.name.split(":")[0] === model));
    const shown = await client.show({model});
    assert.ok(shown.capabilities.includes("completion") && shown.capabilities.includes("tools"));
    assert.ok(shown.details.parameter_size && shown.model_info["general.architecture"]);
    await client.chat(asked(sum.question));
    assert.ok((await client.ps()).models.some((one) => one.name.split(":")[0] === model));
    assert.match((await client.version()).version, /^\d+\.\d+\.\d+/);
});

test("what there is not yet says so", async () => {
    await assert.rejects(client.pull({model: "nosuch"}), /download|pull/);
    await assert.rejects(client.chat(asked("hi", {model: "nosuch"})), /nosuch/);
});

test("an answer nobody waits for any more", async () => {
    const stream = await client.chat(asked("Tell me a story", {stream: true, options: {temperature: 1.5, seed: 1, num_predict: 3000}}));
    await assert.rejects(async () => {
        for await (const _ of stream) stream.abort();
    });
    await becomes_quiet();
});
