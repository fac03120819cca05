// Identification numbers for value added tax in the European Union, apart from docmill so that Node can test it.
//
// The prefix is that of Article 215 of Council Directive 2006/112/EC (ISO 3166 alpha-2, and EL for Greece, XI for Northern
// Ireland); the shape of each is the one that the European Commission's VIES publishes. Check digits are the member states'
// own: several of them are ISO/IEC 7064 (MOD 11,10 in Germany and Croatia, MOD 97-10 in the Netherlands) or ISO/IEC 7812-1
// (Luhn, in Italy, France, Sweden and Austria), the others weighted sums. That a number is well-formed does not say that
// anybody has it: only VIES knows.

export type Verdict =
  /** The check digits are right. */
  | "right"
  /** They are not. */
  | "wrong"
  /** It does not have the shape of its member state's numbers, or no member state has that prefix. */
  | "malformed"
  /** The shape is right; its check digits are not known here. */
  | "unknown";

interface Scheme {
  shape: RegExp;
  /** Of the number without its prefix; null: of this kind they are not known. None at all: they are not public. */
  check?: (number: string) => boolean | null;
}

const digits = (text: string): number[] => Array.from(text, Number);

/** The sum of each digit times its weight. */
const weighted = (number: string, weights: number[]): number =>
  weights.reduce((sum, weight, place) => sum + weight * Number(number[place]), 0);

/** ISO/IEC 7812-1: every second digit from the right is doubled. */
function luhn(number: string): boolean {
  const sum = digits(number)
    .reverse()
    .reduce((sum, digit, place) => {
      const value = place % 2 === 0 ? digit : 2 * digit;
      return sum + (value > 9 ? value - 9 : value);
    }, 0);
  return sum % 10 === 0;
}

/** ISO/IEC 7064, MOD 11,10. */
function mod11_10(number: string): boolean {
  let product = 10;
  for (const digit of digits(number.slice(0, -1))) {
    const sum = (digit + product) % 10 || 10;
    product = (2 * sum) % 11;
  }
  return (product + Number(number.at(-1))) % 10 === 1;
}

/** ISO/IEC 7064, MOD 97-10: letters count as 10 to 35. */
function mod97(text: string): boolean {
  let rest = 0;
  for (const sign of text) {
    for (const digit of String(parseInt(sign, 36))) rest = (10 * rest + Number(digit)) % 97;
  }
  return rest === 1;
}

const descending = (from: number, to: number): number[] => Array.from({ length: from - to + 1 }, (_, place) => from - place);

const ascending = (from: number, to: number): number[] => descending(to, from).reverse();

const last = (number: string): number => Number(number.at(-1));

/** 11 less the sum's rest is the last digit; 10 and 11 count as `ten` and 0. */
function complement11(number: string, weights: number[], ten: number | null): boolean {
  const rest = 11 - (weighted(number, weights) % 11);
  return last(number) === (rest === 11 ? 0 : rest === 10 ? ten : rest);
}

/** Two rounds of weights, the second if the first one gives 10; if both do, the digit is 0. */
function twice11(number: string, first: number[], second: number[]): boolean {
  const rests = [first, second].map((weights) => weighted(number, weights) % 11);
  return last(number) === (rests.find((rest) => rest !== 10) ?? 0);
}

/** Weights 1 to 9 over and over, and 3 onwards where these give 10. */
function lithuanian(number: string): boolean {
  const from = (first: number) => Array.from({ length: number.length - 1 }, (_, place) => ((place + first - 1) % 9) + 1);
  return twice11(number, from(1), from(3));
}

const SCHEMES: Record<string, Scheme> = {
  AT: {
    shape: /^U\d{8}$/,
    check: (number) => {
      const sum = digits(number.slice(1, 8)).reduce((sum, digit, place) => {
        const value = place % 2 === 0 ? digit : 2 * digit;
        return sum + (value > 9 ? value - 9 : value);
      }, 4);
      return (10 - (sum % 10)) % 10 === last(number);
    },
  },
  BE: { shape: /^[01]\d{9}$/, check: (number) => 97 - (Number(number.slice(0, 8)) % 97) === Number(number.slice(8)) },
  // Ten digits are people's, of which there are several kinds.
  BG: { shape: /^\d{9,10}$/, check: (number) => (number.length === 9 ? twice11(number, ascending(1, 8), ascending(3, 10)) : null) },
  CY: { shape: /^\d{8}[A-Z]$/ },
  CZ: { shape: /^\d{8,10}$/ },
  DE: { shape: /^[1-9]\d{8}$/, check: mod11_10 },
  DK: { shape: /^[1-9]\d{7}$/, check: (number) => weighted(number, [2, 7, 6, 5, 4, 3, 2, 1]) % 11 === 0 },
  EE: {
    shape: /^\d{9}$/,
    check: (number) => (10 - (weighted(number, [3, 7, 1, 3, 7, 1, 3, 7]) % 10)) % 10 === last(number),
  },
  EL: {
    shape: /^\d{9}$/,
    check: (number) => (weighted(number, [256, 128, 64, 32, 16, 8, 4, 2]) % 11) % 10 === last(number),
  },
  ES: { shape: /^(?:[A-Z]\d{7}[A-Z0-9]|\d{8}[A-Z])$/ },
  FI: { shape: /^\d{8}$/, check: (number) => complement11(number, [7, 9, 10, 5, 8, 4, 2], null) },
  FR: {
    shape: /^[A-HJ-NP-Z0-9]{2}\d{9}$/,
    check: (number) => {
      const siren = number.slice(2);
      // Keys with letters belong to numbers given since 2010, whose rule is not published.
      const key = /^\d\d/.test(number) ? (Number(siren) * 100 + 12) % 97 === Number(number.slice(0, 2)) : true;
      return key && (luhn(siren) || siren.startsWith("000"));
    },
  },
  HR: { shape: /^\d{11}$/, check: mod11_10 },
  HU: {
    shape: /^\d{8}$/,
    check: (number) => (10 - (weighted(number, [9, 7, 3, 1, 9, 7, 3]) % 10)) % 10 === last(number),
  },
  IE: { shape: /^(?:\d{7}[A-W][A-I]?|\d[A-Z+*]\d{5}[A-W])$/ },
  IT: { shape: /^\d{11}$/, check: luhn },
  LT: { shape: /^(?:\d{9}|\d{12})$/, check: lithuanian },
  LU: { shape: /^\d{8}$/, check: (number) => Number(number.slice(0, 6)) % 89 === Number(number.slice(6)) },
  LV: { shape: /^\d{11}$/ },
  MT: {
    shape: /^[1-9]\d{7}$/,
    check: (number) => 37 - (weighted(number, [3, 4, 6, 7, 8, 9]) % 37) === Number(number.slice(6)),
  },
  NL: {
    shape: /^\d{9}B\d\d$/,
    // Companies have the weighted sum of their number, people (since 2020) MOD 97-10 over the whole.
    check: (number) =>
      weighted(number, descending(9, 2)) % 11 === Number(number[8]) || mod97(`NL${number}`),
  },
  PL: {
    shape: /^\d{10}$/,
    check: (number) => weighted(number, [6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 === last(number),
  },
  PT: { shape: /^[1-9]\d{8}$/, check: (number) => complement11(number, descending(9, 2), 0) },
  RO: {
    shape: /^[1-9]\d{1,9}$/,
    check: (number) =>
      ((weighted(number.padStart(10, "0"), [7, 5, 3, 2, 1, 7, 5, 3, 2]) * 10) % 11) % 10 === last(number),
  },
  SE: { shape: /^\d{10}01$/, check: (number) => luhn(number.slice(0, 10)) },
  SI: { shape: /^[1-9]\d{7}$/, check: (number) => complement11(number, descending(8, 2), 0) },
  SK: { shape: /^[1-9]\d[2-46-9]\d{7}$/, check: (number) => Number(number) % 11 === 0 },
  XI: { shape: /^(?:\d{9}|\d{12}|(?:GD|HA)\d{3})$/ },
};

/** Without blanks, dots, dashes and slashes, in capitals: as VIES takes it. */
export function normalize(text: string): string {
  return text.replace(/[\s.\-/]/gu, "").toUpperCase();
}

/** What the check digits of a number say; it may be written with blanks and dots. */
export function judge(text: string): { number: string; country: string; verdict: Verdict } {
  const number = normalize(text);
  const country = number.slice(0, 2);
  const scheme = Object.hasOwn(SCHEMES, country) ? SCHEMES[country] : undefined;
  const rest = number.slice(2);
  if (!scheme?.shape.test(rest)) return { number, country, verdict: "malformed" };
  const right = scheme.check?.(rest) ?? null;
  return { number, country, verdict: right === null ? "unknown" : right ? "right" : "wrong" };
}
