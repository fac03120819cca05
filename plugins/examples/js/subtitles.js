// SubRip and WebVTT, apart from docmill so that Node can test it.

const TIMES = /^(\d{1,2}:)?\d{2}:\d{2}[.,]\d{3}\s*-->\s*(\d{1,2}:)?\d{2}:\d{2}[.,]\d{3}/;

/** The spoken texts in order: [{from, text}]; empty if it is no subtitle file. */
export function readSubtitles(file) {
  const cues = [];
  for (const group of file.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n").split(/\n{2,}/)) {
    const lines = group.split("\n");
    const at = lines.findIndex((line) => TIMES.test(line));
    if (at < 0) continue;
    const text = lines.slice(at + 1).join("\n").replace(/<[^>]*>/g, "").trim();
    if (text) cues.push({ from: lines[at].split(/\s*-->/)[0], text });
  }
  return cues;
}

/** UTF-8 without TextDecoder, which a small component does not have. Throws on bytes that are none. */
export function decodeUtf8(bytes) {
  let escaped = "";
  const chunk = 8192;
  for (let at = 0; at < bytes.length; at += chunk) {
    escaped += Array.from(bytes.subarray(at, at + chunk), (byte) =>
      byte < 0x80 && byte !== 0x25 ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, "0")}`,
    ).join("");
  }
  return decodeURIComponent(escaped);
}
