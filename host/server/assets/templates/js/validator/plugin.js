// Checks that fields were found.
import { judge } from "./logic.js";

export const manifest = {
  describe() {
    return {
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
    };
  },
};

export const validator = {
  validate(inputs, config) {
    const fields = inputs.fields();
    return JSON.parse(config).fields.map((path) => judge(path, fields));
  },
};
