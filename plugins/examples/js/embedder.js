// Makes vectors of how often each letter stands in a text.
import { letterFrequencies, LETTERS } from "./letters.js";

export const manifest = {
  describe() {
    return {
      name: "example/js-letters",
      version: "0.1.0",
      summary: "Makes vectors of letter frequencies.",
      configSchema: JSON.stringify({ type: "object", additionalProperties: false }),
      accepts: [],
      fields: [],
    };
  },
};

export const embedder = {
  // What searches and what is searched are made into vectors in the same way.
  embed(texts, purpose, config) {
    return { model: `example/letters-${LETTERS.length}@1`, vectors: texts.map((text) => letterFrequencies(text)) };
  },
};
