// Many clients at one server, and a long conversation that goes on; hearth and llama.cpp's llama-server with the same file:
//   node bench/peers/serve.mjs MODEL.gguf [--peer LLAMA_SERVER] [--clients 16] [--requests 200] [--cancel 0.1] [--turns 20000]
// Load: every client sends its requests one after the other, streamed, prompts and answers of mixed lengths; some are
// given up in the middle. Every answer must be the one that the same server gives when it has nothing else to do. Beside
// that somebody asks /health all the time. Turn: a prompt of --turns tokens, then the same with its last 20 tokens
// changed; the time to the first token of each, and what was read again.
import {spawn} from "node:child_process";
import {mkdtempSync, rmSync} from "node:fs";
import http from "node:http";
import {setPriority, tmpdir} from "node:os";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";
import {parseArgs} from "node:util";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const usage = "usage: node bench/peers/serve.mjs MODEL.gguf [--peer LLAMA_SERVER] [--clients 16] [--requests 200] [--cancel 0.1] [--most-prompt 600] [--most-answer 64] [--turns 20000] [--only load|turn] [--skip-hearth] [--threads 2] [--seed 1] [--hearth PATH] [--json]";
function fail(line) {
    console.error(line);
    process.exit(2);
}
let values, positionals;
try {
    ({values, positionals} = parseArgs({allowPositionals: true, options: {peer: {type: "string"}, clients: {type: "string", default: "16"}, requests: {type: "string", default: "200"},
        cancel: {type: "string", default: "0.1"}, "most-prompt": {type: "string", default: "600"}, "most-answer": {type: "string", default: "64"}, turns: {type: "string", default: "20000"}, only: {type: "string", default: ""},
        threads: {type: "string", default: "2"}, seed: {type: "string", default: "1"}, hearth: {type: "string", default: join(root, "build/release/src/cli/hearth")},
        json: {type: "boolean", default: false}, "skip-hearth": {type: "boolean", default: false}, prober: {type: "string"}}}));
} catch (error) {
    fail(`${error.message}\n${usage}`);
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const now = () => Number(process.hrtime.bigint()) / 1e6;
const percentile = (numbers, share) => [...numbers].sort((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * share))];

// The one who asks /health runs in a process of its own: this one is busy.
if (values.prober) {
    // Where the system allows it: it is the server that is measured, not how long this process waits for a core.
    try { setPriority(-15); } catch {}
    const agent = new http.Agent({keepAlive: true, maxSockets: 1});
    const times = [];
    let is_over = false;
    process.on("SIGTERM", () => { is_over = true; });
    const once = () => new Promise((done) => {
        const begin = now();
        http.get({host: "127.0.0.1", port: values.prober, path: "/health", agent}, (reply) => {
            reply.resume().on("end", () => done(reply.statusCode === 200 ? now() - begin : NaN));
        }).on("error", () => done(NaN));
    });
    while (!is_over) {
        times.push(await once());
        await sleep(20);
    }
    console.log(JSON.stringify(times));
    process.exit(0);
}
if (positionals.length !== 1) fail(usage);
const [model] = positionals;
const clients = Number(values.clients), requests = Number(values.requests), share_cancelled = Number(values.cancel), turn_tokens = Number(values.turns);
for (const [name, number] of Object.entries({clients, requests, turns: turn_tokens}))
    if (!(Number.isInteger(number) && number >= 1)) fail(`--${name}: not a count\n${usage}`);
if (!(share_cancelled >= 0 && share_cancelled <= 1)) fail(`--cancel: not a share\n${usage}`);

let state = BigInt(values.seed) * 2654435769n + 1n;
function random(below) {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xFFFFFFFFFFFFFFFFn;
    return Number((state >> 33n) % BigInt(below));
}
// Short ordinary words are a token or two in every vocabulary.
const words = "the of and to in is was for that on with as by at from this are be or an it his which not have has were their one all new more than who its about time can other some them if year two first most over state after last work".split(" ");
const text_of = (count) => Array.from({length: count}, () => words[random(words.length)]).join(" ");
const prompt_word_counts = [8, 30, 60, 120, Number(values["most-prompt"]) / 2, Number(values["most-prompt"])].map(Math.floor);
const make_job = () => ({prompt: text_of(prompt_word_counts[random(prompt_word_counts.length)]), max_tokens: 1 + random(Number(values["most-answer"])), given_up_after: random(1000) < share_cancelled * 1000 ? 1 + random(8) : 0});

// One streamed completion. `reply`: what came, when the first token did, and whether the end did.
function complete(port, agent, job, more = {}, tries = 0) {
    return new Promise((done) => {
        const begin = now(), reply = {text: "", first: NaN, chunks: 0, status: 0, ended: false, error: "", usage: null, seconds: 0};
        const finish = () => done(Object.assign(reply, {seconds: (now() - begin) / 1000}));
        const body = JSON.stringify({prompt: job.prompt, max_tokens: job.max_tokens, temperature: 0, stream: true, ignore_eos: true, stream_options: {include_usage: true}, ...more});
        const request = http.request({host: "127.0.0.1", port, path: "/v1/completions", method: "POST", agent, headers: {"content-type": "application/json", "content-length": Buffer.byteLength(body)}}, (answer) => {
            reply.status = answer.statusCode;
            let rest = "";
            answer.setEncoding("utf8");
            answer.on("data", (data) => {
                rest += data;
                for (let end; (end = rest.indexOf("\n\n")) >= 0; rest = rest.slice(end + 2)) {
                    const line = rest.slice(0, end);
                    if (line === "data: [DONE]") reply.ended = true;
                    else if (line.startsWith("data: ")) {
                        const event = JSON.parse(line.slice(6));
                        if (event.error) reply.error = JSON.stringify(event.error);
                        if (event.usage) reply.usage = event.usage;
                        const text = event.choices?.[0]?.text;
                        if (text !== undefined && event.choices.length > 0) {
                            if (reply.chunks++ === 0) reply.first = now() - begin;
                            reply.text += text;
                            if (job.given_up_after && reply.chunks >= job.given_up_after) {
                                reply.given_up = true;
                                request.destroy();
                            }
                        }
                    }
                }
                if (reply.status !== 200) reply.error = rest;
            });
            answer.on("end", finish);
            answer.on("close", finish);
            answer.on("error", finish);
        });
        request.on("error", (error) => {
            // A server may close a connection at the moment when the next request takes it: that one is sent again.
            if (request.reusedSocket && reply.status === 0 && !reply.given_up && tries < 10) return done(complete(port, agent, job, more, tries + 1));
            if (!reply.given_up) reply.error ||= error.message;
            finish();
        });
        request.end(body);
    });
}

async function free_port() {
    const server = http.createServer();
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    const {port} = server.address();
    await new Promise((done) => server.close(done));
    return port;
}

async function start(program, flags, home) {
    const port = await free_port();
    const child = spawn(program, [...flags, "--port", `${port}`], {stdio: ["ignore", "ignore", "pipe"], env: {...process.env, HEARTH_HOME: home}});
    let said = "";
    child.stderr.on("data", (data) => { said = (said + data).slice(-4000); });
    const ended = new Promise((done) => child.on("close", done));
    for (let i = 0; i < 3000; ++i) {
        const status = await new Promise((done) => http.get({host: "127.0.0.1", port, path: "/health"}, (reply) => reply.resume().on("end", () => done(reply.statusCode))).on("error", () => done(0)));
        if (status === 200) return {port, child, stop: async () => { child.kill("SIGTERM"); await ended; }};
        if (child.exitCode !== null) break;
        await sleep(100);
    }
    child.kill("SIGKILL");
    throw new Error(`${program} does not answer: ${said}`);
}

async function load(port) {
    const jobs = Array.from({length: clients}, () => Array.from({length: requests}, make_job));
    const agent = new http.Agent({keepAlive: true, maxSockets: clients});
    for (let i = 0; i < 3; ++i) await complete(port, agent, {prompt: text_of(20), max_tokens: 8});
    const prober = spawn(process.execPath, [fileURLToPath(import.meta.url), "--prober", `${port}`], {stdio: ["ignore", "pipe", "inherit"]});
    let health = "";
    prober.stdout.on("data", (data) => { health += data; });
    const begin = now();
    const replies = await Promise.all(jobs.map(async (mine) => {
        const found = [];
        for (const job of mine) found.push(await complete(port, agent, job));
        return found;
    }));
    const seconds = (now() - begin) / 1000;
    prober.kill("SIGTERM");
    await new Promise((done) => prober.on("close", done));
    const all = jobs.flatMap((mine, client) => mine.map((job, at) => ({job, reply: replies[client][at]})));
    // The same, alone.
    let altered = 0, compared = 0;
    const alone_begin = now();
    for (const {job, reply} of all) {
        if (reply.error) continue;
        const alone = await complete(port, agent, {...job, given_up_after: 0}, {cache_prompt: false});
        ++compared;
        if (!(reply.given_up ? alone.text.startsWith(reply.text) : alone.text === reply.text)) ++altered;
    }
    const whole = all.filter(({reply}) => !reply.given_up && !reply.error);
    const tokens = whole.reduce((sum, {reply}) => sum + (reply.usage?.completion_tokens ?? reply.chunks), 0);
    const prompts = whole.reduce((sum, {reply}) => sum + (reply.usage?.prompt_tokens ?? 0), 0);
    const firsts = all.filter(({reply}) => !Number.isNaN(reply.first)).map(({reply}) => reply.first);
    const times = JSON.parse(health);
    agent.destroy();
    return {requests: all.length, given_up: all.filter(({reply}) => reply.given_up).length,
        errors: all.filter(({job, reply}) => reply.error || (!reply.given_up && (!reply.ended || reply.status !== 200))).length, first_error: all.find(({reply}) => reply.error)?.reply.error,
        lost: whole.filter(({job, reply}) => (reply.usage?.completion_tokens ?? job.max_tokens) !== job.max_tokens).length, altered, compared, seconds, seconds_alone: (now() - alone_begin) / 1000,
        requests_per_second: all.length / seconds, written_per_second: tokens / seconds, read_per_second: prompts / seconds,
        first_token_p50_ms: percentile(firsts, 0.5), first_token_p95_ms: percentile(firsts, 0.95), health_p50_ms: percentile(times, 0.5), health_p99_ms: percentile(times, 0.99), health_asked: times.length};
}

async function turn(port, again) {
    const agent = new http.Agent({keepAlive: true, maxSockets: 1});
    const ask = async (prompt) => {
        const reply = await complete(port, agent, {prompt, max_tokens: 4});
        if (reply.error) throw new Error(reply.error);
        return {first_ms: reply.first, prompt_tokens: reply.usage?.prompt_tokens, cached_tokens: reply.usage?.prompt_tokens_details?.cached_tokens};
    };
    // Ids, so that a vocabulary without a meaning gives as many tokens.
    const begin = Array.from({length: turn_tokens - 20}, (_, i) => 8 + (i * i + (i >> 3)) % 300);
    const end = () => Array.from({length: 20}, () => 8 + random(300));
    const first = again ? null : await ask([...begin, ...end()]);
    const second = await ask([...begin, ...end()]);
    agent.destroy();
    return {first, second};
}

async function measure(name, program, flags_of, home) {
    const results = {};
    const done = (part, found) => {
        results[part] = found;
        if (!values.json) console.log(`${name}, ${part}:`, JSON.stringify(found, (key, value) => typeof value === "number" ? Number(value.toFixed(2)) : value, 1));
    };
    if (values.only !== "turn") {
        const server = await start(program, flags_of(Number(values["most-prompt"]) * 2 + Number(values["most-answer"]) + 64, clients), home);
        try {
            done("load", await load(server.port));
        } finally {
            await server.stop();
        }
    }
    if (values.only !== "load") {
        for (const part of ["turn", "after restart"]) {
            const server = await start(program, flags_of(turn_tokens + 1024, 1), home);
            try {
                done(part, await turn(server.port, part !== "turn"));
            } finally {
                await server.stop();
            }
        }
    }
    if (values.json) console.log(JSON.stringify({name, ...results}));
}

const home = mkdtempSync(join(tmpdir(), "serve-"));
try {
    state = BigInt(values.seed) * 2654435769n + 1n;
    if (!values["skip-hearth"]) await measure("hearth", values.hearth, (context, parallel) => ["serve", "--model", model, "--ctx", `${context}`, "--parallel", `${parallel}`, "--threads", values.threads, "--access-log", "none", "--cache-disk", "2G", "--concurrent", "0", "--requests-per-minute", "0", "--tokens-per-minute", "0"], home);
    if (values.peer) {
        state = BigInt(values.seed) * 2654435769n + 1n;
        await measure("llama-server", values.peer, (context, parallel) => ["-m", model, "-c", `${context * parallel}`, "-np", `${parallel}`, "-t", values.threads, "--no-webui", "--log-disable"], home);
    }
} finally {
    rmSync(home, {recursive: true, force: true});
}
