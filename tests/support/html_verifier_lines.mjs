// Runs the script of the HTML verifier over bundles as they come: one JSON object a line on standard input, {"genesis",
// "witnesses_min", "now", "bundle" (base64)}; answers each with one line, {"reason", "message", "word"}; a reason that is
// null proves, "no verdict" says that this verifier cannot tell. Usage: node html_verifier_lines.mjs PAGE

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const script = /<script>([^]*)<\/script>/.exec(readFileSync(process.argv[2], "utf8"))[1];
const verifyBundle = new Function(`${script}\nreturn verifyBundle;`)();

for await (const line of createInterface({ input: process.stdin })) {
  const { genesis, witnesses_min: witnessesMin, now, bundle } = JSON.parse(line);
  const bytes = new Uint8Array(Buffer.from(bundle, "base64"));
  const outcome = await verifyBundle(bytes, Uint8Array.from(Buffer.from(genesis, "hex")), { witnessesMin, now }).catch(
    (error) => ({ reason: error.constructor.name === "Unable" ? "no verdict" : `fault: ${error.stack}` }),
  );
  const { proved, reason, message, word } = outcome;
  console.log(JSON.stringify({ reason: proved ? null : reason, message, word }));
}
