/** Groups of lines between blank lines. */
export function paragraphs(text: string): string[] {
  return text.replace(/\r\n?/g, "\n").split(/\n{2,}/).map((group) => group.trim()).filter(Boolean);
}

/** UTF-8 without TextDecoder. Throws on bytes that are none. */
export function decodeUtf8(bytes: Uint8Array): string {
  const hex = (byte: number) => `%${byte.toString(16).padStart(2, "0")}`;
  const plain = (byte: number) => byte < 0x80 && byte !== 0x25;
  return decodeURIComponent(Array.from(bytes, (byte) => (plain(byte) ? String.fromCharCode(byte) : hex(byte))).join(""));
}
