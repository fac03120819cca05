// Finds the value behind a label: "Order: 42" gives the field "order" with the place where it stands.
import { valueBehind } from "./logic.js";

export const manifest = {
  describe() {
    return {
      name: "{{namespace}}/{{name}}",
      version: "0.1.0",
      summary: "Finds the value behind a label.",
      configSchema: JSON.stringify({
        type: "object",
        additionalProperties: false,
        properties: { label: { type: "string", minLength: 1, default: "Order:" } },
      }),
      accepts: [],
      fields: [{ name: "order", kind: "text", description: "What stands behind the label, to the end of its line." }],
    };
  },
};

export const extractor = {
  extract(inputs, config) {
    const { label = "Order:" } = JSON.parse(config || "{}");
    const reading = inputs.main();
    if (!reading) {
      throw { kind: "invalid-input", code: "no-document", message: "Let a parser run before this step.", retryAfterMs: null };
    }
    for (let page = 0; page < reading.pageCount(); page++) {
      const found = valueBehind(reading.text(page), label);
      if (!found) continue;
      const span = reading.span(page, found.start, found.end, "utf16");
      const citation = { reading: reading.id(), page, range: span.range, quote: found.value, regions: [] };
      return [{ path: "order", value: { tag: "text", val: found.value }, raw: found.value, confidence: 0.9, citations: [citation] }];
    }
    return [{ path: "order", value: null, raw: null, confidence: null, citations: [] }];
  },
};
