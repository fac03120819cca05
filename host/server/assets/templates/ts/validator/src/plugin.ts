// Checks that fields were found.
import type { Manifest } from "docmill:plugin/manifest@0.1.0";
import type { Validator } from "docmill:plugin/validator@0.1.0";
import { judge } from "./logic.js";

/** What `configSchema` lets through. */
interface Config {
  fields: string[];
}

export const manifest: Manifest = {
  describe: () => ({
    name: "{{namespace}}/{{name}}",
    version: "0.1.0",
    summary: "Checks that fields were found.",
    configSchema: JSON.stringify({
      type: "object",
      additionalProperties: false,
      required: ["fields"],
      properties: { fields: { type: "array", items: { type: "string" } } },
    }),
    accepts: [],
    fields: [],
  }),
};

export const validator: Validator = {
  validate(inputs, config) {
    const fields = inputs.fields();
    return (JSON.parse(config) as Config).fields.map((path) => judge(path, fields));
  },
};
