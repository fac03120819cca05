// Sums up what was found as JSON.
import type { Manifest } from "docmill:plugin/manifest@0.1.0";
import type { Transformer } from "docmill:plugin/transformer@0.1.0";
import { summary } from "./logic.js";

export const manifest: Manifest = {
  describe: () => ({
    name: "{{namespace}}/{{name}}",
    version: "0.1.0",
    summary: "Sums up the fields of a run.",
    configSchema: JSON.stringify({ type: "object", additionalProperties: false }),
    accepts: [],
    fields: [],
  }),
};

export const transformer: Transformer = {
  transform(inputs) {
    return { tag: "json", val: JSON.stringify(summary(inputs.fields())) };
  },
};
