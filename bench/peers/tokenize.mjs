// The peer's token ids of many texts: reads {modelPath, texts} as JSON from standard input, prints {release, ids}. The model
// may be a file with nothing but a vocabulary. Special tokens written in a text stay text.
import {readFileSync} from "node:fs";
import {getLlama} from "node-llama-cpp";

const {modelPath, texts} = JSON.parse(readFileSync(0, "utf8"));
const llama = await getLlama({gpu: false, build: "never", skipDownload: true, logLevel: "error"});
const model = await llama.loadModel({modelPath, vocabOnly: true});
console.log(JSON.stringify({
    release: llama.llamaCppRelease.release,
    ids: texts.map((text) => [...model.tokenize(text, false)])
}));
process.exit(0); // nothing of value is left to dispose of
