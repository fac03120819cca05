import assert from "node:assert/strict";
import { test } from "node:test";
import { summary } from "./logic.js";

test("found and missing", () => {
  const fields = [
    { path: "total", value: { tag: "decimal", val: "5" } },
    { path: "date", value: null },
  ];
  assert.deepEqual(summary(fields), { found: { total: "5" }, missing: ["date"] });
});
