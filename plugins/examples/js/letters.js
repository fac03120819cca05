export const LETTERS = "abcdefghijklmnopqrstuvwxyzабвгдежзийклмнопрстуфхцчшщъыьэюя";

/** One number for each letter, scaled so that the vector's length is 1; zeros if there is no letter. */
export function letterFrequencies(text) {
  const counts = new Array(LETTERS.length).fill(0);
  for (const letter of text.toLowerCase().replaceAll("ё", "е")) {
    const place = LETTERS.indexOf(letter);
    if (place >= 0) counts[place] += 1;
  }
  const length = Math.sqrt(counts.reduce((sum, count) => sum + count * count, 0));
  return length ? counts.map((count) => count / length) : counts;
}
