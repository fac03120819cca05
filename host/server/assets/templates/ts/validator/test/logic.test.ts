import assert from "node:assert/strict";
import { test } from "node:test";
import type { Field } from "docmill:plugin/types@0.1.0";
import { judge } from "../src/logic.js";

test("found and missing", () => {
  const rest = { raw: null, confidence: null, citations: [] };
  const fields: Field[] = [
    { path: "seller.name", value: { tag: "text", val: "Alpha" }, ...rest },
    { path: "total", value: null, ...rest },
  ];
  assert.equal(judge("seller.name", fields).outcome, "pass");
  assert.equal(judge("seller.name", fields).code, "has-seller-name");
  assert.equal(judge("total", fields).outcome, "fail");
  assert.equal(judge("date", fields).outcome, "fail");
});
