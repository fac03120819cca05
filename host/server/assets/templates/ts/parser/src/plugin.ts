// Reads a text file: every group of lines becomes a paragraph.
import { ReadingBuilder } from "docmill:plugin/documents@0.1.0";
import type { Manifest } from "docmill:plugin/manifest@0.1.0";
import type { Parser } from "docmill:plugin/parser@0.1.0";
import type { Block, PageInfo, PluginError } from "docmill:plugin/types@0.1.0";
import { decodeUtf8, paragraphs } from "./logic.js";

export const manifest: Manifest = {
  describe: () => ({
    name: "{{namespace}}/{{name}}",
    version: "0.1.0",
    summary: "Reads text files.",
    configSchema: JSON.stringify({ type: "object", additionalProperties: false }),
    accepts: ["text/plain"],
    fields: [],
  }),
};

export const parser: Parser = {
  parse(source) {
    let text: string;
    try {
      text = decodeUtf8(source.read(0, source.size()));
    } catch {
      throw {
        kind: "invalid-input",
        code: "not-utf-8",
        message: "The file is not UTF-8 text; convert it first.",
        retryAfterMs: null,
      } satisfies PluginError;
    }
    const reading = new ReadingBuilder();
    const info: PageInfo = { label: null, size: null, origin: "digital", warnings: [] };
    reading.addPage(info, paragraphs(text).map(paragraph));
    return reading;
  },
};

function paragraph(text: string): Block {
  return {
    kind: { tag: "paragraph" },
    text,
    fragments: [],
    table: null,
    image: null,
    region: null,
    confidence: null,
    range: null,
  };
}
