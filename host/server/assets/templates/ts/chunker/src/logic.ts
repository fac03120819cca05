/** Paragraphs (groups of lines between blank lines), with their places in UTF-16 units. */
export function paragraphs(text: string): { start: number; end: number }[] {
  const found = [];
  for (const match of text.matchAll(/\S[^]*?(?=\s*(?:\n\s*\n|$(?![^])))/g)) {
    found.push({ start: match.index, end: match.index + match[0].length });
  }
  return found;
}
