/** Groups of up to `most` lines that are not blank, with their places in UTF-16 units and the number of their first line. */
export function groupLines(text, most) {
  const groups = [];
  let at = 0;
  let open = null;
  text.split("\n").forEach((line, number) => {
    if (line.trim()) {
      if (!open) groups.push((open = { start: at, first: number, lines: 0 }));
      open.end = at + line.length;
      if (++open.lines === most) open = null;
    }
    at += line.length + 1;
  });
  return groups;
}
