import type { Field, Value } from "docmill:plugin/types@0.1.0";

export interface Summary {
  found: Record<string, Value["val"]>;
  missing: string[];
}

/** Found values by path, and the paths that were looked for in vain. */
export function summary(fields: Field[]): Summary {
  const found = fields.flatMap(({ path, value }) => (value ? [[path, value.val] as const] : []));
  return {
    found: Object.fromEntries(found),
    missing: fields.filter((field) => !field.value).map((field) => field.path),
  };
}
