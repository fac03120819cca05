import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "./logic.js";

test("found and missing", () => {
  const fields = [
    { path: "seller.name", value: { tag: "text", val: "Alpha" }, citations: [] },
    { path: "total", value: null, citations: [] },
  ];
  assert.equal(judge("seller.name", fields).outcome, "pass");
  assert.equal(judge("seller.name", fields).code, "has-seller-name");
  assert.equal(judge("total", fields).outcome, "fail");
  assert.equal(judge("date", fields).outcome, "fail");
});
