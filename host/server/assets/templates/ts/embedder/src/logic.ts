/** How many words of a text have each length, up to `most`; scaled so that the vector's length is 1. */
export function wordLengths(text: string, most: number): number[] {
  const counts = new Array<number>(most).fill(0);
  for (const word of text.match(/[\p{L}\p{N}]+/gu) ?? []) {
    const place = Math.min([...word].length, most) - 1;
    counts[place] = (counts[place] ?? 0) + 1;
  }
  const length = Math.hypot(...counts);
  return length ? counts.map((count) => count / length) : counts;
}
