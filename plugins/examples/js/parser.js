// Reads subtitles (SubRip, WebVTT): one page, one paragraph for each cue.
import { ReadingBuilder } from "docmill:plugin/documents@0.1.0";
import { decodeUtf8, readSubtitles } from "./subtitles.js";

export const manifest = {
  describe() {
    return {
      name: "example/js-subtitles",
      version: "0.1.0",
      summary: "Reads SubRip and WebVTT subtitles.",
      configSchema: JSON.stringify({ type: "object", additionalProperties: false }),
      accepts: ["application/x-subrip", "text/vtt", "text/plain"],
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
      throw { kind: "invalid-input", code: "not-utf-8", message: "The subtitles are not UTF-8; convert them.", retryAfterMs: null };
    }
    const cues = readSubtitles(text);
    if (cues.length === 0) {
      throw { kind: "invalid-input", code: "no-cues", message: "The file holds no cues: is it SubRip or WebVTT?", retryAfterMs: null };
    }
    const reading = new ReadingBuilder();
    reading.addMetadata("first-cue", cues[0].from);
    const info = { label: null, size: null, origin: "digital", warnings: [] };
    const blocks = cues.map(({ text }) => ({
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
