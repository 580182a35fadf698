// Measures what the project promises about speed, all lines with one command, and writes the table of bench/results:
//   bench/peers/run --models DIR [--peer llama.cpp=LLAMA_BENCH] [--peer ik=LLAMA_BENCH] [--only REGEX] [--runs 5] [--results DIR]
// Model files of random weights in the real shapes are made in DIR when they are missing. A line that was measured before
// is replaced, the others stay; --list says which there are.
import {execFileSync, spawn, spawnSync} from "node:child_process";
import {existsSync, mkdirSync, readFileSync, writeFileSync} from "node:fs";
import {cpus} from "node:os";
import {dirname, join, resolve} from "node:path";
import {fileURLToPath} from "node:url";
import {parseArgs} from "node:util";

const here = dirname(fileURLToPath(import.meta.url)), root = join(here, "../..");

// Wanted: ratios of hearth's speed to a peer's, or to hearth's own under easier conditions; of a start the seconds at most.
const lines = [];
const compared = (name, model, type, wanted, more = {}) => lines.push({kind: "compared", name, model, type, prompt: 512, generate: 64, depth: 0, wanted, ...more});
for (const [model, best, ik, decode] of [["qwen3.5:0.8b", 3.5, 1.4, 1.5], ["qwen3.5:2b", 3.5, 1.4, 1.15], ["qwen3:0.6b", 3.5, 1.4, 1], ["nemotron3-nano:4b", 3.5, 1.4, 1]])
    for (const type of ["q4_k_m", "q8_0", "q4_0", "q6_k"])
        compared("usual types", model, type, {prefill: {"llama.cpp": best, ik}, decode: {"llama.cpp": decode, ik: 1}});
for (const model of ["ministral3:3b", "gemma4:e2b"])
    for (const type of ["q4_k_m", "q8_0", "q4_0", "q6_k"])
        compared("usual types", model, type, {prefill: {"llama.cpp": 2.4, ik: 1.15}, decode: {"llama.cpp": 1, ik: 1}});
for (const type of ["q2_k", "q3_k_m", "iq3_xxs", "iq3_s", "iq2_xxs", "iq2_s", "iq1_s"])
    compared("few bits", "qwen3.5:0.8b", type, {prefill: {"llama.cpp": 3}, decode: {"llama.cpp": 1, ik: 1}});
compared("bf16", "qwen3.5:0.8b", "bf16", {prefill: {"llama.cpp": 1.5}, decode: {"llama.cpp": 1}});
for (const model of ["ministral3:3b", "qwen3:0.6b"])
    compared("depth", model, "q4_k_m", {prefill: {"llama.cpp": 2.5}, decode: {"llama.cpp": 2}}, {depth: 16384, generate: 16});
for (const [model, best] of [["qwen3.5:0.8b", 1.3], ["qwen3.5:2b", 1.3], ["ministral3:3b", 1]])
    compared("hearth without AVX-512", model, "q4_k_m", {prefill: {"llama.cpp": best}, decode: {"llama.cpp": 1}}, {isa: "avx2"});
compared("experts", "qwen3:30b-a3b", "q4_k_m", {prefill: {"llama.cpp": 4}, decode: {"llama.cpp": 1}}, {layers: 6});
compared("depth", "qwen3.5:0.8b", "q4_k_m", {decode: {"llama.cpp": 1.5}}, {depth: 16384, generate: 32});
lines.push({kind: "batch", name: "many users", model: "qwen3.5:0.8b", type: "q4_k_m", generate: 32, wanted: {8: 4.5, 16: 5.5}});
lines.push({kind: "batch", name: "many users", model: "qwen3.5:2b", type: "q4_k_m", generate: 32, wanted: {8: 5, 16: 7}});
lines.push({kind: "crowd", name: "crowded machine", model: "qwen3.5:0.8b", type: "q4_k_m", prompt: 512, generate: 64, wanted: {1: 0.5, 2: 0.35}});
lines.push({kind: "start", name: "start", model: "qwen3.5:2b", type: "q4_k_m", wanted: {"": 1, "--mmap": 0.25}});

function fail(line) {
    console.error(line);
    process.exit(2);
}
const usage = "usage: bench/peers/run --models DIR [--peer NAME=LLAMA_BENCH ...] [--only REGEX] [--runs 5] [--threads 2] [--results DIR] [--hearth PATH] [--list]";
let values;
try {
    ({values} = parseArgs({options: {models: {type: "string"}, peer: {type: "string", multiple: true, default: []}, only: {type: "string", default: ""},
        runs: {type: "string", default: "5"}, threads: {type: "string", default: "2"}, results: {type: "string", default: join(here, "../results")},
        hearth: {type: "string", default: join(root, "build/release/src/cli/hearth")}, list: {type: "boolean", default: false}}}));
} catch (error) {
    fail(`${error.message}\n${usage}`);
}
const title = (line) => `${line.name}: ${line.model} ${line.type}${line.layers ? `, ${line.layers} layers` : ""}${line.isa ? `, HEARTH_CPU=${line.isa}` : ""}${line.depth ? ` at depth ${line.depth}` : ""}`;
const chosen = lines.filter((line) => new RegExp(values.only).test(title(line)));
if (values.list) {
    for (const line of chosen) console.log(title(line));
    process.exit(0);
}
if (!values.models) fail(usage);
if (!(Number(values.runs) >= 1)) fail(`--runs ${values.runs}: not a count\n${usage}`);
for (const peer of values.peer)
    if (!existsSync(peer.split(/=(.*)/s)[1] ?? "")) fail(`--peer ${peer}: not NAME=PATH of a llama-bench\n${usage}`);
if (chosen.length === 0) fail(`--only ${values.only}: no line is called so; --list says which there are`);
mkdirSync(values.models, {recursive: true});
mkdirSync(values.results, {recursive: true});

const hearth = (...args) => execFileSync(values.hearth, args, {encoding: "utf8", maxBuffer: 1 << 26, stdio: ["ignore", "pipe", "inherit"]});
const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
const median_of = (count, measure) => median(Array.from({length: count}, measure));

function file_of({model, type, layers}) {
    const cut = layers ? ["--layers", `${layers}`] : [];
    const path = join(resolve(values.models), `${model.replace(":", "-")}-${type}${layers ? `-${layers}-layers` : ""}.gguf`);
    if (!existsSync(path)) hearth("inspect", "synth", model, "--type", type, ...cut, path);
    return path;
}

function bench(line, batch, test) {
    const found = JSON.parse(hearth("bench", file_of(line), "--threads", values.threads, "--prompt", `${test === "prefill" ? line.prompt : 0}`,
        "--generate", `${test === "decode" ? line.generate : 0}`, "--batch", `${batch}`, "--runs", "1", "--json"));
    return found.results.find((result) => result.test === test).tokens_per_second;
}

// Sixteen tokens for every tokenizer that has bytes.
const sixteen = "a b c d e f g h i j k l m n o p";
// Seconds until the first byte of the answer.
function first_token(line, flags) {
    return new Promise((done, failed) => {
        const begin = process.hrtime.bigint();
        let seconds;
        const child = spawn(values.hearth, ["run", file_of(line), "--raw", "--temp", "0", "-n", "1", "--threads", values.threads, ...flags, sixteen],
            {stdio: ["ignore", "pipe", "inherit"]});
        child.stdout.on("data", () => { seconds ??= Number(process.hrtime.bigint() - begin) / 1e9; });
        child.on("error", failed);
        child.on("close", (code) => code === 0 && seconds ? done(seconds) : failed(new Error(`hearth run ended with ${code}`)));
    });
}

// A llama-bench of ik_llama.cpp cannot begin behind a long prompt.
const knows_depth = (peer) => /--n-depth/.test(spawnSync(peer.split(/=(.*)/s)[1], ["--help"], {encoding: "utf8"}).stdout);

const measures = {
    compared(line) {
        const peers = values.peer.filter((peer) => !line.depth || knows_depth(peer));
        if (values.peer.length > 0 && peers.length === 0) return [];
        const found = JSON.parse(execFileSync(process.execPath, [join(here, "compare.mjs"), file_of(line), "--threads", values.threads, "--prompt", `${line.prompt}`,
            "--generate", `${line.generate}`, "--depth", `${line.depth}`, "--runs", values.runs, "--hearth", values.hearth, "--json",
            ...peers.flatMap((peer) => ["--peer", peer])], {encoding: "utf8", env: {...process.env, ...(line.isa && {HEARTH_CPU: line.isa})}, maxBuffer: 1 << 26, stdio: ["ignore", "pipe", "inherit"]}));
        return found.results.flatMap((result) => Object.entries(result.ratios).map(([peer, ratio]) => (
            {what: `${result.test}, x ${peer}`, hearth: result.hearth.median, other: result[peer].median, ratio, wanted: line.wanted[result.test]?.[peer]})));
    },
    batch(line) {
        const turns = Array.from({length: Number(values.runs)}, () => [1, 8, 16].map((batch) => bench(line, batch, "decode")));
        return [8, 16].map((batch, at) => ({what: `decode of ${batch}, x one`, hearth: median(turns.map((turn) => turn[at + 1])), other: median(turns.map((turn) => turn[0])),
            ratio: median(turns.map((turn) => turn[at + 1] / turn[0])), wanted: line.wanted[batch]}));
    },
    crowd(line) {
        return [1, 2].flatMap((count) => ["prefill", "decode"].map((test) => {
            const quiet = median_of(Number(values.runs), () => bench(line, 1, test));
            const busy = Array.from({length: count}, () => spawn(process.execPath, ["-e", "for (;;);"]));
            let crowded;
            try {
                crowded = median_of(Number(values.runs), () => bench(line, 1, test));
            } finally {
                for (const one of busy) one.kill("SIGKILL");
            }
            return {what: `${test} beside ${count} busy, x quiet`, hearth: crowded, other: quiet, ratio: crowded / quiet, wanted: line.wanted[count]};
        }));
    },
    async start(line) {
        const results = [];
        for (const [flag, wanted] of Object.entries(line.wanted)) {
            const turns = [];
            for (let turn = 0; turn <= Number(values.runs); ++turn) turns.push(await first_token(line, flag ? [flag] : []));
            // The first one brought the file into memory.
            results.push({what: `seconds to the first token after 16${flag ? `, ${flag}` : ""}`, seconds: median(turns.slice(1)), wanted});
        }
        return results;
    }
};

// A start has seconds alone, and less is better.
const is_missed = (r) => r.wanted && (r.seconds ? r.seconds > r.wanted : r.ratio < r.wanted);
const figures = (r) => r.seconds ? [r.seconds.toFixed(2), "", ""] : [r.hearth.toFixed(1), r.other.toFixed(1), r.ratio.toFixed(2)];

// In virtual machines AMD's processors of all generations are called the same; their family tells them apart.
const family = existsSync("/proc/cpuinfo") && readFileSync("/proc/cpuinfo", "utf8").match(/AuthenticAMD[^]*?cpu family\s*: (\d+)/)?.[1];
const machine = cpus()[0].model.replace(/\(R\)|\(TM\)|Processor|CPU|@.*/g, "").trim().replace(/\W+/g, "-").toLowerCase() + (family ? `-family-${family}` : "");
const path = join(values.results, `${machine}-${values.threads}-threads.json`);
const kept = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {machine: cpus()[0].model.trim() + (family ? `, family ${family}` : ""), kernels: "", threads: Number(values.threads), lines: {}};
kept.kernels = hearth("--version").trim();

function table() {
    const rows = Object.entries(kept.lines).flatMap(([name, {commit, results}]) => results.map((r) =>
        `| ${name} | ${r.what} | ${figures(r).join(" | ")} | ${r.wanted ? `${r.seconds ? "at most " : ""}${r.wanted}${is_missed(r) ? " (missed)" : ""}` : ""} | ${commit} |`));
    return `# ${kept.machine}, ${kept.threads} threads\n\n${kept.kernels}\n\nTokens a second, of starts seconds; medians of turns; made by bench/peers/run, which says how. "Wanted" is the aim, also where it is missed.\n\n`
        + `| line | what | hearth | other | ratio | wanted | commit |\n|---|---|--:|--:|--:|---|---|\n${rows.join("\n")}\n`;
}

// Once, before the results themselves change the tree.
const commit = execFileSync("git", ["-C", root, "describe", "--always", "--dirty"], {encoding: "utf8"}).trim();
for (const line of chosen) {
    const results = await measures[line.kind](line);
    if (results.length === 0) {
        console.log(`${title(line)}: none of the peers can be measured there`);
        continue;
    }
    kept.lines[title(line)] = {commit, runs: Number(values.runs), results};
    writeFileSync(path, JSON.stringify(kept, null, 1) + "\n");
    writeFileSync(path.replace(/json$/, "md"), table());
    for (const r of results) {
        const [hearth, other, ratio] = figures(r);
        console.log(`${title(line)}: ${r.what}: ${hearth}${other ? ` / ${other} = ${ratio}` : ""}${r.wanted ? ` (wanted ${r.wanted})` : ""}`);
    }
}
