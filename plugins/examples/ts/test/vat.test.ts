import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "../src/vat.js";

const RIGHT = [
  "ATU13585627",
  "BE0428759497",
  "BG175074752",
  "DE136695976",
  "DK13585628",
  "EE100931558",
  "EL094259216",
  "FI20774740",
  "FR40303265045",
  "HR33392005961",
  "HU12892312",
  "IT00743110157",
  "LT119511515",
  "LT100001919017",
  "LU15027442",
  "MT11679112",
  "NL004495445B01",
  "PL8567346215",
  "PT501964843",
  "RO18547290",
  "SE123456789701",
  "SI50223054",
  "SK2022749619",
];

test("numbers of every country whose rule is known", () => {
  for (const number of RIGHT) assert.equal(judge(number).verdict, "right", number);
});

test("another last digit is wrong, whichever it is", () => {
  for (const number of RIGHT) {
    // Behind the last check digit stand two fixed letters or digits in the Netherlands and Sweden, and in front in France.
    const at = { NL: number.length - 4, SE: number.length - 3 }[number.slice(0, 2)] ?? number.length - 1;
    for (const digit of "0123456789") {
      if (digit === number[at]) continue;
      const changed = number.slice(0, at) + digit + number.slice(at + 1);
      assert.equal(judge(changed).verdict, "wrong", changed);
    }
  }
});

test("as people write them", () => {
  assert.deepEqual(judge(" de 136.695.976 "), { number: "DE136695976", country: "DE", verdict: "right" });
  assert.equal(judge("NL 0044.95.445.B.01").verdict, "right");
});

test("what nobody has, and what is not known", () => {
  for (const text of ["", "DE", "DE12345678", "GR094259216", "US123456789", "DE13669597X", "__proto__", "FRIO303265045"]) {
    assert.equal(judge(text).verdict, "malformed", text);
  }
  for (const text of ["CZ25123891", "ES58378431A", "BG7523169263", "IE6433435F"]) {
    assert.equal(judge(text).verdict, "unknown", text);
  }
});
