import assert from "node:assert/strict";
import { test } from "node:test";
import { valueBehind } from "../src/logic.js";

test("a value with its place", () => {
  const text = "😀 Счёт\nOrder:  42-А \nend";
  const found = valueBehind(text, "Order:");
  assert.equal(found?.value, "42-А");
  assert.equal(text.slice(found?.start, found?.end), "42-А");
});

test("nothing there", () => {
  assert.equal(valueBehind("nothing", "Order:"), null);
  assert.equal(valueBehind("Order:  \n5", "Order:"), null);
});
