// Makes a chunk of every paragraph.
import type { Chunk, Chunker } from "docmill:plugin/chunker@0.1.0";
import type { Manifest } from "docmill:plugin/manifest@0.1.0";
import { paragraphs } from "./logic.js";

export const manifest: Manifest = {
  describe: () => ({
    name: "{{namespace}}/{{name}}",
    version: "0.1.0",
    summary: "Makes a chunk of every paragraph.",
    configSchema: JSON.stringify({ type: "object", additionalProperties: false }),
    accepts: [],
    fields: [],
  }),
};

export const chunker: Chunker = {
  split(reading) {
    const chunks: Chunk[] = [];
    for (let page = 0; page < reading.pageCount(); page++) {
      for (const { start, end } of paragraphs(reading.text(page))) {
        // The text is that of the spans; the host joins it.
        chunks.push({ text: "", spans: [reading.span(page, start, end, "utf16")], headings: [], metadata: null });
      }
    }
    return chunks;
  },
};
