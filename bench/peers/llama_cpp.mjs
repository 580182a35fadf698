// One measured turn of the peer: loads MODEL with the prebuilt llama.cpp of the npm package node-llama-cpp, warms up once,
// measures prefill and decode at each depth, prints one JSON object. compare.mjs starts it anew for every turn, so that
// the peer holds neither memory nor threads while hearth is measured.
//
// Decode goes through evaluate(), which also computes the logits and picks a token; evaluateWithoutGeneratingNewTokens()
// would leave out the output matrix, a good part of a small model.
import {getLlama} from "node-llama-cpp";

const {model: modelPath, threads, prompt, generate, depths} = JSON.parse(process.argv[2]);
const kBatch = 512; // the peer's own default, and the prompt of the usual comparison in one go

const llama = await getLlama({gpu: false, build: "never", skipDownload: true, maxThreads: threads, logLevel: "error"});
const model = await llama.loadModel({modelPath});
const context = await model.createContext({
    contextSize: Math.max(...depths) + Math.max(prompt, generate) + 8,
    batchSize: kBatch,
    threads: {ideal: threads, min: threads}
});
const sequence = context.getSequence();

// Ordinary ids spread over the vocabulary; the same in every turn.
const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
let seed = 1n;
const nextId = () => {
    seed = (seed * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number(seed >> 33n) % vocabulary;
};
const ids = (count) => Array.from({length: count}, nextId);

async function prefill(depth, tokens) {
    await sequence.clearHistory();
    if (depth > 0) await sequence.evaluateWithoutGeneratingNewTokens(ids(depth));
    const input = ids(tokens);
    const begin = performance.now();
    await sequence.evaluateWithoutGeneratingNewTokens(input);
    return tokens / ((performance.now() - begin) / 1000);
}

async function decode(depth, tokens) {
    await sequence.clearHistory();
    if (depth > 0) await sequence.evaluateWithoutGeneratingNewTokens(ids(depth));
    let done = 0;
    const begin = performance.now();
    for await (const _ of sequence.evaluate([nextId()], {temperature: 0, yieldEogToken: true}))
        if (++done === tokens) break;
    return tokens / ((performance.now() - begin) / 1000);
}

await prefill(0, Math.min(prompt, kBatch));
await decode(0, 8);
const results = [];
for (const depth of depths) {
    results.push({test: "prefill", depth, tokens: prompt, tokens_per_second: await prefill(depth, prompt)});
    results.push({test: "decode", depth, tokens: generate, tokens_per_second: await decode(depth, generate)});
}
console.log(JSON.stringify({
    peer: "node-llama-cpp", llama_cpp: llama.llamaCppRelease.release, system: llama.systemInfo,
    architecture: model.fileInfo.metadata.general.architecture, results
}));
process.exit(0); // nothing of value is left to dispose of
