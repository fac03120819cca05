import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeUtf8, paragraphs } from "../src/logic.js";

test("paragraphs", () => {
  assert.deepEqual(paragraphs("one\r\ntwo\r\n\r\n\r\nthree\n"), ["one\ntwo", "three"]);
});

test("UTF-8", () => {
  const text = "100 % Сәлем 😀";
  assert.equal(decodeUtf8(new TextEncoder().encode(text)), text);
  assert.throws(() => decodeUtf8(new Uint8Array([0xff])));
});
