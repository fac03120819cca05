// Finds the value behind a label: "Order: 42" gives the field "order" with the place where it stands.
import type { Extractor } from "docmill:plugin/extractor@0.1.0";
import type { Manifest } from "docmill:plugin/manifest@0.1.0";
import type { Citation, PluginError } from "docmill:plugin/types@0.1.0";
import { valueBehind } from "./logic.js";

/** What `configSchema` lets through. */
interface Config {
  label?: string;
}

export const manifest: Manifest = {
  describe: () => ({
    name: "acme/ts-extractor",
    version: "0.1.0",
    summary: "Finds the value behind a label.",
    configSchema: JSON.stringify({
      type: "object",
      additionalProperties: false,
      properties: { label: { type: "string", minLength: 1, default: "Order:" } },
    }),
    accepts: [],
    fields: [{ name: "order", kind: "text", description: "What stands behind the label, to the end of its line." }],
  }),
};

export const extractor: Extractor = {
  extract(inputs, config) {
    const { label = "Order:" } = JSON.parse(config || "{}") as Config;
    const reading = inputs.main();
    if (!reading) {
      throw {
        kind: "invalid-input",
        code: "no-document",
        message: "Let a parser run before this step.",
        retryAfterMs: null,
      } satisfies PluginError;
    }
    for (let page = 0; page < reading.pageCount(); page++) {
      const found = valueBehind(reading.text(page), label);
      if (!found) continue;
      const { range } = reading.span(page, found.start, found.end, "utf16");
      const citation: Citation = { reading: reading.id(), page, range, quote: found.value, regions: [] };
      return [{ path: "order", value: { tag: "text", val: found.value }, raw: found.value, confidence: 0.9, citations: [citation] }];
    }
    return [{ path: "order", value: null, raw: null, confidence: null, citations: [] }];
  },
};
