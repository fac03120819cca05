import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeUtf8, toCsv } from "./csv.js";
import { findEmails } from "./emails.js";
import { letterFrequencies, LETTERS } from "./letters.js";
import { groupLines } from "./lines.js";
import { lastQuestion, words } from "./parrot.js";
import { decodeUtf8, readSubtitles } from "./subtitles.js";

test("e-mail addresses and their places", () => {
  const text = "😀 пишите: info@пример.рф, a.b+c@example.org.";
  const found = findEmails(text);
  assert.deepEqual(found.map((email) => email.address), ["info@пример.рф", "a.b+c@example.org"]);
  for (const { address, start, end } of found) assert.equal(text.slice(start, end), address);
});

test("subtitles", () => {
  const cues = readSubtitles("WEBVTT\r\n\r\n1\r\n00:00:01.000 --> 00:00:02.000\r\n<b>Сәлем</b>\r\nworld\r\n\r\nNOTE no cue\r\n");
  assert.deepEqual(cues, [{ from: "00:00:01.000", text: "Сәлем\nworld" }]);
  assert.deepEqual(readSubtitles("plain text"), []);
});

test("UTF-8 there and back", () => {
  const text = "100 % Сәлем 😀\n";
  assert.equal(decodeUtf8(encodeUtf8(text)), text);
  assert.deepEqual(encodeUtf8(text), new Uint8Array(new TextEncoder().encode(text)));
  assert.throws(() => decodeUtf8(new Uint8Array([0xff])));
});

test("CSV quotes what needs it", () => {
  assert.equal(toCsv([["a", 'b"c', "d,e"]]), 'a,"b""c","d,e"\r\n');
});

test("groups of lines and their places", () => {
  const text = "😀 one\n\n  \ntwo\nthree\nfour";
  const groups = groupLines(text, 2);
  assert.deepEqual(groups.map(({ start, end, first }) => [text.slice(start, end), first]), [
    ["😀 one\n\n  \ntwo", 0],
    ["three\nfour", 4],
  ]);
  assert.deepEqual(groupLines(" \n", 2), []);
});

test("frequencies of letters", () => {
  const vector = letterFrequencies("Ёе!");
  assert.equal(vector.length, LETTERS.length);
  assert.equal(vector[LETTERS.indexOf("е")], 1);
  assert.ok(letterFrequencies("42").every((number) => number === 0));
});

test("the parrot's question and words", () => {
  const text = (role, val) => ({ role, content: [{ tag: "image", val: {} }, { tag: "text", val }] });
  assert.equal(lastQuestion([text("user", "a"), text("user", "b"), text("assistant", "c")]), "b");
  assert.equal(lastQuestion([text("system", "a")]), undefined);
  assert.deepEqual(words("Сәлем,  әлем!"), ["Сәлем,  ", "әлем!"]);
});
