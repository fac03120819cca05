// Builds every plugin of this folder into plugins/dist/examples/js-KIND.wasm. One of them by hand:
//   npx componentize-qjs --sync --stub-wasi --wit ../../../wit/plugin.wit --world parser-plugin --js parser.js -o parser.wasm
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";

const dist = new URL("../../dist/examples/", import.meta.url);
const wit = new URL("../../../wit/plugin.wit", import.meta.url);
const tool = new URL("node_modules/.bin/componentize-qjs", import.meta.url);
mkdirSync(dist, { recursive: true });

for (const kind of ["parser", "extractor", "validator", "transformer", "chunker", "embedder", "llm-adapter"]) {
  const out = new URL(`js-${kind}.wasm`, dist);
  const flags = ["--sync", "--stub-wasi", "--opt-size", "--wit", wit.pathname, "--world", `${kind}-plugin`];
  const built = spawnSync(tool.pathname, [...flags, "--js", `${kind}.js`, "-o", out.pathname], {
    cwd: import.meta.dirname,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (built.status !== 0) process.exit(built.status ?? 1);
}
