// Runs the script of the HTML verifier over the published vectors, as its own reader of them: no byte passes through
// Python. Usage: node html_verifier.mjs PAGE VECTORS; prints one JSON object a line, {"name", "reason", "word"}.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

const [page, file] = process.argv.slice(2);
const script = /<script>([^]*)<\/script>/.exec(readFileSync(page, "utf8"))[1];
const verifyBundle = new Function(`${script}\nreturn verifyBundle;`)();
const { now, networks, vectors } = JSON.parse(gunzipSync(readFileSync(file)));
const texts = new Map();

function textOf(name) {
  if (!texts.has(name)) {
    const vector = vectors.find((one) => one.name === name);
    const text = vector ? spliced(textOf(vector.base), vector.splices) : Buffer.from(networks[name].bundle);
    if (vector?.reason) return text; // nothing is made of a hostile bundle, and some are large
    texts.set(name, text);
  }
  return texts.get(name);
}

function spliced(text, splices) {
  const parts = [];
  let at = 0;
  for (const splice of [...splices].sort((one, other) => one.at - other.at)) {
    const insert = splice.base64 === undefined ? Buffer.from(splice.text) : Buffer.from(splice.base64, "base64");
    parts.push(text.subarray(at, splice.at), Buffer.alloc(insert.length * (splice.times ?? 1), insert));
    at = splice.at + splice.remove;
  }
  return Buffer.concat([...parts, text.subarray(at)]);
}

function genesisOf(vector) {
  if (vector.genesis) return vector.genesis;
  return networks[vector.base]?.genesis ?? genesisOf(vectors.find((one) => one.name === vector.base));
}

for (const vector of vectors) {
  const options = { witnessesMin: vector.witnesses_min ?? 1, now };
  const genesis = Uint8Array.from(Buffer.from(genesisOf(vector), "hex"));
  const outcome = await verifyBundle(new Uint8Array(textOf(vector.name)), genesis, options).catch((error) => ({
    reason: `no verdict: ${error.stack}`,
  }));
  const { reason, message, word } = outcome;
  console.log(JSON.stringify({ name: vector.name, reason: outcome.proved ? null : reason, message, word }));
}
