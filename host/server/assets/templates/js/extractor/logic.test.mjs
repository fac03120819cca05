import assert from "node:assert/strict";
import { test } from "node:test";
import { valueBehind } from "./logic.js";

test("a value with its place", () => {
  const text = "😀 Счёт\nOrder:  42-А \nend";
  const { value, start, end } = valueBehind(text, "Order:");
  assert.equal(value, "42-А");
  assert.equal(text.slice(start, end), value);
});

test("nothing there", () => {
  assert.equal(valueBehind("nothing", "Order:"), null);
  assert.equal(valueBehind("Order:  \n5", "Order:"), null);
});
