// Greedy answers of llama.cpp to the prompts of a file, a JSON object with "prompt" and "expected" in every line:
//   node answers.mjs MODEL.gguf PROMPTS.jsonl            says which answers differ from "expected"; exit code 1 if any does
//   node answers.mjs MODEL.gguf PROMPTS.jsonl --record   writes them there
// The same weights must say the same thing in both programs (tests/ember/answers_test.cpp reads the file too).
import fs from "node:fs";
import {getLlama} from "node-llama-cpp";

const [modelPath, promptsPath, record] = process.argv.slice(2);
if (!promptsPath) {
    console.error("usage: node answers.mjs MODEL.gguf PROMPTS.jsonl [--record]");
    process.exit(2);
}
const kMost = 200; // tokens of an answer, as in the tests

const llama = await getLlama({gpu: false, build: "never", skipDownload: true, maxThreads: 2, logLevel: "error"});
const model = await llama.loadModel({modelPath});
const context = await model.createContext({contextSize: 4096, threads: 2});
const sequence = context.getSequence();

const cases = fs.readFileSync(promptsPath, "utf8").trim().split("\n").map((line) => JSON.parse(line));
let different = 0;
for (const one of cases) {
    await sequence.clearHistory();
    const answer = [];
    for await (const token of sequence.evaluate(model.tokenize(one.prompt, true), {temperature: 0, yieldEogToken: false})) {
        answer.push(token);
        if (answer.length === kMost) break;
    }
    const text = model.detokenize(answer, false);
    if (!record && text !== one.expected) {
        ++different;
        console.log(`${JSON.stringify(one.prompt.slice(-80))}\n  peer   ${JSON.stringify(text)}\n  hearth ${JSON.stringify(one.expected)}`);
    }
    if (record) one.expected = text;
}
if (record) fs.writeFileSync(promptsPath, cases.map((one) => JSON.stringify(one) + "\n").join(""));
console.log(`${cases.length} prompts, ${record ? "recorded" : `${different} answers differ`}`);
process.exit(different > 0 ? 1 : 0);
