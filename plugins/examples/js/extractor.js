// Finds e-mail addresses: emails[0], emails[1], … each with the exact place where it stands.
import { findEmails } from "./emails.js";

export const manifest = {
  describe() {
    return {
      name: "example/js-emails",
      version: "0.1.0",
      summary: "Finds e-mail addresses with their places.",
      configSchema: JSON.stringify({
        type: "object",
        additionalProperties: false,
        properties: { limit: { type: "integer", minimum: 1, maximum: 1000, default: 100 } },
      }),
      accepts: [],
      fields: [{ name: "emails", kind: "text", description: "All addresses, once each, in the document's order." }],
    };
  },
};

export const extractor = {
  extract(inputs, config) {
    const { limit = 100 } = JSON.parse(config || "{}");
    const reading = inputs.main();
    if (!reading) {
      throw { kind: "invalid-input", code: "no-document", message: "Let a parser run before this step.", retryAfterMs: null };
    }
    const found = new Map();
    for (let page = 0; page < reading.pageCount(); page++) {
      for (const { address, start, end } of findEmails(reading.text(page))) {
        // JavaScript counts UTF-16 units; the host turns them into bytes.
        const span = reading.span(page, start, end, "utf16");
        const citation = { reading: reading.id(), page, range: span.range, quote: address, regions: [] };
        const known = found.get(address.toLowerCase());
        if (known) known.push(citation);
        else if (found.size < limit) found.set(address.toLowerCase(), [citation]);
      }
    }
    return Array.from(found.values(), (citations, index) => ({
      path: `emails[${index}]`,
      value: { tag: "text", val: citations[0].quote },
      raw: citations[0].quote,
      confidence: 0.99,
      citations,
    }));
  },
};
