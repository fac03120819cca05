import assert from "node:assert/strict";
import { test } from "node:test";
import { wordLengths } from "../src/logic.js";

test("lengths of words", () => {
  assert.deepEqual(wordLengths("Жол, бар!", 4), [0, 0, 1, 0]);
  assert.deepEqual(wordLengths("", 2), [0, 0]);
});
