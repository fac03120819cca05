import type { Check, Field } from "docmill:plugin/types@0.1.0";

/** The check that a field was found. */
export function judge(path: string, fields: Field[]): Check {
  const field = fields.find((field) => field.path === path && field.value);
  return {
    code: `has-${path.replace(/[^a-z0-9]/g, "-")}`,
    outcome: field ? "pass" : "fail",
    severity: "error",
    reason: field ? `The field ${path} was found.` : `The field ${path} was not found.`,
    fields: [path],
    citations: field ? field.citations : [],
  };
}
