// Judges the check digits of VAT identification numbers that earlier steps found.
import type { Manifest } from "docmill:plugin/manifest@0.1.0";
import type { Check, Field } from "docmill:plugin/types@0.1.0";
import type { Validator } from "docmill:plugin/validator@0.1.0";
import { judge, type Verdict } from "./vat.js";

/** What `configSchema` lets through. */
interface Config {
  names?: string[];
}

export const manifest: Manifest = {
  describe: () => ({
    name: "example/ts-vat-ids",
    version: "0.1.0",
    summary: "Checks the check digits of European VAT identification numbers.",
    configSchema: JSON.stringify({
      type: "object",
      additionalProperties: false,
      properties: {
        names: {
          description: "Last words of the paths of fields that hold a number: vat_id means seller.vat_id, too.",
          type: "array",
          minItems: 1,
          items: { type: "string", minLength: 1 },
          default: ["vat_id"],
        },
      },
    }),
    accepts: [],
    fields: [],
  }),
};

export const validator: Validator = {
  validate(inputs, config) {
    const { names = ["vat_id"] } = JSON.parse(config || "{}") as Config;
    return inputs.fields().filter((field) => names.includes(lastWord(field.path))).map(check);
  },
};

/** `lines[3].vat_id` → `vat_id` */
function lastWord(path: string): string {
  return (path.split(".").at(-1) ?? "").replace(/\[\d+\]$/, "");
}

const OUTCOMES: Record<Verdict, Check["outcome"]> = {
  right: "pass",
  wrong: "fail",
  malformed: "fail",
  unknown: "undecided",
};

function check(field: Field): Check {
  const about = { code: "vat-id-check-digits", severity: "error" as const, fields: [field.path], citations: field.citations };
  if (field.value?.tag !== "text") {
    return { ...about, outcome: "undecided", reason: "There is no number to judge." };
  }
  const { number, country, verdict } = judge(field.value.val);
  const reasons: Record<Verdict, string> = {
    right: `The check digits of ${number} are right.`,
    wrong: `The check digits of ${number} are wrong.`,
    malformed: "It does not have the form of a member state's VAT identification number.",
    unknown: `The check digits of numbers of ${country} like this one are not known.`,
  };
  return { ...about, outcome: OUTCOMES[verdict], reason: reasons[verdict] };
}
