// What the suites share: where the server is, and what its model, Ember, is known to answer at temperature 0.
import assert from "node:assert/strict";

export const url = process.env.HEARTH_URL ?? assert.fail("HEARTH_URL says where the server is");
export const model = "ember";
export const sum = {question: "What is 17 + 25?", answer: "17 + 25 = 42"};
export const weather = {
    question: "What is the weather in Paris?",
    name: "get_weather",
    description: "Weather of a city",
    parameters: {type: "object", properties: {city: {type: "string"}}, required: ["city"]},
    result: {weather: "rain", temperature: 11}
};
export const person = {
    question: "Extract the name and the age: Anna is 31 years old.",
    schema: {type: "object", properties: {name: {type: "string", maxLength: 40}, age: {type: "integer", minimum: 0, maximum: 150}}, required: ["name", "age"], additionalProperties: false}
};
export function is_person(value) {
    assert.deepEqual(Object.keys(value).sort(), ["age", "name"]);
    assert.equal(typeof value.name, "string");
    assert.ok(Number.isInteger(value.age) && value.age >= 0 && value.age <= 150);
}
// An answer that does not end by itself: the tokens that end Ember's may not come.
export const endless = {temperature: 2, top_p: 1, top_k: 0, seed: 1, logit_bias: {4083: -100, 4085: -100}};
// Requests that are still being answered, as the server counts them.
export async function running() {
    const text = await (await fetch(`${url}/metrics`)).text();
    return Number(text.match(/^vllm:num_requests_running(?:\{[^}]*\})? (\S+)$/m)?.[1] ?? assert.fail("no metric says how many requests run"));
}
export async function becomes_quiet(milliseconds = 2000) {
    for (const end = Date.now() + milliseconds; await running() > 0;) {
        assert.ok(Date.now() < end, "a cancelled request still runs");
        await new Promise((done) => setTimeout(done, 20));
    }
}
