// Makes vectors of the lengths of words. Put your own model's numbers in their place.
import type { Embedder } from "docmill:plugin/embedder@0.1.0";
import type { Manifest } from "docmill:plugin/manifest@0.1.0";
import { wordLengths } from "./logic.js";

const DIMENSIONS = 16;

export const manifest: Manifest = {
  describe: () => ({
    name: "{{namespace}}/{{name}}",
    version: "0.1.0",
    summary: "Makes vectors of the lengths of words.",
    configSchema: JSON.stringify({ type: "object", additionalProperties: false }),
    accepts: [],
    fields: [],
  }),
};

export const embedder: Embedder = {
  // `purpose` is "document" for texts that will be searched and "query" for those that search.
  embed(texts, purpose) {
    return { model: `{{namespace}}/{{name}}@1/${DIMENSIONS}`, vectors: texts.map((text) => wordLengths(text, DIMENSIONS)) };
  },
};
