// Measures what the project promises about speed, all lines with one command, and writes the table of bench/results:
//   bench/peers/run --models DIR [--peer llama.cpp=LLAMA_BENCH] [--peer ik=LLAMA_BENCH] [--batched LLAMA_BATCHED_BENCH]
//                   [--only REGEX] [--runs 5] [--results DIR] [--prepare]
// Model files of random weights in the real shapes are made in DIR when they are missing; --prepare does nothing else. Of a
// line that was measured before, the figures are kept beside the new ones; other lines stay. --list says which there are.
import {execFileSync, spawn, spawnSync} from "node:child_process";
import {existsSync, mkdirSync, readFileSync, writeFileSync} from "node:fs";
import {cpus} from "node:os";
import {dirname, join, resolve} from "node:path";
import {fileURLToPath} from "node:url";
import {parseArgs} from "node:util";

const here = dirname(fileURLToPath(import.meta.url)), root = join(here, "../..");

// Wanted: ratios of hearth's speed to a peer's, or to hearth's own under easier conditions, or to what the machine can do;
// of what should be little, the most.
const lines = [];
const compared = (name, model, type, wanted, more = {}) => lines.push({kind: "compared", name, model, type, prompt: 512, generate: 64, depth: 0, wanted, ...more});
// Of the multipliers while a prompt is read, of the memory bus while an answer is written.
const sixteenWide = ["q6_k", "q2_k", "q3_k_m"];
const shares = (isSmall, type) => ({prefill: sixteenWide.includes(type) ? 0.45 : 0.5, decode: isSmall ? 0.85 : /k/.test(type) ? 0.88 : 0.92});
const usual = ["q4_k_m", "q8_0", "q4_0", "q6_k"];
for (const [model, best, ik, decode] of [["qwen3.5:0.8b", 3.5, 1.4, 1.5], ["qwen3.5:2b", 3.5, 1.4, 1.15], ["qwen3:0.6b", 3.5, 1.4, 1], ["nemotron3-nano:4b", 3.5, 1.4, 1],
    ["ministral3:3b", 2.4, 1.15, 1], ["gemma4:e2b", 2.4, 1.15, 1]])
    for (const type of usual)
        compared("usual types", model, type, {prefill: {"llama.cpp": best, ik}, decode: {"llama.cpp": decode, ik: 1}, share: shares(/0\.[68]b/.test(model), type)});
for (const type of ["q2_k", "q3_k_m", "iq3_xxs", "iq3_s", "iq2_xxs", "iq2_s", "iq1_s"])
    compared("few bits", "qwen3.5:0.8b", type, {prefill: {"llama.cpp": 3}, decode: {"llama.cpp": 1, ik: 1}});
compared("bf16", "qwen3.5:0.8b", "bf16", {prefill: {"llama.cpp": 1.5}, decode: {"llama.cpp": 1}});
for (const [model, best] of [["qwen3.5:0.8b", 1.3], ["qwen3.5:2b", 1.3], ["ministral3:3b", 1]])
    compared("hearth without AVX-512", model, "q4_k_m", {prefill: {"llama.cpp": best}, decode: {"llama.cpp": 1}}, {isa: "avx2"});
compared("hearth without AVX-512", "qwen3.5:0.8b", "q4_k_m", {}, {isa: "avxvnni"});
compared("experts", "qwen3:30b-a3b", "q4_k_m", {prefill: {"llama.cpp": 4}, decode: {"llama.cpp": 1}}, {layers: 6});
for (const [model, prefill, decode] of [["qwen3:0.6b", 2.5, 2], ["qwen3.5:0.8b", undefined, 1.5], ["ministral3:3b", 2.5, 2]])
    compared("depth", model, "q4_k_m", {prefill: {"llama.cpp": prefill}, decode: {"llama.cpp": decode}}, {depth: 16384, generate: 16});
lines.push({kind: "kv", name: "types of cached keys and values", model: "qwen3:0.6b", type: "q4_k_m", depth: 4096, generate: 32, wanted: {q8_0: 1}});
lines.push({kind: "batch", name: "many users", model: "qwen3.5:0.8b", type: "q4_k_m", generate: 32, wanted: {8: 4.5, 16: 5.5, "llama.cpp": 4.5}});
lines.push({kind: "batch", name: "many users", model: "qwen3.5:2b", type: "q4_k_m", generate: 32, wanted: {8: 5, 16: 7}});
lines.push({kind: "stall", name: "an answer beside a long prompt", model: "qwen3.5:0.8b", type: "q4_k_m", wanted: 0.05});
lines.push({kind: "crowd", name: "crowded machine", model: "qwen3.5:0.8b", type: "q4_k_m", prompt: 512, generate: 64, wanted: {1: 0.5, 2: 0.35}});
lines.push({kind: "start", name: "start", model: "qwen3.5:2b", type: "q4_k_m", wanted: {"": 1, "--mmap": 0.25}});
lines.push({kind: "profile", name: "where the time goes", model: "qwen3.5:0.8b", type: "q4_k_m", prompt: 512, generate: 64, wanted: {choosing: 0.03, between: 0.05, delta: 0.15, memory: 1.02}});

function fail(line) {
    console.error(line);
    process.exit(2);
}
const usage = "usage: bench/peers/run --models DIR [--peer NAME=LLAMA_BENCH ...] [--batched LLAMA_BATCHED_BENCH] [--only REGEX] [--runs 5] [--threads 2] [--results DIR] [--hearth PATH] [--stall PATH] [--list] [--prepare]";
let values;
try {
    ({values} = parseArgs({options: {models: {type: "string"}, peer: {type: "string", multiple: true, default: []}, only: {type: "string", default: ""},
        batched: {type: "string"}, runs: {type: "string", default: "5"}, threads: {type: "string", default: "2"}, results: {type: "string", default: join(here, "../results")},
        hearth: {type: "string", default: join(root, "build/release/src/cli/hearth")}, stall: {type: "string", default: join(root, "build/release/bench/stall_bench")}, list: {type: "boolean", default: false}, prepare: {type: "boolean", default: false}}}));
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
if (values.batched && !existsSync(values.batched)) fail(`--batched ${values.batched}: no such program`);
if (chosen.length === 0) fail(`--only ${values.only}: no line is called so; --list says which there are`);
mkdirSync(values.models, {recursive: true});
mkdirSync(values.results, {recursive: true});

const hearth = (...args) => execFileSync(values.hearth, args, {encoding: "utf8", maxBuffer: 1 << 26, stdio: ["ignore", "pipe", "inherit"]});
const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
const turns_of = (measure) => Array.from({length: Number(values.runs)}, measure);

function file_of({model, type, layers}) {
    const cut = layers ? ["--layers", `${layers}`] : [];
    const path = join(resolve(values.models), `${model.replace(":", "-")}-${type}${layers ? `-${layers}-layers` : ""}.gguf`);
    if (!existsSync(path)) hearth("inspect", "synth", model, "--type", type, ...cut, path);
    return path;
}

if (values.prepare) {
    for (const line of chosen) console.log(file_of(line));
    process.exit(0);
}

const bench = (line, ...more) => JSON.parse(hearth("bench", file_of(line), "--threads", values.threads, "--runs", "1", "--json", ...more));
// Tokens a second of one of the tests.
const speed = (line, test, ...more) => bench(line, "--prompt", `${test === "prefill" ? line.prompt : 0}`, "--generate", `${test === "decode" ? line.generate : 0}`, ...more)
    .results.find((result) => result.test === test).tokens_per_second;

// Of llama.cpp's, so many sequences that write at the same time.
function batched_peer(line, batch) {
    const out = execFileSync(values.batched, ["-m", file_of(line), "-t", values.threads, "-ngl", "0", "-c", `${batch * 64}`, "-npp", "16", "-ntg", `${line.generate}`, "-npl", `${batch}`,
        "--output-format", "jsonl"], {encoding: "utf8", maxBuffer: 1 << 26, stdio: ["ignore", "pipe", "ignore"]});
    return JSON.parse(out.split("\n").find((one) => one.includes('"speed_tg"'))).speed_tg;
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
        // It takes minutes to get to a depth: there all measurements of a program are made in one go.
        const turns = line.depth ? ["--runs", "1", "--per-turn", values.runs] : ["--runs", values.runs];
        const found = JSON.parse(execFileSync(process.execPath, [join(here, "compare.mjs"), file_of(line), "--threads", values.threads, "--prompt", `${line.prompt}`,
            "--generate", `${line.generate}`, "--depth", `${line.depth}`, ...turns, "--hearth", values.hearth, "--json",
            ...peers.flatMap((peer) => ["--peer", peer])], {encoding: "utf8", env: {...process.env, ...(line.isa && {HEARTH_CPU: line.isa})}, maxBuffer: 1 << 26, stdio: ["ignore", "pipe", "inherit"]}));
        return found.results.flatMap((result) => [
            ...Object.entries(result.ratios).map(([peer, ratio]) => (
                {what: `${result.test}, x ${peer}`, hearth: result.hearth.median, other: result[peer].median, ratio, wanted: line.wanted[result.test]?.[peer]})),
            {what: `${result.test}, of what the ${result.test === "prefill" ? "multipliers" : "memory bus"} can do`, hearth: result.hearth.median, ratio: result.hearth.share,
                wanted: line.wanted.share?.[result.test]}]);
    },
    kv(line) {
        const types = ["f16", "q8_0", "q4_0"];
        const turns = turns_of(() => types.map((type) => speed(line, "decode", "--depth", `${line.depth}`, "--kv", type)));
        const of = (at) => median(turns.map((turn) => turn[at]));
        return [1, 2].map((at) => ({what: `decode at depth ${line.depth} with ${types[at]}, x f16`, hearth: of(at), other: of(0),
            ratio: median(turns.map((turn) => turn[at] / turn[0])), wanted: line.wanted[types[at]]}));
    },
    batch(line) {
        const turns = turns_of(() => [...[1, 8, 16].map((batch) => speed(line, "decode", "--batch", `${batch}`)), ...(values.batched ? [batched_peer(line, 8)] : [])]);
        const ratio = (at, to) => ({hearth: median(turns.map((turn) => turn[at])), other: median(turns.map((turn) => turn[to])), ratio: median(turns.map((turn) => turn[at] / turn[to]))});
        return [{what: "decode of 8, x one", ...ratio(1, 0), wanted: line.wanted[8]}, {what: "decode of 16, x one", ...ratio(2, 0), wanted: line.wanted[16]},
            ...(values.batched ? [{what: "decode of 8, x llama.cpp's 8", ...ratio(1, 3), wanted: line.wanted["llama.cpp"]}] : [])];
    },
    stall(line) {
        const turns = turns_of(() => {
            const out = execFileSync(values.stall, [file_of(line), "2048"], {encoding: "utf8"});
            return [...out.matchAll(/gap median +([\d.]+)/g)].map((found) => Number(found[1]) / 1e3);
        });
        return [{what: "seconds between tokens while 2048 tokens of another are read, beyond those when alone", seconds: median(turns.map(([alone, beside]) => beside - alone)), wanted: line.wanted}];
    },
    crowd(line) {
        return [1, 2].flatMap((count) => ["prefill", "decode"].map((test) => {
            const quiet = median(turns_of(() => speed(line, test)));
            const busy = Array.from({length: count}, () => spawn(process.execPath, ["-e", "for (;;);"]));
            let crowded;
            try {
                crowded = median(turns_of(() => speed(line, test)));
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
    },
    profile(line) {
        const turns = turns_of(() => {
            const {model, results: [prefill, decode]} = bench(line, "--prompt", `${line.prompt}`, "--generate", `${line.generate}`, "--profile", "--sample");
            const share = (test, isMeant) => {
                const seconds = (ops) => ops.reduce((sum, op) => sum + op.seconds, 0);
                return seconds(test.profile.filter(isMeant)) / seconds(test.profile);
            };
            return {choosing: share(decode, (op) => op.op === "choose tokens"), between: share(decode, (op) => op.kind === "between"),
                delta: share(prefill, (op) => op.op === "gated_delta_rule"), memory: model.anonymous_bytes / model.memory_bytes};
        });
        const names = {choosing: "choosing tokens, of the time of decode", between: "neither matrix, cache nor state, of the time of decode", delta: "gated delta rule, of the time of prefill",
            memory: "memory that is taken, x planned"};
        return Object.entries(names).map(([key, what]) => ({what, ratio: median(turns.map((turn) => turn[key])), wanted: line.wanted[key], is_most: true}));
    }
};

// Of a start and of shares of time, less is better.
const value_of = (r) => r.seconds ?? r.ratio;
const wants_little = (r) => r.seconds !== undefined || r.is_most;
const is_missed = (r) => r.wanted && (wants_little(r) ? value_of(r) > r.wanted : value_of(r) < r.wanted);
const figures = (r) => r.seconds !== undefined ? [r.seconds.toFixed(3), "", ""] : [r.hearth?.toFixed(1) ?? "", r.other?.toFixed(1) ?? "", r.ratio.toFixed(r.is_most ? 3 : 2)];

// In virtual machines processors of several generations are called the same; their numbers tell them apart.
const info = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
const number = (name) => info.match(new RegExp(`^${name}\\s*: (\\d+)`, "m"))?.[1];
const family = info.includes("AuthenticAMD") ? `family ${number("cpu family")}` : info.includes("GenuineIntel") ? `family ${number("cpu family")} model ${number("model")}` : "";
const machine = `${cpus()[0].model.replace(/\(R\)|\(TM\)|Processor|CPU|@.*/g, "").trim()} ${family}`.trim().replace(/\W+/g, "-").toLowerCase();
const path = join(values.results, `${machine}-${values.threads}-threads.json`);
const kept = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {machine: cpus()[0].model.trim() + (family ? `, ${family}` : ""), kernels: "", threads: Number(values.threads), lines: {}};
kept.kernels = hearth("--version").trim();

function table() {
    const before = (r, earlier) => {
        const same = earlier?.results.find((one) => one.what === r.what);
        return same ? figures(same).findLast((figure) => figure !== "") : "";
    };
    const rows = Object.entries(kept.lines).flatMap(([name, {commit, results, earlier}]) => results.map((r) =>
        `| ${name} | ${r.what} | ${figures(r).join(" | ")} | ${before(r, earlier)} | ${r.wanted ? `${wants_little(r) ? "at most " : ""}${r.wanted}${is_missed(r) ? " (missed)" : ""}` : ""} | ${commit} |`));
    return `# ${kept.machine}, ${kept.threads} threads\n\n${kept.kernels}\n\nTokens a second, of starts seconds; medians of turns; made by bench/peers/run, which says how. "Before" is the last figure of the run before. `
        + `"Wanted" is the aim, also where it is missed.\n\n| line | what | hearth | other | ratio | before | wanted | commit |\n|---|---|--:|--:|--:|--:|---|---|\n${rows.join("\n")}\n`;
}

// Once, before the results themselves change the tree.
const commit = execFileSync("git", ["-C", root, "describe", "--always", "--dirty"], {encoding: "utf8"}).trim();
for (const line of chosen) {
    const results = await measures[line.kind](line);
    if (results.length === 0) {
        console.log(`${title(line)}: none of the peers can be measured there`);
        continue;
    }
    const {earlier: _, ...last} = kept.lines[title(line)] ?? {};
    kept.lines[title(line)] = {commit, runs: Number(values.runs), results, ...(last.results && {earlier: last})};
    writeFileSync(path, JSON.stringify(kept, null, 1) + "\n");
    writeFileSync(path.replace(/json$/, "md"), table());
    for (const r of results)
        console.log(`${title(line)}: ${r.what}: ${figures(r).filter(Boolean).join(" / ")}${r.wanted ? ` (wanted ${r.wanted})` : ""}`);
}
