import assert from "node:assert/strict";
import { test } from "node:test";
import { paragraphs } from "../src/logic.js";

test("paragraphs and their places", () => {
  const text = "\n😀 one\ntwo \n \n\nthree\n";
  assert.deepEqual(paragraphs(text).map(({ start, end }) => text.slice(start, end)), ["😀 one\ntwo", "three"]);
});

test("nothing there", () => {
  assert.deepEqual(paragraphs(" \n \n"), []);
});
