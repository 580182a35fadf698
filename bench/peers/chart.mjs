// Draws bench/results/NAME.json as an SVG file: how many times as fast as llama.cpp, per line.
//   node bench/peers/chart.mjs bench/results/NAME.json OUT.svg
import {readFileSync, writeFileSync} from "node:fs";

const [from, to] = process.argv.slice(2);
if (!to) {
    console.error("usage: node bench/peers/chart.mjs RESULTS.json OUT.svg");
    process.exit(2);
}
const {machine, threads, lines} = JSON.parse(readFileSync(from, "utf8"));
const escaped = (text) => text.replace(/[&<>]/g, (c) => ({"&": "&amp;", "<": "&lt;", ">": "&gt;"})[c]);

const rows = Object.entries(lines).flatMap(([title, {results}]) => {
    const ratio = (test) => results.find((r) => r.what === `${test}, x llama.cpp`);
    const prefill = ratio("prefill"), decode = ratio("decode");
    return prefill || decode ? [{title: title.replace(/^[^:]*: /, ""), prefill, decode}] : [];
});
if (rows.length === 0) {
    console.error(`${from} compares nothing with llama.cpp`);
    process.exit(1);
}

const left = 24 + Math.ceil(7.2 * Math.max(...rows.map((row) => row.title.length)));  // about what the letters take
const right = 130, width = left + 530, rowHeight = 38, top = 62;
const most = Math.ceil(Math.max(...rows.flatMap((r) => [r.prefill?.ratio ?? 0, r.decode?.ratio ?? 0])));
const x = (ratio) => left + ratio / most * (width - left - right);
const bar = (result, y, name) => result ? `<rect class="${name}" x="${left}" y="${y}" width="${(x(result.ratio) - left).toFixed(1)}" height="13" rx="2"/>`
    + `<text class="figure" x="${(x(result.ratio) + 5).toFixed(1)}" y="${y + 11}">${result.ratio.toFixed(2)} (${result.hearth.toFixed(result.hearth < 100 ? 1 : 0)} tok/s)</text>` : "";
const height = top + rows.length * rowHeight + 26;
writeFileSync(to, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Speed of hearth as a multiple of llama.cpp's">
<style>
text { font: 13px system-ui, sans-serif; fill: #333 } .title { font-weight: 600; font-size: 15px } .figure, .axis { font-size: 11px; fill: #666 }
.prefill { fill: #d9662c } .decode { fill: #3f7cac } .one { stroke: #999; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) { text { fill: #ddd } .figure, .axis { fill: #aaa } }
</style>
<text class="title" x="8" y="22">Times as fast as llama.cpp, same file, measured in turns</text>
<text class="axis" x="8" y="42">${escaped(machine)}, ${threads} threads</text>
<rect class="prefill" x="${width - 330}" y="31" width="12" height="12" rx="2"/><text class="axis" x="${width - 313}" y="41">reading a prompt</text>
<rect class="decode" x="${width - 190}" y="31" width="12" height="12" rx="2"/><text class="axis" x="${width - 173}" y="41">writing an answer</text>
<line class="one" x1="${x(1)}" x2="${x(1)}" y1="${top - 8}" y2="${height - 22}"/><text class="axis" x="${x(1) - 28}" y="${height - 8}">llama.cpp</text>
${rows.map((row, at) => `<text x="8" y="${top + at * rowHeight + 19}">${escaped(row.title)}</text>${bar(row.prefill, top + at * rowHeight, "prefill")}${bar(row.decode, top + at * rowHeight + 15, "decode")}`).join("\n")}
</svg>
`);
