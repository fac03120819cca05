// Reads a text file: every group of lines becomes a paragraph.
import { ReadingBuilder } from "docmill:plugin/documents@0.1.0";
import { decodeUtf8, paragraphs } from "./logic.js";

export const manifest = {
  describe() {
    return {
      name: "{{namespace}}/{{name}}",
      version: "0.1.0",
      summary: "Reads text files.",
      configSchema: JSON.stringify({ type: "object", additionalProperties: false }),
      accepts: ["text/plain"],
      fields: [],
    };
  },
};

export const parser = {
  parse(source) {
    let text;
    try {
      text = decodeUtf8(source.read(0, source.size()));
    } catch {
      throw { kind: "invalid-input", code: "not-utf-8", message: "The file is not UTF-8 text; convert it first.", retryAfterMs: null };
    }
    const reading = new ReadingBuilder();
    const info = { label: null, size: null, origin: "digital", warnings: [] };
    const blocks = paragraphs(text).map((text) => ({
      kind: { tag: "paragraph" },
      text,
      fragments: [],
      table: null,
      image: null,
      region: null,
      confidence: null,
      range: null,
    }));
    reading.addPage(info, blocks);
    return reading;
  },
};
