import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message, Role } from "docmill:plugin/llm-types@0.1.0";
import { lastQuestion, words } from "../src/logic.js";

test("the last question", () => {
  const text = (role: Role, val: string): Message => ({ role, content: [{ tag: "text", val }] });
  assert.equal(lastQuestion([text("user", "a"), text("user", "b"), text("assistant", "c")]), "b");
  assert.equal(lastQuestion([text("system", "a")]), undefined);
});

test("words give the text again", () => {
  assert.deepEqual(words("Сәлем,  әлем!"), ["Сәлем,  ", "әлем!"]);
  assert.deepEqual(words(""), []);
});
