/** A value with its place in UTF-16 units, as JavaScript counts. */
export interface Found {
  value: string;
  start: number;
  end: number;
}

/** The rest of the line behind a label; null if there is none. */
export function valueBehind(text: string, label: string): Found | null {
  const at = text.indexOf(label);
  if (at < 0) return null;
  const line = text.slice(at + label.length).split("\n", 1)[0] ?? "";
  const value = line.trim();
  if (!value) return null;
  const start = at + label.length + line.indexOf(value);
  return { value, start, end: start + value.length };
}
