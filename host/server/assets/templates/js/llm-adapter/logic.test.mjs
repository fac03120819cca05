import assert from "node:assert/strict";
import { test } from "node:test";
import { lastQuestion, words } from "./logic.js";

test("the last question", () => {
  const text = (role, val) => ({ role, content: [{ tag: "text", val }] });
  assert.equal(lastQuestion([text("user", "a"), text("user", "b"), text("assistant", "c")]), "b");
  assert.equal(lastQuestion([text("system", "a")]), undefined);
});

test("words give the text again", () => {
  assert.deepEqual(words("Сәлем,  әлем!"), ["Сәлем,  ", "әлем!"]);
  assert.deepEqual(words(""), []);
});
