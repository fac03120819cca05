// Writes what was found as a CSV file.
import { toCsv, encodeUtf8 } from "./csv.js";

export const manifest = {
  describe() {
    return {
      name: "example/js-csv",
      version: "0.1.0",
      summary: "Writes the fields of a run as a CSV file.",
      configSchema: JSON.stringify({
        type: "object",
        additionalProperties: false,
        properties: { name: { type: "string", default: "fields.csv" } },
      }),
      accepts: [],
      fields: [],
    };
  },
};

export const transformer = {
  transform(inputs, config) {
    const { name = "fields.csv" } = JSON.parse(config || "{}");
    const rows = inputs.fields().map((field) => [field.path, plain(field.value), field.raw ?? "", field.confidence ?? ""]);
    const csv = toCsv([["path", "value", "raw", "confidence"], ...rows]);
    return { tag: "artifact", val: { name, mediaType: "text/csv", content: encodeUtf8(csv) } };
  },
};

function plain(value) {
  if (!value) return "";
  if (value.tag === "money") return [value.val.amount, value.val.currency].filter(Boolean).join(" ");
  return String(value.val);
}
