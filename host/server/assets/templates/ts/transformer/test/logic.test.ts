import assert from "node:assert/strict";
import { test } from "node:test";
import type { Field } from "docmill:plugin/types@0.1.0";
import { summary } from "../src/logic.js";

test("found and missing", () => {
  const rest = { raw: null, confidence: null, citations: [] };
  const fields: Field[] = [
    { path: "total", value: { tag: "decimal", val: "5" }, ...rest },
    { path: "date", value: null, ...rest },
  ];
  assert.deepEqual(summary(fields), { found: { total: "5" }, missing: ["date"] });
});
