// CSV (RFC 4180), apart from docmill so that Node can test it.

export function toCsv(rows) {
  const quoted = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
  return rows.map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
}

/** UTF-8 without TextEncoder, which a small component does not have. */
export function encodeUtf8(text) {
  const escaped = encodeURIComponent(text.toWellFormed ? text.toWellFormed() : text);
  const bytes = [];
  for (let at = 0; at < escaped.length; at++) {
    if (escaped[at] === "%") {
      bytes.push(parseInt(escaped.slice(at + 1, at + 3), 16));
      at += 2;
    } else {
      bytes.push(escaped.charCodeAt(at));
    }
  }
  return new Uint8Array(bytes);
}
