// Sums up what was found as JSON.
import { summary } from "./logic.js";

export const manifest = {
  describe() {
    return {
      name: "{{namespace}}/{{name}}",
      version: "0.1.0",
      summary: "Sums up the fields of a run.",
      configSchema: JSON.stringify({ type: "object", additionalProperties: false }),
      accepts: [],
      fields: [],
    };
  },
};

export const transformer = {
  transform(inputs) {
    return { tag: "json", val: JSON.stringify(summary(inputs.fields())) };
  },
};
