// Cuts a reading into chunks of a few lines each.
import { groupLines } from "./lines.js";

export const manifest = {
  describe() {
    return {
      name: "example/js-lines",
      version: "0.1.0",
      summary: "Cuts readings into chunks of a few lines.",
      configSchema: JSON.stringify({
        type: "object",
        additionalProperties: false,
        properties: { lines: { type: "integer", minimum: 1, maximum: 1000, default: 10 } },
      }),
      accepts: [],
      fields: [],
    };
  },
};

export const chunker = {
  split(reading, config) {
    const { lines = 10 } = JSON.parse(config || "{}");
    const chunks = [];
    for (let page = 0; page < reading.pageCount(); page++) {
      for (const { start, end, first } of groupLines(reading.text(page), lines)) {
        chunks.push({
          // The host joins the text of the spans.
          text: "",
          // JavaScript counts UTF-16 units; the host turns them into bytes.
          spans: [reading.span(page, start, end, "utf16")],
          headings: [],
          metadata: JSON.stringify({ line: first }),
        });
      }
    }
    return chunks;
  },
};
