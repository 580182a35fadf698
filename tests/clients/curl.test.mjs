import assert from "node:assert/strict";
import {execFileSync, spawn} from "node:child_process";
import {test} from "node:test";
import {becomes_quiet, endless, model, running, sum, url} from "./world.mjs";

const key = process.env.HEARTH_KEY ? ["-H", `Authorization: Bearer ${process.env.HEARTH_KEY}`] : [];
const curl = (...args) => execFileSync("curl", ["-sS", "--max-time", "30", ...key, ...args], {encoding: "utf8"});
const body = (more = {}) => JSON.stringify({model, temperature: 0, messages: [{role: "user", content: sum.question}], ...more});
const json = ["-H", "Content-Type: application/json"];
const chat = `${url}/v1/chat/completions`;

test("an answer", () => {
    assert.equal(JSON.parse(curl(...json, "-d", body(), chat)).choices[0].message.content, sum.answer);
});

test("a body in chunks", () => {
    const answer = execFileSync("curl", ["-sS", ...key, ...json, "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue", "-d", "@-", chat], {encoding: "utf8", input: body()});
    assert.equal(JSON.parse(answer).choices[0].message.content, sum.answer);
});

test("a stream of events", () => {
    const lines = curl("-N", ...json, "-d", body({stream: true}), chat).split("\n").filter((line) => line.startsWith("data: "));
    assert.equal(lines.at(-1), "data: [DONE]");
    const text = lines.slice(0, -1).map((line) => JSON.parse(line.slice(6)).choices[0]?.delta.content ?? "").join("");
    assert.equal(text, sum.answer);
});

test("several requests over one connection", () => {
    const answers = curl("-w", "%{num_connects}\n", "-o", "/dev/null", `${url}/health`, "-o", "/dev/null", `${url}/v1/models`);
    assert.deepEqual(answers.trim().split("\n"), ["1", "0"]);
});

test("mistakes have their status", () => {
    const status = (...args) => curl("-o", "/dev/null", "-w", "%{http_code}", ...args);
    assert.equal(status(...json, "-d", "{", chat), "400");
    assert.equal(status(`${url}/nosuch`), "404");
    assert.equal(status("-X", "DELETE", chat), "405");
    assert.equal(status("-H", "Host: evil.example", `${url}/v1/models`), "403");
});

test("an answer nobody waits for any more", async () => {
    const child = spawn("curl", ["-sSN", ...key, ...json, "-d", body({stream: true, ...endless}), chat]);
    await new Promise((done) => child.stdout.once("data", done));
    for (const end = Date.now() + 2000; await running() === 0;) assert.ok(Date.now() < end, "the request does not run");
    child.kill("SIGKILL");
    await becomes_quiet();
});
